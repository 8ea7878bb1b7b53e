//! Images that `veritysetup` made in the machine.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use verity::{FecArea, HashArea, Params, RootHash, Superblock, Uuid};
use verity_dm::Open;

use crate::tools::{Guest, device, ok};

/// The UUID of all images.
pub(crate) const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";

/// Data, tree and parity in files.
pub(crate) struct Image {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) fec: Option<(PathBuf, FecArea)>,
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) root_hash: RootHash,
    pub(crate) bytes: Vec<u8>,
}

/// How an image is made.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) block_size: u32,
    pub(crate) data_blocks: u64,
    pub(crate) fec: bool,
    /// Data, tree and parity in one file.
    pub(crate) one_file: bool,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { block_size: 4096, data_blocks: 64, fec: false, one_file: false }
    }
}

impl Image {
    pub(crate) fn new(guest: &Guest) -> Image {
        Image::of(guest, Shape::default())
    }

    pub(crate) fn of(guest: &Guest, shape: Shape) -> Image {
        let directory = guest.directory();
        let size = shape.data_blocks * u64::from(shape.block_size);
        // No two images are alike.
        let seed = u64::from(guest.images());
        let bytes: Vec<u8> = (seed..seed + size).map(|at| (at % 251).try_into().unwrap()).collect();
        let data = directory.join("data");
        fs::write(&data, &bytes).unwrap();
        let (hash, offset) = match shape.one_file {
            true => (data.clone(), size),
            false => (directory.join("hash"), 0),
        };
        let block_size = shape.block_size.to_string();
        let mut arguments = vec![
            format!("--uuid={UUID}"),
            format!("--data-block-size={block_size}"),
            format!("--hash-block-size={block_size}"),
            format!("--data-blocks={}", shape.data_blocks),
            format!("--hash-offset={offset}"),
        ];
        // Far behind the tree.
        let fec_offset = if shape.one_file { 2 * size } else { 0 };
        let fec_path = if shape.one_file { data.clone() } else { directory.join("fec") };
        if shape.fec {
            arguments.push(format!("--fec-device={}", fec_path.display()));
            arguments.push(format!("--fec-offset={fec_offset}"));
            if shape.one_file {
                fs::OpenOptions::new().write(true).open(&data).unwrap().set_len(4 * size).unwrap();
            }
        }
        let [data_text, hash_text] = [&data, &hash].map(|path| path.to_str().unwrap().to_owned());
        let mut line = vec!["format", &data_text, &hash_text];
        line.extend(arguments.iter().map(String::as_str));
        let said = ok("veritysetup", &line);
        let root_hash = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
        let root_hash = root_hash.unwrap().trim();
        let mut superblock = [0; 512];
        fs::File::open(&hash).unwrap().read_exact_at(&mut superblock, offset).unwrap();
        let params = Superblock::parse(&superblock).unwrap().params().clone();
        let area = HashArea::new(&params, offset, true).unwrap();
        let fec = shape.fec.then(|| {
            let end = match shape.one_file {
                true => fec_offset,
                false => fs::metadata(&hash).unwrap().len(),
            };
            (fec_path, FecArea::covering(&params, &area, 2, end, fec_offset).unwrap())
        });
        let root_hash = root_hash.parse().unwrap();
        Image { data, hash, fec, params, area, root_hash, bytes }
    }

    /// An image that was made in this directory, without parity.
    pub(crate) fn load(directory: &Path, root_hash: &str) -> Image {
        let (data, hash) = (directory.join("data"), directory.join("hash"));
        let superblock = fs::read(&hash).unwrap();
        let params = Superblock::parse(&superblock[..512]).unwrap().params().clone();
        let area = HashArea::new(&params, 0, true).unwrap();
        let (bytes, root_hash) = (fs::read(&data).unwrap(), root_hash.parse().unwrap());
        Image { data, hash, fec: None, params, area, root_hash, bytes }
    }

    /// An image of an ext4 file system, without parity.
    pub(crate) fn mountable(guest: &Guest) -> Image {
        let directory = guest.directory();
        let data = directory.join("data");
        fs::copy("/ext4", &data).unwrap();
        let hash = directory.join("hash");
        let [data, hash] = [&data, &hash].map(|path| path.to_str().unwrap());
        let said = ok("veritysetup", &["format", data, hash]);
        let root_hash = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
        Image::load(&directory, root_hash.unwrap().trim())
    }

    /// What opens the image as a device of this name.
    pub(crate) fn open(&self, guest: &Guest, name: &str) -> Open {
        self.open_at(guest, name, &self.data, &self.hash)
    }

    /// What opens the image with its data and tree by these paths.
    pub(crate) fn open_at(&self, guest: &Guest, name: &str, data: &Path, hash: &Path) -> Open {
        let (params, root_hash) = (self.params.clone(), self.root_hash);
        let open = Open::new(device(name), params, root_hash, &self.area, data, hash);
        let open = open.uuid(UUID.parse::<Uuid>().unwrap()).udev(guest.udev);
        match &self.fec {
            Some((path, area)) => open.fec(path, area),
            None => open,
        }
    }

    /// Has the original open it.
    pub(crate) fn open_by_original(&self, name: &str, arguments: &[&str]) {
        let root_hash = self.root_hash.to_string();
        let [data, hash] = [&self.data, &self.hash].map(|path| path.to_str().unwrap());
        let offset = format!("--hash-offset={}", self.area.offset());
        let mut line = vec!["open", data, name, hash, &root_hash, &offset];
        let fec = self.fec.as_ref().map(|(path, area)| {
            let offset = format!("--fec-offset={}", area.range().start);
            [format!("--fec-device={}", path.display()), offset]
        });
        line.extend(fec.iter().flatten().map(String::as_str));
        line.extend(arguments);
        ok("veritysetup", &line);
    }

    /// A good signature of the root hash, by the test key for RSA.
    pub(crate) fn signature(&self) -> Vec<u8> {
        let [content, signature] = ["content", "signed"].map(|name| self.data.with_file_name(name));
        fs::write(&content, self.root_hash.to_string()).unwrap();
        let [input, output] = [&content, &signature].map(|path| path.to_str().unwrap());
        let line = "smime -sign -nocerts -noattr -binary -outform DER -signer /keys/cert \
                    -inkey /keys/key -in";
        let mut arguments: Vec<_> = line.split_ascii_whitespace().collect();
        arguments.extend([input, "-out", output]);
        ok("openssl", &arguments);
        fs::read(&signature).unwrap()
    }

    /// Everything behind the device is what the image holds.
    pub(crate) fn check_device(&self, node: &Path) {
        assert!(fs::read(node).unwrap() == self.bytes, "{} has other bytes", node.display());
    }
}
