//! An image of 300 blocks with its tree and its parity: 304 blocks in two rounds, two roots.

use std::fs;
use std::path::Path;

use crate::common::{Dir, Run};

pub(crate) const FEC: &str = "--fec-device fec";

/// Where the blocks of each level lie in the hash file.
const LEVELS: [u64; 2] = [8192, 4096];

/// Files `data`, `hash` and `fec`, and what they were.
pub(crate) struct Image {
    pub(crate) dir: Dir,
    pub(crate) root: String,
    pub(crate) good: [Vec<u8>; 3],
}

impl Image {
    pub(crate) fn new() -> Image {
        let dir = Dir::with_data(300);
        let root = dir.format(&format!("--salt 00ff {FEC}"));
        let good = contents(&dir);
        Image { dir, root, good }
    }

    /// A command line about the image and its parity.
    pub(crate) fn line(&self, command: &str) -> String {
        let (command, options) = command.split_once(' ').unwrap_or((command, ""));
        format!("{command} data hash {} {FEC} {options}", self.root)
    }

    pub(crate) fn run(&self, command: &str) -> Run {
        self.dir.run(&self.line(command))
    }

    /// Replaces data blocks by other bytes.
    pub(crate) fn damage_data(&self, blocks: impl IntoIterator<Item = u64>) {
        blocks.into_iter().for_each(|block| overwrite(&self.dir.path("data"), block * 4096));
    }

    pub(crate) fn damage_hash(&self, level: usize, block: u64) {
        overwrite(&self.dir.path("hash"), LEVELS[level] + block * 4096);
    }

    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        assert!(contents(&self.dir) == self.good, "data, hash and parity are what they were");
    }

    /// Each block is the good one, or one that was damaged; the superblock and the parity are as
    /// they were.
    #[track_caller]
    pub(crate) fn assert_only_damaged(&self) {
        let now = contents(&self.dir);
        for (now, good) in now.iter().zip(&self.good) {
            assert_eq!(now.len(), good.len());
            for (now, good) in now.chunks(4096).zip(good.chunks(4096)) {
                assert!(now == good || now.iter().zip(good).all(|(now, good)| *now == !good));
            }
        }
        assert!(now[1][..4096] == self.good[1][..4096] && now[2] == self.good[2]);
    }
}

fn contents(dir: &Dir) -> [Vec<u8>; 3] {
    ["data", "hash", "fec"].map(|name| dir.read(name))
}

/// Turns every bit of a block of 4096 bytes.
pub(crate) fn overwrite(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).unwrap();
    let offset = usize::try_from(offset).unwrap();
    bytes[offset..offset + 4096].iter_mut().for_each(|byte| *byte = !*byte);
    fs::write(path, bytes).unwrap();
}
