//! Kernels of CPUs with instructions for SHA-256 itself: one message a
//! stream, several streams in flight.
//!
//! Such instructions have a latency of several cycles, in which one message waits for itself; the
//! instructions of other messages fill the gaps.

use super::group::Group;
use super::lanes::block_start;
use super::word::Word;

/// The size of a chunk, in bytes.
pub(super) const CHUNK: usize = <u32 as Word>::CHUNK;

/// Instructions for SHA-256, with `N` messages in flight. As [`Lanes`](super::lanes::Lanes):
/// `#[inline(always)]`, no target feature, and the values are proofs.
pub(super) trait Stream<const N: usize>: Copy {
    /// The proof that the CPU has the instructions.
    type Cpu: Copy;

    /// The state of a message, as the instructions take it.
    fn new(cpu: Self::Cpu, state: &[u32; 8]) -> Self;

    /// The state as words.
    fn words(self) -> [u32; 8];

    /// Asks for these bytes, which will be loaded soon.
    fn prefetch(_cpu: Self::Cpu, _bytes: &[u8]) {}

    /// Takes one chunk into each state.
    fn compress(states: &mut [Self; N], chunks: &[&[u8; CHUNK]; N]);
}

/// Hashes a group of at most `N` blocks.
#[inline(always)]
pub(super) fn hash<S: Stream<N>, const N: usize>(cpu: S::Cpu, group: Group<'_, u32>) {
    let Group { message, blocks, next, digests } = group;
    let mut states = [S::new(cpu, &message.state); N];
    let mut lent = [&[][..]; N];
    for (stream, block) in lent.iter_mut().enumerate() {
        *block = &blocks[block_start(blocks, message.block_size, stream)..][..message.block_size];
    }
    let blocks = lent;
    let front = message.front.len();
    let mut offset = 0;
    let mut own = [[0; CHUNK]; N];
    if front > 0 {
        offset = CHUNK - front;
        for (chunk, block) in own.iter_mut().zip(&blocks) {
            chunk[..front].copy_from_slice(&message.front);
            chunk[front..].copy_from_slice(&block[..offset]);
        }
        S::compress(&mut states, &own.each_ref());
    }
    while offset + CHUNK <= message.block_size {
        let mut chunks = own.each_ref();
        for (chunk, block) in chunks.iter_mut().zip(&blocks) {
            *chunk = as_chunk(&block[offset..]);
        }
        if let Some(next) = next.get(offset * N..(offset + CHUNK) * N) {
            S::prefetch(cpu, next);
        }
        S::compress(&mut states, &chunks);
        offset += CHUNK;
    }
    if let Some(joint) = &message.joint {
        for (chunk, block) in own.iter_mut().zip(&blocks) {
            *chunk = *as_chunk(joint);
            chunk[..front].copy_from_slice(&block[offset..]);
        }
        S::compress(&mut states, &own.each_ref());
    }
    for constant in &message.rest {
        S::compress(&mut states, &[as_chunk(&constant.bytes); N]);
    }
    for (state, digest) in states.iter().zip(digests.chunks_exact_mut(message.digest_size)) {
        for (word, bytes) in state.words().into_iter().zip(digest.chunks_mut(4)) {
            word.write(bytes);
        }
    }
}

/// The first chunk of some bytes.
#[inline(always)]
fn as_chunk(bytes: &[u8]) -> &[u8; CHUNK] {
    bytes.first_chunk().unwrap_or_else(|| unreachable!("whole chunks"))
}
