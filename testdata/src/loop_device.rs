//! A file as a block device, with any sector size; needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracle;

/// A loop device over a file; it is detached when the value is dropped.
#[derive(Debug)]
pub struct LoopDevice {
    losetup: PathBuf,
    path: PathBuf,
}

impl LoopDevice {
    /// Attaches `file` with logical sectors of `sector_size` bytes. Without root or `losetup` the
    /// answer is `None` with a line on stderr, or a failure where tests may not be skipped.
    ///
    /// # Panics
    /// If the kernel has no loop devices left, or the file's size is not whole sectors.
    #[must_use]
    pub fn attach(file: &Path, sector_size: u32) -> Option<LoopDevice> {
        let losetup = oracle::require("losetup")?;
        if !oracle::require_root() {
            return None;
        }
        let mut command = Command::new(&losetup);
        command.args(["--find", "--show", "--sector-size"]).arg(sector_size.to_string()).arg(file);
        let path = PathBuf::from(oracle::run_ok(&mut command).trim_end());
        Some(LoopDevice { losetup, path })
    }

    /// The device node.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let detached = Command::new(&self.losetup).arg("--detach").arg(&self.path).status();
        if !detached.is_ok_and(|status| status.success()) {
            eprintln!("{} was not detached", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn a_device_shows_the_files_bytes() {
        let dir = files::tempdir();
        let file = dir.path().join("disk");
        files::write(&file, &crate::pattern::painted(1 << 20));
        let Some(device) = LoopDevice::attach(&file, 4096) else { return };
        assert_eq!(files::read(device.path()), files::read(&file));
    }
}
