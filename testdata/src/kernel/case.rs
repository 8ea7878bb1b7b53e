//! Cases, and how they are given to the machine: as a list, and on its disks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::files;
use crate::number::to_u64;

const SECTOR: usize = 512;
/// Room on the third disk for the files of a file system, in bytes. What is not used is a hole.
const TREE_SPACE: u64 = 1 << 30;

/// What the kernel is asked to activate and to read.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The name of the case in messages.
    pub name: String,
    /// Block devices, as `/dev/mapper/NAME`, and what they hold: whole sectors of 512 bytes. A case
    /// with the devices of the one before it costs less.
    pub devices: Vec<(&'static str, Arc<Vec<u8>>)>,
    /// The table, over the devices above.
    pub table: String,
    /// The data block size, in bytes.
    pub block_size: u32,
    /// A key for `root_hash_sig_key_desc`.
    pub key: Option<Key>,
    /// Whether dm-verity is loaded with `require_signatures=1`.
    pub require_signatures: bool,
    /// The file system on the device, such as `ext4`. It is mounted and every file is read, instead
    /// of every block.
    pub mount: Option<&'static str>,
}

/// A key of type `user`. If the kernel refuses to make it, that is the verdict.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name by which the table means the key.
    pub description: String,
    /// The content: a signature.
    pub payload: Vec<u8>,
    /// What becomes of the key before the table is loaded.
    pub state: KeyState,
}

/// What becomes of a key before it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing.
    #[default]
    Valid,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// Nobody may search for it.
    Closed,
}

impl KeyState {
    fn word(self) -> &'static str {
        match self {
            KeyState::Valid => "valid",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
            KeyState::Closed => "closed",
        }
    }
}

/// Where on the third disk the machine puts what it reads for each case, in bytes.
pub(super) struct Disks {
    pub(super) outputs: Vec<Range<u64>>,
}

impl Disks {
    /// Writes the list of cases and the disk of images, and makes an empty disk for what is read.
    pub(super) fn write(directory: &Path, cases: &[Case]) -> Disks {
        let mut images = Images {
            file: File::create(directory.join("images")).expect("make the disk of images"),
            end: 0,
        };
        let (mut list, mut disks, mut output) =
            (String::new(), Disks { outputs: Vec::new() }, 0_u64);
        let mut required = false;
        let mut devices = None;
        for case in cases {
            if case.require_signatures != required {
                required = case.require_signatures;
                list += &format!("module require_signatures={}\n", u8::from(required));
            }
            let size = case.mount.map_or_else(|| case.size(), |_| TREE_SPACE);
            let kept = devices.replace(&case.devices) == Some(&case.devices);
            case.write(&mut list, &mut images, kept, output / 512)
                .expect("write the disk of images");
            disks.outputs.push(output..output + size);
            output += size.next_multiple_of(512);
        }
        let length = list.len().next_multiple_of(SECTOR).max(SECTOR);
        let mut list = list.into_bytes();
        // The end of the list is a NUL.
        list.resize(length + SECTOR, 0);
        files::write(&directory.join("cases"), &list);
        images.file.set_len(images.end.max(512)).expect("end the disk of images");
        files::sparse(&directory.join("output"), output.max(512));
        disks
    }
}

/// The disk of images, and where it ends.
struct Images {
    file: File,
    end: u64,
}

impl Images {
    /// Appends the bytes. Returns the sector at which they begin.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.end;
        self.file.write_all_at(bytes, start)?;
        self.end = (start + to_u64(bytes.len())).next_multiple_of(512);
        Ok(start / 512)
    }
}

impl Case {
    /// The size of the device, as the table says.
    fn size(&self) -> u64 {
        let sectors = self.table.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok());
        sectors.unwrap_or_else(|| panic!("{}: no table: {}", self.name, self.table)) * 512
    }

    /// Appends the case to the list, and what it needs to the disk. Its devices may be `kept` from
    /// the case before.
    fn write(
        &self,
        list: &mut String,
        images: &mut Images,
        kept: bool,
        output: u64,
    ) -> io::Result<()> {
        let mut line = |text: &str| {
            assert!(!text.contains(['\n', '\0']), "one line: {text:?}");
            list.push_str(text);
            list.push('\n');
        };
        if !kept {
            line("devices");
        }
        line(&format!("case {}", self.name));
        for (name, bytes) in self.devices.iter().filter(|_| !kept) {
            assert!(bytes.len().is_multiple_of(SECTOR), "{}: sectors of {name}", self.name);
            let start = images.append(bytes)?;
            line(&format!("device {name} {start} {}", bytes.len() / SECTOR));
        }
        if let Some(Key { description, payload, state }) = &self.key {
            let start = images.append(payload)?;
            line(&format!("key {} {description} {start} {}", state.word(), payload.len()));
        }
        line(&format!("table {}", self.table));
        line(&match self.mount {
            Some(file_system) => format!("mount {file_system} {output}"),
            None => format!("read {} {output}", self.block_size),
        });
        line("end");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_share_the_devices_of_the_one_before() {
        let dir = files::tempdir();
        let case = |name: &str, bytes: u8| Case {
            name: name.to_owned(),
            devices: vec![("data", Arc::new(vec![bytes; 1024]))],
            table: "0 2 verity".to_owned(),
            block_size: 512,
            ..Case::default()
        };
        let mounted = Case { mount: Some("ext4"), ..case("c", 2) };
        let key =
            Key { description: "k".to_owned(), payload: vec![1; 513], state: KeyState::Revoked };
        let with_key = Case { key: Some(key), ..case("d", 1) };
        let disks = Disks::write(dir.path(), &[case("a", 1), case("b", 1), mounted, with_key]);
        let list = String::from_utf8(files::read(&dir.path().join("cases"))).unwrap();
        let expected = "devices\ncase a\ndevice data 0 2\ntable 0 2 verity\nread 512 0\nend\n\
                        case b\ntable 0 2 verity\nread 512 2\nend\n\
                        devices\ncase c\ndevice data 2 2\ntable 0 2 verity\nmount ext4 4\nend\n\
                        devices\ncase d\ndevice data 4 2\nkey revoked k 6 513\ntable 0 2 verity\n\
                        read 512 2097156\nend\n";
        assert_eq!(list.trim_end_matches('\0'), expected);
        assert_eq!(disks.outputs[3], 2048 + TREE_SPACE..3072 + TREE_SPACE);
        assert_eq!(files::read(&dir.path().join("images")).len(), 8 * 512);
    }
}
