//! The honest image from which hostile ones are made.

use std::sync::Arc;

use verity_testdata::pattern;
use verity_testdata::reference::{self, Scheme};

/// The blocks of the data, of 4096 bytes.
pub(crate) const BLOCKS: u64 = 300;

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
}
