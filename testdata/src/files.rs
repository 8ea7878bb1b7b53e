//! Temporary files and single flipped bits.
//!
//! Everything here panics on failure: in a test, the panic is the report.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use tempfile::TempDir;

/// A new directory that vanishes when the value is dropped.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn tempdir() -> TempDir {
    tempfile::Builder::new().prefix("verity-test-").tempdir().expect("a temporary directory")
}

/// Flips one bit (0 is the lowest) of one byte, in place.
///
/// # Panics
/// If the file cannot be read and written there, or `bit` is over 7.
pub fn flip_bit(path: &Path, byte: u64, bit: u8) {
    assert!(bit < 8, "bit {bit} of a byte");
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap_or_else(|error| {
        panic!("open {} to flip a bit: {error}", path.display());
    });
    let mut value = [0];
    file.read_exact_at(&mut value, byte)
        .unwrap_or_else(|error| panic!("read byte {byte} of {}: {error}", path.display()));
    value[0] ^= 1 << bit;
    file.write_all_at(&value, byte)
        .unwrap_or_else(|error| panic!("write byte {byte} of {}: {error}", path.display()));
}

/// The whole file.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// Writes the whole file, replacing what was there.
///
/// # Panics
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
}

/// Makes a file of `size` bytes that holds nothing but a hole.
///
/// # Panics
/// If it cannot be made.
pub fn sparse(path: &Path, size: u64) {
    File::create(path)
        .and_then(|file| file.set_len(size))
        .unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
}

/// Makes a file of `size` bytes without any hole, all the same byte.
///
/// # Panics
/// If it cannot be made.
pub fn dense(path: &Path, size: u64) {
    File::create(path)
        .and_then(|mut file| io::copy(&mut io::repeat(0x5a).take(size), &mut file))
        .unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_flipped_twice_is_as_before() {
        let dir = tempdir();
        let path = dir.path().join("file");
        write(&path, &[0b1010_1010; 3]);
        flip_bit(&path, 1, 0);
        assert_eq!(read(&path), [0b1010_1010, 0b1010_1011, 0b1010_1010]);
        flip_bit(&path, 1, 0);
        assert_eq!(read(&path), [0b1010_1010; 3]);
    }
}
