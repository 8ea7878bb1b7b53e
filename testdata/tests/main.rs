//! The slow twin against known answers and the real `veritysetup`, and what the workspace's tests must keep.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod attacks;
mod differential;
mod known_answers;
mod programs;
