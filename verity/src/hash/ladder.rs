//! Many blocks by several kernels: full groups by the widest, what remains by narrower ones.

use std::sync::Arc;

use crate::io::Ahead;
use crate::number::to_len;
use crate::{Algorithm, BlockSize, Params};

use super::group::Group;
use super::kernel::Kernel;
use super::little;
use super::message::Message;
use super::platform::Platform;
use super::rung::Rung;
use super::scalar;
use super::word::{SHA224, SHA256, SHA384, SHA512, Word};

/// The kernel for a tree, by what the platform has for its algorithm.
pub(super) fn kernel(params: &Params, platform: Platform) -> Arc<dyn Kernel> {
    match params.algorithm() {
        Algorithm::Sha224 => ladder(platform.sha256(), SHA224, params),
        Algorithm::Sha256 => ladder(platform.sha256(), SHA256, params),
        Algorithm::Sha384 => ladder(platform.sha512(), SHA384, params),
        Algorithm::Sha512 => ladder(platform.sha512(), SHA512, params),
        algorithm => match platform.little(algorithm) {
            Some(rung) => little::ladder(rung, params),
            None => one_by_one(params),
        },
    }
}

fn one_by_one(params: &Params) -> Arc<dyn Kernel> {
    scalar::kernel(params.algorithm(), params.hash_type(), params.salt())
}

/// A ladder of these kernels, for a hash function that begins with `start`.
pub(super) fn ladder<W: Word>(
    rungs: Vec<Rung<W>>,
    start: [W; 8],
    params: &Params,
) -> Arc<dyn Kernel> {
    if rungs.is_empty() {
        return one_by_one(params);
    }
    let digest_size = to_len(params.algorithm().digest_size().into());
    let mut block_sizes = vec![params.data_block_size(), params.hash_block_size()];
    block_sizes.dedup();
    let message = |block_size: BlockSize| {
        let block_size = block_size.buffer_len(1);
        Message::new(start, digest_size, params.hash_type(), params.salt(), block_size)
    };
    let messages = block_sizes.into_iter().filter_map(message).collect();
    Arc::new(Ladder { rungs, messages, one_by_one: one_by_one(params) })
}

/// The kernels of a platform for one tree.
struct Ladder<W> {
    /// Widest first.
    rungs: Vec<Rung<W>>,
    /// For the block sizes of the tree.
    messages: Vec<Message<W>>,
    /// For blocks of any other size, and for those that the rungs leave.
    one_by_one: Arc<dyn Kernel>,
}

impl<W: Word> Kernel for Ladder<W> {
    fn hash_many(&self, mut blocks: &[u8], block_size: usize, mut out: &mut [u8], ahead: Ahead) {
        let message = self.messages.iter().find(|message| message.block_size == block_size);
        let Some(message) = message else {
            return self.one_by_one.hash_many(blocks, block_size, out, ahead);
        };
        let all = blocks.len();
        for rung in &self.rungs {
            loop {
                let count = (blocks.len() / block_size).min(rung.lanes);
                if count < rung.least {
                    break;
                }
                let (now, rest) = blocks.split_at(count * block_size);
                // While blocks are hashed that stand as far from the first one. Without that, the
                // next group.
                let next = match ahead.is_empty() {
                    true => Ahead::of(rest),
                    false => ahead.part(all - blocks.len(), now.len()),
                };
                let (digests, undone) = out.split_at_mut(count * message.digest_size);
                (rung.hash)(Group { message, blocks: now, next, digests });
                (blocks, out) = (rest, undone);
            }
        }
        self.one_by_one.hash_many(blocks, block_size, out, ahead);
    }
}
