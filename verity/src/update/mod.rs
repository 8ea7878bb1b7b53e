//! An image into a slot: only what changed is fetched, and nothing is written that is not proved.
//!
//! The hash tree of the new image, which has to be written anyway, is the index of what is missing:
//! old content is hashed with the *new* salt and parameters and found by its digest, wherever it
//! lies. So any old content serves as a seed: an image with another salt or another layout of its
//! files, a file system that is mounted, a slot that is half written.
//!
//! ```text
//!  trusted parameters ──> VerifiedTree: the new tree, from the root hash down, in memory
//!                              │                       (hash blocks that the slot has are not
//!                              v                        fetched)
//!  slot, seeds ── hashed ──> DigestIndex: digest -> where it lies
//!                              v
//!                            Plan: of each block: in place, zero, copied, repeated, fetched;
//!                              │   the requests, with small gaps bridged
//!                              v
//!                            apply: each block hashed in a private buffer, then written
//!                              v
//!                            Unvouched::finish: what lets the slot verify, last
//! ```
//!
//! What seeds and the slot say is only a hint: each block is hashed again at the moment when it is
//! copied, and one that is another by then is fetched instead. The source is trusted no more than
//! they are; but a wrong block of it ends the run, as nothing else has it.
//!
//! # What is written when
//!
//! What lets the slot verify (the superblock and the top hash block) is destroyed and synced before
//! the first block is written, and written again when everything else was synced. So a slot
//! verifies as the old image before, and as the new one after; in between it verifies as nothing.
//! There is no journal: a run that was cut short is done again, and finds what is in place.
//!
//! All other hash blocks, which were fetched already, are written and synced before the data. Data
//! is synced whenever 64 MiB were written, or 5 seconds have gone by. So a run that is killed loses
//! what was on its way, as much as there are requests at a time; a power cut takes no more than
//! what was written since the last sync, too.
//!
//! # Memory
//!
//! It grows with the number of blocks of the *new* image alone, whose tree was verified, and with
//! nothing else: not with seeds, nor with what a server says. For each data block that is the slot
//! of its digest in the tree (32 bytes with SHA-256, and 1/127 of that for the levels above), up to
//! 24 bytes of the index, 8 of places and 1 of what is in place; for each block to be fetched up to
//! 16, and 16 for each request. With SHA-256 that is less than 100 bytes a block, or 26 MB a GiB at
//! blocks of 4096 bytes. Beside that there are 4 MiB of blocks on their way, 1 MiB for each request
//! at a time, and 1 MiB for where a seed has holes.

mod apply;
mod difference;
mod index;
mod plan;
mod ranges;
mod rest;
mod settings;
mod tree;

pub use self::apply::{Applied, Unvouched, apply, destroy};
pub use self::difference::{Bridged, Difference};
pub use self::index::DigestIndex;
pub use self::plan::{Counts, Plan, Step};
pub use self::rest::{is_zero, zero_rest};
pub use self::settings::Settings;
pub use self::tree::{TreeDevice, VerifiedTree};

/// The most that one request asks for, in bytes.
const MAX_REQUEST: u64 = 1 << 20;

/// How many bytes wait to be written back, so that no sync at the end takes longer than whoever
/// gives a signal will wait.
const SYNCED_AT_ONCE: u64 = 64 << 20;

/// Whether a sync is due by how much was written before, and by now.
fn is_much(before: u64, now: u64) -> bool {
    before / SYNCED_AT_ONCE != now / SYNCED_AT_ONCE
}
