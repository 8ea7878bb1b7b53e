//! Many blocks by the kernel of a hash function with little-endian words.

use std::sync::Arc;

use crate::io::Ahead;
use crate::number::to_len;
use crate::{Algorithm, BlockSize, Params};

use super::kernel::Kernel;
use super::text::{Text, Texts};
use super::{blake2b, keccak, scalar};

/// A kernel that takes up to `lanes` messages at a time; `least` of them are worth it.
pub(super) struct LittleRung {
    /// What it is, for people.
    pub(super) name: &'static str,
    pub(super) lanes: usize,
    pub(super) least: usize,
    pub(super) hash: Box<HashTexts>,
}

type HashTexts = dyn Fn(Texts<'_>) + Send + Sync;

/// A ladder of this kernel, for a tree with SHA-3 or BLAKE2b; what it leaves goes to the crate.
pub(super) fn ladder(rung: LittleRung, params: &Params) -> Arc<dyn Kernel> {
    let rest = scalar::kernel(params.algorithm(), params.hash_type(), params.salt());
    let mut block_sizes = vec![params.data_block_size(), params.hash_block_size()];
    block_sizes.dedup();
    let digest_size = to_len(params.algorithm().digest_size().into());
    let text = |size: BlockSize| {
        let (salt, size) = (params.salt(), size.buffer_len(1));
        match params.algorithm() {
            Algorithm::Blake2b256 | Algorithm::Blake2b512 => {
                blake2b::text(digest_size, params.hash_type(), salt, size)
            }
            _ => keccak::text(digest_size, params.hash_type(), salt, size),
        }
    };
    Arc::new(Little { rung, texts: block_sizes.into_iter().map(text).collect(), rest })
}

struct Little {
    rung: LittleRung,
    /// For the block sizes of the tree.
    texts: Vec<Text>,
    /// For blocks of any other size, and for few.
    rest: Arc<dyn Kernel>,
}

impl Kernel for Little {
    fn hash_many(&self, mut blocks: &[u8], block_size: usize, mut out: &mut [u8], ahead: Ahead) {
        let all = blocks.len();
        if let Some(text) = self.texts.iter().find(|text| text.block_size == block_size) {
            while blocks.len() >= self.rung.least * block_size && !blocks.is_empty() {
                let count = (blocks.len() / block_size).min(self.rung.lanes);
                let (now, rest) = blocks.split_at(count * block_size);
                let next = match ahead.is_empty() {
                    true => Ahead::of(rest),
                    false => ahead.part(all - blocks.len(), now.len()),
                };
                let (digests, undone) = out.split_at_mut(count * text.digest_size);
                (self.rung.hash)(Texts { text, blocks: now, next, digests });
                (blocks, out) = (rest, undone);
            }
        }
        self.rest.hash_many(blocks, block_size, out, ahead);
    }
}
