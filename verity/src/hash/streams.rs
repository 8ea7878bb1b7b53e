//! Kernels of CPUs with instructions for SHA-256 or SHA-512 itself: one message a stream, several
//! streams in flight.
//!
//! Such instructions have a latency of several cycles, in which one message waits for itself; the
//! instructions of other messages fill the gaps.

use super::group::Group;
use super::lanes::block_start;
use super::message::Message;
use super::prefetch::{Cache, prefetch};
use super::word::Word;

/// Instructions for SHA-256 or SHA-512, with `N` messages in flight, each taken in by `CHUNK`
/// bytes, which are a chunk of the words. As [`Lanes`](super::lanes::Lanes): `#[inline(always)]`,
/// no target feature, and the values are proofs.
pub(super) trait Stream<const N: usize, const CHUNK: usize>: Copy {
    /// The words of the messages.
    type Word: Word;
    /// The proof that the CPU has the instructions.
    type Cpu: Copy;

    /// The state of a message, as the instructions take it.
    fn new(cpu: Self::Cpu, state: &[Self::Word; 8]) -> Self;

    /// The state as words.
    fn words(self) -> [Self::Word; 8];

    /// Takes one chunk into each state.
    fn compress(states: &mut [Self; N], chunks: &[&[u8; CHUNK]; N]);
}

/// Hashes a group of at most `N` blocks.
#[inline(always)]
pub(super) fn hash<S: Stream<N, CHUNK>, const N: usize, const CHUNK: usize>(
    cpu: S::Cpu,
    group: Group<'_, S::Word>,
) {
    const { assert!(CHUNK == S::Word::CHUNK) }
    let Group { message, blocks, next, digests } = group;
    let cache = if next.is_copied() { Cache::Second } else { Cache::First };
    let mut states = [S::new(cpu, &message.state); N];
    let mut lent = [&[][..]; N];
    for (stream, block) in lent.iter_mut().enumerate() {
        *block = &blocks[block_start(blocks, message.block_size, stream)..][..message.block_size];
    }
    let blocks = lent;
    let (first, joint) = stage::<_, N, CHUNK>(message, &blocks);
    let staged = usize::from(message.joint.is_some());
    let lines = message.block_size / CHUNK - staged;
    let skipped = staged * (CHUNK - message.front.len());
    // One call of the rounds serves all chunks: it is much code, and becomes part of this function.
    // Chunks that follow each other in memory are a run, so that a chunk costs little more than its
    // rounds.
    for run in 0..3 + message.rest.len() {
        // Loops, and no `map`: that can become a call.
        let (mut sources, mut count) = ([&[][..]; N], 0);
        for (stream, source) in sources.iter_mut().enumerate() {
            (*source, count) = match run {
                0 => (&first[stream][..], staged),
                1 => (&blocks[stream][skipped..], lines),
                2 => (&joint[stream][..], staged),
                _ => (&message.rest[run - 3].bytes[..], 1),
            };
        }
        for index in 0..count {
            if run == 1 {
                prefetch(next.part(index * CHUNK * N, CHUNK * N), cache);
            }
            let mut chunks = [&[0; CHUNK]; N];
            for (chunk, source) in chunks.iter_mut().zip(&sources) {
                *chunk = as_chunk(&source[index * CHUNK..]);
            }
            S::compress(&mut states, &chunks);
        }
    }
    for (state, digest) in states.iter().zip(digests.chunks_exact_mut(message.digest_size)) {
        for (word, bytes) in state.words().into_iter().zip(digest.chunks_mut(S::Word::BYTES)) {
            word.write(bytes);
        }
    }
}

/// The chunks in which a block is not alone, if there are such: behind what stands in front of it,
/// and before the padding.
#[inline(always)]
fn stage<W: Word, const N: usize, const CHUNK: usize>(
    message: &Message<W>,
    blocks: &[&[u8]; N],
) -> ([[u8; CHUNK]; N], [[u8; CHUNK]; N]) {
    let (mut first, mut joint) = ([[0; CHUNK]; N], [[0; CHUNK]; N]);
    let Some(end) = message.joint.as_deref() else { return (first, joint) };
    let front = message.front.len();
    for ((first, joint), block) in first.iter_mut().zip(&mut joint).zip(blocks) {
        first[..front].copy_from_slice(&message.front);
        first[front..].copy_from_slice(&block[..CHUNK - front]);
        joint.copy_from_slice(end);
        joint[..front].copy_from_slice(&block[message.block_size - front..]);
    }
    (first, joint)
}

/// The first chunk of some bytes.
#[inline(always)]
fn as_chunk<const CHUNK: usize>(bytes: &[u8]) -> &[u8; CHUNK] {
    bytes.first_chunk().unwrap_or_else(|| unreachable!("whole chunks"))
}
