//! A builder after the way of the strongest peer: rayon spreads the blocks, ring hashes each of
//! them.
//!
//! For this one shape of tree, and as good as it can be made: the image is mapped, which spares it
//! the copy that reading is, the tree is made in memory, written in one piece and synced. Nothing
//! of `verity` hashes here; its types only say where things lie.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use memmap2::{Advice, Mmap};
use rayon::prelude::*;
use ring::digest::{Context, SHA256};
use verity::{Digest, HashArea, Params, RootHash, Superblock};
use verity_benches::fixture;

const BLOCK_SIZE: usize = 4096;
const DIGEST_SIZE: usize = 32;
/// What a thread hashes in a row.
const RUN: usize = 256 << 10;
const RUN_DIGESTS: usize = RUN / BLOCK_SIZE * DIGEST_SIZE;

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct RingBuilder {
    #[arg(long)]
    threads: NonZeroUsize,
    data: PathBuf,
    hash: PathBuf,
}

pub(crate) fn run(arguments: &RingBuilder) -> Result<(), String> {
    let RingBuilder { threads, data, hash } = arguments;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build();
    let pool = pool.map_err(|error| error.to_string())?;
    let root_hash = pool.install(|| format(data, hash))?;
    println!("Root hash: \t{root_hash}");
    Ok(())
}

fn format(data: &Path, hash: &Path) -> Result<RootHash, String> {
    let wrong = |error: io::Error| format!("{} to {}: {error}", data.display(), hash.display());
    let data = File::open(data).map_err(wrong)?;
    let params = fixture::params(data.metadata().map_err(wrong)?.len());
    let area = HashArea::new(&params, 0, true).map_err(|error| error.to_string())?;
    let mut file = vec![0; position(area.file_size())?];
    let superblock = Superblock::new(params.clone(), fixture::UUID).to_bytes();
    file[..superblock.len()].copy_from_slice(&superblock);
    let tree = &mut file[position(area.tree_range().start)?..];
    let root_hash = Tree::new(&params).build(&map(&data).map_err(wrong)?, tree)?;
    let mut output = File::create(hash).map_err(wrong)?;
    output.write_all(&file).and_then(|()| output.sync_all()).map_err(wrong)?;
    Ok(root_hash)
}

struct Tree<'a> {
    params: &'a Params,
    /// Has taken in the salt.
    salted: Context,
}

impl Tree<'_> {
    fn new(params: &Params) -> Tree<'_> {
        let mut salted = Context::new(&SHA256);
        salted.update(params.salt().as_bytes());
        Tree { params, salted }
    }

    /// Level 0 lies at the end; each level is hashed into the one before it.
    fn build(&self, data: &[u8], tree: &mut [u8]) -> Result<RootHash, String> {
        let levels = self.params.geometry().levels();
        let mut rest = tree;
        let mut below: Option<&[u8]> = None;
        for level in levels {
            let start = position(level.start)? * BLOCK_SIZE;
            let (upper, this) = std::mem::take(&mut rest).split_at_mut(start);
            let digests = &mut this[..position(level.hashes)? * DIGEST_SIZE];
            match below {
                None => self.hash_level(data, digests),
                Some(below) => self.hash_level(below, digests),
            }
            (rest, below) = (upper, Some(&*this));
        }
        let top = below.ok_or("a single block has no tree")?;
        let mut root_hash = [0; DIGEST_SIZE];
        self.hash_blocks(top, &mut root_hash);
        Digest::new(&root_hash).map(RootHash::new).map_err(|error| error.to_string())
    }

    fn hash_level(&self, below: &[u8], digests: &mut [u8]) {
        let runs = below.par_chunks(RUN).zip(digests.par_chunks_mut(RUN_DIGESTS));
        runs.for_each(|(blocks, digests)| self.hash_blocks(blocks, digests));
    }

    fn hash_blocks(&self, blocks: &[u8], digests: &mut [u8]) {
        for (block, digest) in
            blocks.chunks_exact(BLOCK_SIZE).zip(digests.chunks_exact_mut(DIGEST_SIZE))
        {
            let mut context = self.salted.clone();
            context.update(block);
            digest.copy_from_slice(context.finish().as_ref());
        }
    }
}

#[expect(unsafe_code, reason = "mapping a file is a promise that nobody changes it")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: `compare` wrote the image into a directory of its own and does not change it any
    // more.
    let map = unsafe { Mmap::map(file) }?;
    map.advise(Advice::Sequential)?;
    Ok(map)
}

/// A place in memory.
fn position(number: u64) -> Result<usize, String> {
    usize::try_from(number).map_err(|error| error.to_string())
}
