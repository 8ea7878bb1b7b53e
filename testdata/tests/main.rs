//! The slow twin against known answers and the real `veritysetup`, and what the workspace's
//! sources, tests and documents must keep.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod arrows;
mod attacks;
mod differential;
mod documents;
mod error_texts;
mod known_answers;
mod programs;
