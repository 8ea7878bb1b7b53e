//! Images that are opened: data, tree and parity in files, and how they are named on a command
//! line.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::tools::{Guest, Tool, attach, detach};

/// The UUID of all images.
const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";
/// How large the data is, in bytes.
const SIZE: u64 = 256 << 10;

/// How an image is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// Data, tree and parity in one file.
    pub(crate) one_file: bool,
    pub(crate) fec: bool,
    pub(crate) no_superblock: bool,
    /// Blocks of 512 bytes instead of 4096.
    pub(crate) small_blocks: bool,
    /// Each file behind a loop device.
    pub(crate) loops: bool,
}

/// Data, tree and parity.
pub(crate) struct Image {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) root_hash: String,
    pub(crate) bytes: Vec<u8>,
    /// What was said to `format`, and must be to `open` too.
    options: Vec<String>,
    loops: Vec<String>,
}

impl Image {
    pub(crate) fn new(guest: &Guest) -> Image {
        Image::of(guest, Shape::default(), Tool::Newer)
    }

    /// An image that this tool has made.
    pub(crate) fn of(guest: &Guest, shape: Shape, maker: Tool) -> Image {
        let (directory, number) = guest.directory();
        // No two images are alike.
        let seed = u64::from(number);
        let bytes: Vec<u8> = (seed..seed + SIZE).map(|at| (at % 251).try_into().unwrap()).collect();
        Image::with(&directory, bytes, shape, maker)
    }

    /// An image of an ext4 file system.
    pub(crate) fn mountable(guest: &Guest) -> Image {
        let (directory, _) = guest.directory();
        Image::with(&directory, fs::read("/ext4").unwrap(), Shape::default(), Tool::Newer)
    }

    fn with(directory: &Path, bytes: Vec<u8>, shape: Shape, maker: Tool) -> Image {
        let size = u64::try_from(bytes.len()).unwrap();
        let file = |name: &str| directory.join(if shape.one_file { "data" } else { name });
        let [mut data, mut hash, mut fec] = ["data", "hash", "fec"].map(file);
        fs::write(&data, &bytes).unwrap();
        for path in [&hash, &fec] {
            let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.set_len(4 * size).unwrap();
        }
        if !shape.one_file {
            // As it is: the tree of all of it.
            assert_eq!(fs::metadata(&data).unwrap().len(), size);
        }
        let mut loops = Vec::new();
        if shape.loops {
            for path in [&mut data, &mut hash, &mut fec] {
                *path = match loops.last() {
                    Some(device) if shape.one_file => PathBuf::from(device),
                    _ => {
                        loops.push(attach(path, &[]));
                        PathBuf::from(loops.last().unwrap())
                    }
                };
            }
        }
        let block_size: u64 = if shape.small_blocks { 512 } else { 4096 };
        let mut options = vec![format!("--uuid={UUID}"), format!("--salt={}", "5a".repeat(32))];
        options.push(format!("--data-block-size={block_size}"));
        options.push(format!("--hash-block-size={block_size}"));
        options.push(format!("--data-blocks={}", size / block_size));
        if shape.one_file {
            options.push(format!("--hash-offset={size}"));
        }
        if shape.no_superblock {
            options.push("--no-superblock".to_owned());
            // Without a superblock there is none.
            options.remove(0);
        }
        if shape.fec {
            options.push(format!("--fec-device={}", fec.display()));
            let offset = if shape.one_file { 2 * size } else { 0 };
            options.push(format!("--fec-offset={offset}"));
        }
        let mut line = vec!["format", data.to_str().unwrap(), hash.to_str().unwrap()];
        line.extend(options.iter().map(String::as_str));
        let said = maker.ok(&line);
        let root_hash = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
        let root_hash = root_hash.unwrap().trim().to_owned();
        // What `open` has no use for.
        options.retain(|option| {
            shape.no_superblock && !option.starts_with("--uuid")
                || ["--fec-", "--hash-offset"].iter().any(|name| option.starts_with(name))
        });
        Image { data, hash, root_hash, bytes, options, loops }
    }

    /// The command line that opens it as a device of this name.
    pub(crate) fn line(&self, name: &str, more: &[&str]) -> Vec<String> {
        self.line_with(name, &self.root_hash, more)
    }

    /// As [`Image::line`], with another root hash.
    pub(crate) fn line_with(&self, name: &str, root_hash: &str, more: &[&str]) -> Vec<String> {
        let [data, hash] = [&self.data, &self.hash].map(|path| path.to_str().unwrap());
        let mut line = vec!["open", data, name, hash, root_hash];
        line.extend(self.options.iter().map(String::as_str));
        line.extend(more);
        line.into_iter().map(str::to_owned).collect()
    }

    /// Everything behind the device is what the image holds.
    pub(crate) fn check_device(&self, name: &str) {
        assert!(fs::read(format!("/dev/mapper/{name}")).unwrap() == self.bytes, "other bytes");
    }

    /// Detaches what was attached.
    pub(crate) fn release(&self) {
        self.loops.iter().for_each(|device| detach(device));
    }
}
