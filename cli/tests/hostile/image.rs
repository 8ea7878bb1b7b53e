//! The honest image from which hostile ones are made.

use std::process::Command;
use std::sync::Arc;

use verity_testdata::reference::{self, Scheme};
use verity_testdata::{files, oracle, pattern};

use super::case::memory_tempdir;

/// The blocks of the data, of 4096 bytes.
pub(crate) const BLOCKS: u64 = 300;

/// The blocks of data and tree.
pub(crate) const COVERED: u64 = BLOCKS + 4;

/// An image with a superblock at the start of its hash file, made by the slow twin.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) data: Arc<Vec<u8>>,
    pub(crate) hash: Vec<u8>,
    pub(crate) root: String,
}

impl Image {
    pub(crate) fn new() -> Image {
        let scheme = Scheme::default();
        let data = pattern::sha256_stream(usize::try_from(BLOCKS * 4096).unwrap());
        let hash = reference::hash_file(&data, &scheme, Some(&[7; 16]), 0);
        let root = hex::encode(reference::format(&data, &scheme).root_hash);
        Image { data: Arc::new(data), hash, root }
    }

    /// Its parity, by the command; the tree is made beside it, and must be that of the slow twin.
    pub(crate) fn parity(&self, roots: u32) -> Vec<u8> {
        let directory = memory_tempdir();
        let place = directory.path();
        files::write(&place.join("data"), &self.data);
        files::write(&place.join("old"), &self.hash);
        let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
        command.current_dir(place).args(["format", "data", "hash", "--like", "old"]);
        command.args(["--fec-device", "fec", "--fec-roots", &roots.to_string()]);
        oracle::run_ok(&mut command);
        assert_eq!(files::read(&place.join("hash")), self.hash);
        files::read(&place.join("fec"))
    }
}
