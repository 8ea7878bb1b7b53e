//! Who uses a device: devices over it, mounts, and processes that have it open.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::record::DeviceNumber;

/// Who uses a device, as far as it can be found out: mounts of other namespaces and processes of
/// other PID namespaces are not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Users {
    /// Devices over it, by their names in `/dev`, such as `dm-1`.
    pub holders: Vec<String>,
    /// Where it is mounted.
    pub mounts: Vec<PathBuf>,
    /// Kinds of file systems on it, mounted here or elsewhere, such as `ext4`.
    pub file_systems: Vec<String>,
    /// Processes that have it open.
    pub processes: Vec<Process>,
}

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its PID.
    pub pid: u32,
    /// What it runs, at most 15 bytes of it.
    pub command: String,
}

impl Users {
    /// Looks for all users of the device.
    #[must_use]
    pub fn find(number: DeviceNumber) -> Users {
        Users { processes: processes(number), ..Users::lasting(number) }
    }

    /// Looks for devices over it and mounts, which will not go by themselves.
    pub(crate) fn lasting(number: DeviceNumber) -> Users {
        Users {
            holders: holders(number),
            mounts: mounts(number),
            file_systems: file_systems(number),
            processes: Vec::new(),
        }
    }

    /// Whether nobody was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Users::default()
    }
}

/// Shows them as ` by dm-1, mounted at /mnt, open in sh (12)`; nothing if nobody is known.
impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.holders.is_empty() {
            parts.push(format!("by {}", self.holders.join(", ")));
        }
        parts.extend(self.mounts.iter().map(|mount| format!("mounted at {}", mount.display())));
        if self.mounts.is_empty() && !self.file_systems.is_empty() {
            parts.push(format!("mounted elsewhere as {}", self.file_systems.join(", ")));
        }
        let process = |process: &Process| format!("open in {} ({})", process.command, process.pid);
        parts.extend(self.processes.iter().map(process));
        if parts.is_empty() { Ok(()) } else { write!(f, ": {}", parts.join(", ")) }
    }
}

fn holders(number: DeviceNumber) -> Vec<String> {
    names_in(&Path::new("/sys/dev/block").join(number.to_string()).join("holders"))
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn mounts(number: DeviceNumber) -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mount_points(&String::from_utf8_lossy(&text), number)
}

fn mount_points(text: &str, number: DeviceNumber) -> Vec<PathBuf> {
    let number = number.to_string();
    let of_line = |line: &str| {
        let mut words = line.split(' ');
        let is_device = words.nth(2) == Some(&*number);
        words.nth(1).filter(|_| is_device).map(|path| PathBuf::from(without_escapes(path)))
    };
    text.lines().filter_map(of_line).collect()
}

/// The kernel writes blanks and backslashes of paths as `\040`.
fn without_escapes(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, plain)| path.replace(escape, plain))
}

/// File systems that are mounted have a directory in `/sys/fs`, in whatever namespace that is.
fn file_systems(number: DeviceNumber) -> Vec<String> {
    let Ok(device) = fs::read_link(Path::new("/sys/dev/block").join(number.to_string())) else {
        return Vec::new();
    };
    let Some(name) = device.file_name() else { return Vec::new() };
    let kinds = names_in(Path::new("/sys/fs"));
    kinds.into_iter().filter(|kind| Path::new("/sys/fs").join(kind).join(name).exists()).collect()
}

fn processes(number: DeviceNumber) -> Vec<Process> {
    let pids = names_in(Path::new("/proc")).into_iter().filter_map(|name| name.parse().ok());
    let mut processes: Vec<_> = pids
        .filter(|pid| has_open(*pid, number))
        .map(|pid: u32| {
            let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).trim_end().to_owned();
            Process { pid, command }
        })
        .collect();
    processes.sort_by_key(|process| process.pid);
    processes
}

fn has_open(pid: u32, number: DeviceNumber) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.into_iter().any(|descriptor| {
        let path = descriptor.path();
        // Asking about a file of a network that is down could take for ever.
        let is_device = fs::read_link(&path).is_ok_and(|target| target.starts_with("/dev"));
        is_device
            && fs::metadata(&path).is_ok_and(|file| {
                file.file_type().is_block_device() && DeviceNumber::from_dev(file.rdev()) == number
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_those_of_the_device() {
        let text = "21 1 0:20 / /proc rw - proc proc rw\n\
                    36 1 253:0 / /mnt/a\\040b rw,relatime shared:1 - ext4 /dev/mapper/x ro\n\
                    37 1 253:0 /sub /srv rw - ext4 /dev/mapper/x ro\n\
                    38 1 253:10 / /no rw - ext4 /dev/mapper/y ro\nbroken\n";
        let number = DeviceNumber { major: 253, minor: 0 };
        assert_eq!(mount_points(text, number), [Path::new("/mnt/a b"), Path::new("/srv")]);
    }

    #[test]
    fn users_are_named() {
        let users = Users {
            holders: vec!["dm-1".to_owned()],
            mounts: vec!["/mnt".into()],
            file_systems: vec!["ext4".to_owned()],
            processes: vec![Process { pid: 12, command: "sh".to_owned() }],
        };
        assert_eq!(users.to_string(), ": by dm-1, mounted at /mnt, open in sh (12)");
        let elsewhere = Users { file_systems: vec!["ext4".to_owned()], ..Users::default() };
        assert_eq!(elsewhere.to_string(), ": mounted elsewhere as ext4");
        assert_eq!(Users::default().to_string(), "");
    }
}
