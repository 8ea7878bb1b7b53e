//! An image in a file of which every byte is known without keeping it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Mutex;

use ring::digest::{Context, SHA256};
use verity::internals::to_len;
use verity::io::ReadAt;
use verity::{Builder, Digest, HashArea, Params, RootHash, TrustedParams};
use verity_testdata::pattern::Prng;
use verity_testdata::reference;

use crate::fixture;

use super::{BLOCK_SIZE, DIGEST_SIZE};

/// What is read and hashed in one piece while image and tree are made.
const PIECE: usize = 1 << 20;

/// Random bytes, a block at a time from the seed and the block's number; sha256, type 1, blocks of
/// 4096 bytes, a salt of 32 bytes.
#[derive(Debug)]
pub struct KnownImage {
    /// The file, which begins with the image.
    pub file: File,
    /// The parameters of the image.
    pub params: Params,
    /// The place of the tree: the start of the hash device, without superblock.
    pub area: HashArea,
    /// The tree.
    pub tree: Vec<u8>,
    /// The root hash.
    pub root_hash: RootHash,
    seed: u64,
}

impl KnownImage {
    /// Writes the bytes of an image.
    ///
    /// # Errors
    /// If the bytes cannot be written.
    pub fn write(file: &mut File, bytes: u64, seed: u64) -> io::Result<()> {
        for_each_piece(bytes, seed, |piece| file.write_all(piece))
    }

    /// Whether a file, read from where it is, has just the bytes of an image.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_written(file: &mut File, bytes: u64, seed: u64) -> io::Result<bool> {
        let mut is_equal = true;
        let mut there = vec![0; PIECE];
        for_each_piece(bytes, seed, |piece| {
            let there = &mut there[..piece.len()];
            file.read_exact(there)?;
            is_equal &= there == piece;
            Ok(())
        })?;
        Ok(is_equal && file.read(&mut [0])? == 0)
    }

    /// Takes the first `bytes` bytes of a file that was written with this seed, and makes their
    /// tree. Level 0 is compared with what ring makes, the levels above with the slow twin.
    ///
    /// # Errors
    /// If it cannot be read, or the two trees differ.
    pub fn of(file: File, bytes: u64, seed: u64) -> Result<KnownImage, String> {
        let params = fixture::params(bytes);
        let area = HashArea::new(&params, 0, false).map_err(|error| error.to_string())?;
        let tree = Mutex::new(Vec::new());
        let root_hash = Builder::new(&params).build(&file, &tree, &area);
        let root_hash = root_hash.map_err(|error| error.to_string())?;
        let tree = tree.into_inner().map_err(|error| error.to_string())?;
        let image = KnownImage { file, params, area, tree, root_hash, seed };
        image.check_tree()?;
        Ok(image)
    }

    /// A file of this size in the page cache, gone when it is closed.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn temporary(bytes: u64) -> KnownImage {
        let directory = verity_testdata::files::tempdir();
        let path = directory.path().join("image");
        let file = File::options().read(true).write(true).create_new(true).open(path);
        let mut file = file.expect("a new file");
        KnownImage::write(&mut file, bytes, 1).expect("space for the image");
        KnownImage::of(file, bytes, 1).expect("the image just written")
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.params.data_size()
    }

    /// The parameters that a reader takes.
    ///
    /// # Errors
    /// Never, as the root hash is a digest of sha256.
    pub fn trusted(&self) -> Result<TrustedParams, String> {
        TrustedParams::pinned(self.params.clone(), self.root_hash, self.area)
            .map_err(|error| error.to_string())
    }

    /// The bytes of the image from `offset` on, made anew.
    pub fn bytes_at(&self, offset: u64, len: usize) -> Vec<u8> {
        let (number, inside) = (offset / BLOCK_SIZE as u64, offset % BLOCK_SIZE as u64);
        let inside = to_len(inside);
        let mut bytes = vec![0; inside + len];
        for (block, number) in bytes.chunks_mut(BLOCK_SIZE).zip(number..) {
            fill(self.seed, number, block);
        }
        bytes.drain(..inside);
        bytes
    }

    /// The digests of the blocks from `offset` bytes on, at least one, back to back as they lie in
    /// level 0.
    pub(super) fn digests(&self, offset: u64, len: usize) -> &[u8] {
        let first = to_len(offset / BLOCK_SIZE as u64);
        &self.level_0()[first * DIGEST_SIZE..][..len.div_ceil(BLOCK_SIZE) * DIGEST_SIZE]
    }

    /// A context that has taken in the salt.
    pub(super) fn salted(&self) -> Context {
        let mut salted = Context::new(&SHA256);
        salted.update(self.params.salt().as_bytes());
        salted
    }

    fn level_0(&self) -> &[u8] {
        let start = self.params.geometry().levels().first().map_or(0, |level| level.start);
        let start = to_len(start);
        &self.tree[start * BLOCK_SIZE..]
    }

    fn check_tree(&self) -> Result<(), String> {
        let salted = self.salted();
        let mut piece = vec![0; PIECE];
        for offset in (0..self.size()).step_by(PIECE) {
            let left = (self.size() - offset).min(PIECE as u64);
            let piece = &mut piece[..to_len(left)];
            self.file.read_exact_at(piece, offset).map_err(|error| error.to_string())?;
            super::compare(&salted, self.digests(offset, piece.len()), piece)
                .map_err(|_| format!("ring has other digests from {offset} on"))?;
        }
        // What lies above level 0 is the tree of level 0.
        let above = reference::format(self.level_0(), &fixture::scheme("sha256"));
        let root_hash = Digest::new(&above.root_hash).map(RootHash::new);
        match self.tree.starts_with(&above.tree) && root_hash == Ok(self.root_hash) {
            true => Ok(()),
            false => Err("the twin has another tree".to_owned()),
        }
    }

    #[cfg(test)]
    pub(super) fn small() -> KnownImage {
        KnownImage::temporary(1 << 20)
    }
}

