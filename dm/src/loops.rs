//! Loop devices: regular files as block devices.
//!
//! They are read-only, whatever the file would allow, and detach themselves when they are closed
//! last, so that a process that is killed leaves none behind.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::error::LoopError;
use crate::ioctl;
use crate::place::Place;
use crate::record::{DeviceNumber, LOOP_AUTOCLEAR, LOOP_READ_ONLY, LoopInfo, loop_config};
use crate::run::{Run, Waited};

/// How often others may be faster.
const TRIES: usize = 64;
/// How long udev may take to make the node of a loop device that was not there before.
const NODE_LIMIT: Duration = Duration::from_secs(5);
/// The largest sector size that all kernels take, in bytes.
const MAX_SECTOR_SIZE: u32 = 4096;

/// A file as a block device, as long as the value lives or something else uses the device.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    /// Open as long as nothing else uses the device: the last one to close it detaches the file.
    _held: File,
    /// The number of the device.
    pub(crate) number: DeviceNumber,
    /// The node.
    pub(crate) path: PathBuf,
}

impl LoopDevice {
    /// Attaches a part of the file, or the whole of it, under the name by which it was opened.
    ///
    /// # Errors
    /// When no loop device can be had.
    pub(crate) fn attach(
        file: &File,
        place: &Place,
        sector_size: u32,
        run: Run<'_>,
    ) -> Result<LoopDevice, LoopError> {
        let control = open("/dev/loop-control".as_ref()).map_err(failed("/dev/loop-control"))?;
        for _ in 0..TRIES {
            let number =
                ioctl::free_loop(&control).map_err(failed("the search for a free loop device"))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open_node(&path, run)?;
            match attach(&device, file, place, sector_size) {
                Ok(()) => return LoopDevice::checked(device, path, file, place),
                // Somebody else was faster.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(failed("attaching the file")(error)),
            }
        }
        Err(LoopError::Busy)
    }

    /// Insists on what was asked for. What is otherwise is detached again: it may not do so by
    /// itself.
    fn checked(
        device: File,
        path: PathBuf,
        file: &File,
        place: &Place,
    ) -> Result<LoopDevice, LoopError> {
        match check(&device, file, place) {
            Ok(number) => Ok(LoopDevice { _held: device, number, path }),
            Err(error) => {
                // If this fails too, there is nothing left to do.
                let _ = ioctl::clear_loop(&device);
                Err(error)
            }
        }
    }
}

/// The number of a loop device that was attached to the file, if it is as it was asked for.
fn check(device: &File, file: &File, place: &Place) -> Result<DeviceNumber, LoopError> {
    let info = ioctl::loop_info(device).map_err(failed("the state of the loop device"))?;
    let stat = file.metadata().map_err(failed("the state of the file"))?;
    let number = DeviceNumber::from_dev(stat.dev());
    otherwise(&info, number, stat.ino(), place.limits())
        .map_or(Ok(()), |what| Err(LoopError::Otherwise { what }))?;
    let node = device.metadata().map_err(failed("the state of the loop device"))?;
    Ok(DeviceNumber::from_dev(node.rdev()))
}

/// What is otherwise than it should be with a loop device for that part of the file of this device
/// and inode.
fn otherwise(
    info: &LoopInfo,
    device: DeviceNumber,
    inode: u64,
    (offset, size_limit): (u64, u64),
) -> Option<&'static str> {
    if !info.has(LOOP_AUTOCLEAR) {
        Some("it would not be detached when it is closed")
    } else if !info.has(LOOP_READ_ONLY) {
        Some("it can be written")
    } else if (info.device, info.inode) != (device, inode)
        || (info.offset, info.size_limit) != (offset, size_limit)
    {
        Some("another file, or a part of it")
    } else {
        None
    }
}

/// The sector size for a file of this length, in bytes, if blocks of these sizes are read from it:
/// the smallest of them, as far as kernels go; 512 if what is shown of the file does not begin and
/// end with a sector.
pub(crate) fn sector_size(shown: Range<u64>, block_sizes: impl IntoIterator<Item = u32>) -> u32 {
    let smallest = block_sizes.into_iter().min().unwrap_or(512).min(MAX_SECTOR_SIZE);
    let is_whole = |edge: u64| edge.is_multiple_of(smallest.into());
    if is_whole(shown.start) && is_whole(shown.end) { smallest } else { 512 }
}

