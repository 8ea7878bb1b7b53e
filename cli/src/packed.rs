//! Files that hold an image in packed form: recognised by their first bytes, for hints only.
//!
//! A file system or a disk may begin with any bytes, so nothing is refused for the way it looks.

use std::path::Path;

use verity::io::ReadAt;
use verity::publish::Input;

use crate::error::{Class, CommandError};
use crate::quoted::Quoted;

/// A packed form: what it is, and what takes the image out of it.
struct Form {
    magic: &'static [u8],
    offset: usize,
    name: &'static str,
    unpack: &'static str,
}

const fn form(
    magic: &'static [u8],
    offset: usize,
    name: &'static str,
    unpack: &'static str,
) -> Form {
    Form { magic, offset, name, unpack }
}

const FORMS: [Form; 18] = [
    form(b"\x1f\x8b\x08", 0, "gzip data", "gzip -d"),
    form(b"\xfd7zXZ\0", 0, "xz data", "xz -d"),
    form(b"\x28\xb5\x2f\xfd", 0, "zstd data", "zstd -d"),
    form(b"\x04\x22\x4d\x18", 0, "lz4 data", "lz4 -d"),
    form(b"\x02\x21\x4c\x18", 0, "lz4 data", "lz4 -d"),
    form(b"BZh", 0, "bzip2 data", "bzip2 -d"),
    form(b"LZIP", 0, "lzip data", "lzip -d"),
    form(b"\x89LZO\0\r\n\x1a\n", 0, "lzop data", "lzop -d"),
    form(b"PK\x03\x04", 0, "a zip archive", "unzip"),
    form(b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "7z x"),
    form(b"ustar", 257, "a tar archive", "tar -x"),
    form(b"070701", 0, "a cpio archive", "cpio -i"),
    form(b"QFI\xfb", 0, "a qcow2 disk image", "qemu-img convert -O raw"),
    form(b"KDMV", 0, "a vmdk disk image", "qemu-img convert -O raw"),
    form(b"vhdxfile", 0, "a vhdx disk image", "qemu-img convert -O raw"),
    form(b"conectix", 0, "a vhd disk image", "qemu-img convert -O raw"),
    form(b"\x7f\x10\xda\xbe", 64, "a vdi disk image", "qemu-img convert -O raw"),
    form(b"\x3a\xff\x26\xed", 0, "an Android sparse image", "simg2img"),
];

/// How many bytes tell every form.
const START: usize = 512;

/// What to add to a message about a file that looks packed; empty if it does not, or cannot be
/// read.
pub(crate) fn hint(file: &(impl ReadAt + ?Sized)) -> String {
    let mut start = [0; START];
    let read = file.read_at(&mut start, 0).unwrap_or(0);
    match named(&start[..read]) {
        Some(Form { name, unpack, .. }) => {
            format!("; it looks like {name}: if it is, `{unpack}` gives the image itself")
        }
        None => String::new(),
    }
}

/// What data that was packed by a compressor looks like, and what takes the image out of it.
fn compressed(file: &(impl ReadAt + ?Sized)) -> Option<(&'static str, &'static str)> {
    let mut start = [0; START];
    let read = file.read_at(&mut start, 0).unwrap_or(0);
    compressed_start(&start[..read])
}

/// The same, of the first bytes.
pub(crate) fn compressed_start(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let form = named(start)?;
    let is_compressed = ["gzip -d", "xz -d", "zstd -d", "lz4 -d", "bzip2 -d"];
    is_compressed.contains(&form.unpack).then_some((form.name, form.unpack))
}

/// Refuses data that looks compressed, where the image in it must be meant.
pub(crate) fn refuse(file: &(impl ReadAt + ?Sized), path: &Path) -> Result<(), CommandError> {
    match compressed(file) {
        Some(found) => Err(refusal(found).at(path)),
        None => Ok(()),
    }
}

/// Why compressed data is refused.
pub(crate) fn refusal((form, unpack): (&str, &str)) -> CommandError {
    let words = format!(
        "looks like {form}, and the image in it is meant: unpack it first (`{unpack}`, also into a \
         pipe: `{unpack}c FILE | verity ...`); --raw takes it as it is"
    );
    CommandError::message(Class::Metadata, words)
}

/// Warns of data that looks compressed, where anything may be meant.
pub(crate) fn warn(data: &Input) {
    if let Some((form, unpack)) = compressed(data) {
        warn_of(data.path(), (form, unpack));
    }
}

/// Says what data looks like.
pub(crate) fn warn_of(path: &Path, (form, unpack): (&str, &str)) {
    tracing::warn!(
        "{}: looks like {form}, which no kernel mounts: if the image in it is meant, `{unpack}` \
         gives it",
        Quoted(path)
    );
}

fn named(start: &[u8]) -> Option<&'static Form> {
    FORMS
        .iter()
        .find(|form| start.get(form.offset..).is_some_and(|rest| rest.starts_with(form.magic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_by_their_first_bytes_and_short_files_by_none() {
        for form in &FORMS {
            let mut file = vec![0; form.offset];
            file.extend(form.magic);
            assert!(hint(&file).contains(form.unpack), "{}", form.name);
            file.pop();
            assert_eq!(hint(&file), "", "{}", form.name);
            assert!(form.offset + form.magic.len() <= START);
        }
        assert_eq!(hint(&vec![0; 4096]), "");
        assert_eq!(hint(&Vec::new()), "");
    }
}