/// The bytes of an image, piece by piece.
fn for_each_piece(
    bytes: u64,
    seed: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    for first in (0..bytes.div_ceil(BLOCK_SIZE as u64)).step_by(PIECE / BLOCK_SIZE) {
        let left = (bytes - first * BLOCK_SIZE as u64).min(PIECE as u64);
        let piece = &mut piece[..to_len(left)];
        for (block, number) in piece.chunks_mut(BLOCK_SIZE).zip(first..) {
            fill(seed, number, block);
        }
        take(piece)?;
    }
    Ok(())
}

/// The bytes of a block, or those it begins with.
fn fill(seed: u64, number: u64, block: &mut [u8]) {
    // Seeds that follow one another would give one stream, cut up.
    let seed = Prng::new(seed ^ number).next_u64();
    Prng::new(seed).fill(block);
}

#[cfg(test)]
mod tests {
    use verity::io::WriteAt;

    use super::*;

    #[test]
    fn the_file_has_the_bytes_that_are_said_to_be_there() {
        let image = KnownImage::temporary(3 << 20);
        for (offset, len) in [(0, 4096), (4095, 2), (8192, 512), ((1 << 20) - 1000, 10_000)] {
            let mut bytes = vec![0; len];
            image.file.read_exact_at(&mut bytes, offset).unwrap();
            assert!(bytes == image.bytes_at(offset, len), "{offset}");
        }
    }

    #[test]
    fn a_file_that_is_changed_cut_or_longer_is_not_the_one_that_was_written() {
        let mut image = KnownImage::temporary((1 << 20) + 8192);
        let is_written = |image: &mut KnownImage| {
            io::Seek::rewind(&mut image.file).unwrap();
            KnownImage::is_written(&mut image.file, image.params.data_size(), 1)
        };
        assert!(is_written(&mut image).unwrap());
        for place in [0, (1 << 20) - 1, (1 << 20) + 8191] {
            let byte = image.bytes_at(place, 1);
            image.file.write_all_at(&[!byte[0]], place).unwrap();
            assert!(!is_written(&mut image).unwrap(), "{place}");
            image.file.write_all_at(&byte, place).unwrap();
        }
        image.file.set_len((1 << 20) + 8193).unwrap();
        assert!(!is_written(&mut image).unwrap());
        image.file.set_len((1 << 20) + 8191).unwrap();
        assert!(is_written(&mut image).is_err());
    }

    #[test]
    fn no_two_blocks_are_equal() {
        let image = KnownImage::small();
        let bytes = image.bytes_at(0, 1 << 20);
        let blocks: std::collections::BTreeSet<_> = bytes.chunks(BLOCK_SIZE).collect();
        assert_eq!(blocks.len(), 256);
    }
}