/// The file that a loop device shows; `None` if the device is none, or nothing is attached.
pub(crate) fn info(path: &Path) -> Option<LoopInfo> {
    ioctl::loop_info(open(path).ok()?).ok()
}

fn attach(device: &File, file: &File, place: &Place, sector_size: u32) -> io::Result<()> {
    let (offset, size_limit) = place.limits();
    let (flags, name) = (LOOP_READ_ONLY | LOOP_AUTOCLEAR, place.path.as_os_str().as_bytes());
    let info = LoopInfo::encode(flags, name, offset, size_limit);
    let descriptor = u32::try_from(file.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let size = if sector_size == 512 { 0 } else { sector_size };
    match ioctl::configure_loop(device, &mut loop_config(descriptor, size, &info)) {
        Err(error) if is_unknown(&error) => attach_in_steps(device, file, info, sector_size),
        done => done,
    }
}

/// Whether a kernel before Linux 5.8 says so to the call that does all at once.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY | libc::ENOSYS))
}

/// Attaches a file as it was done before Linux 5.8. The device becomes read-only as it was opened
/// so.
fn attach_in_steps(
    device: &File,
    file: &File,
    mut info: [u8; LoopInfo::SIZE],
    sector_size: u32,
) -> io::Result<()> {
    ioctl::set_loop_file(device, file)?;
    // From here on a failure, or being killed, leaves the file attached until the flag is set: this
    // comes first.
    let is_set = ioctl::set_loop_info(device, &mut info);
    if let Err(error) = is_set {
        // If this fails too, there is nothing left to do.
        let _ = ioctl::clear_loop(device);
        return Err(error);
    }
    if sector_size != 512 {
        // Sectors of 512 bytes do as well, where the kernel has no others (before Linux 4.14).
        let _ = ioctl::set_loop_sector_size(device, sector_size);
    }
    Ok(())
}

fn open_node(path: &Path, run: Run<'_>) -> Result<File, LoopError> {
    let is_there = || std::fs::metadata(path).is_ok_and(|node| node.file_type().is_block_device());
    match run.wait(NODE_LIMIT, is_there) {
        Waited::Cancelled => Err(LoopError::Cancelled),
        Waited::Done | Waited::TimedOut => open(path).map_err(failed("the loop device's node")),
    }
}

fn open(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> LoopError {
    move |source| LoopError::System { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_device_that_is_otherwise_is_found_out() {
        let device = DeviceNumber { major: 8, minor: 1 };
        let flags = LOOP_AUTOCLEAR | LOOP_READ_ONLY;
        let right =
            LoopInfo { device, inode: 7, offset: 0, size_limit: 0, flags, name: String::new() };
        assert_eq!(otherwise(&right, device, 7, (0, 0)), None);
        let part = LoopInfo { offset: 512, size_limit: 1024, ..right.clone() };
        assert_eq!(otherwise(&part, device, 7, (512, 1024)), None);
        assert!(otherwise(&part, device, 7, (512, 512)).is_some());
        let other = DeviceNumber { major: 8, minor: 2 };
        for (wrong, expected) in [
            (LoopInfo { flags: LOOP_READ_ONLY, ..right.clone() }, "it would not be detached"),
            (LoopInfo { flags: LOOP_AUTOCLEAR, ..right.clone() }, "it can be written"),
            (LoopInfo { device: other, ..right.clone() }, "another file"),
            (LoopInfo { inode: 8, ..right.clone() }, "another file"),
            (LoopInfo { offset: 512, ..right.clone() }, "another file"),
            (LoopInfo { size_limit: 512, ..right.clone() }, "another file"),
        ] {
            assert!(
                otherwise(&wrong, device, 7, (0, 0)).is_some_and(|what| what.starts_with(expected))
            );
        }
    }

    #[test]
    fn sectors_are_no_larger_than_what_is_read_and_divide_the_file() {
        for (length, block_sizes, expected) in [
            (1 << 20, &[4096, 4096][..], 4096),
            (1 << 20, &[4096, 1024], 1024),
            (1 << 20, &[65_536], 4096),
            ((1 << 20) + 512, &[4096], 512),
            ((1 << 20) + 1, &[1024], 512),
            (0, &[4096], 4096),
        ] {
            assert_eq!(sector_size(0..length, block_sizes.iter().copied()), expected, "{length}");
        }
    }
}
