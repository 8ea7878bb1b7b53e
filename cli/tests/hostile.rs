//! The command among hostile inputs and failing machines: whatever it is given, it comes to an end
//! in time and in little memory, accepts nothing wrong, and leaves nothing behind.
//!
//! A program of its own, as a run that takes too long is a failure here: no other tests should
//! take the processors meanwhile. Every input is made from a seed, which a failure names;
//! `VERITY_TEST_SEED` sets it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "hostile/case.rs"]
mod case;
#[path = "hostile/commands.rs"]
mod commands;
#[path = "hostile/faults.rs"]
mod faults;
#[path = "hostile/faults_full.rs"]
mod faults_full;
#[path = "hostile/faults_system.rs"]
mod faults_system;
#[cfg(feature = "http")]
#[path = "hostile/faults_web.rs"]
mod faults_web;
#[path = "hostile/image.rs"]
mod image;
#[path = "hostile/limits.rs"]
mod limits;
#[path = "hostile/line.rs"]
mod line;
#[path = "hostile/manifests.rs"]
mod manifests;
#[path = "hostile/oddities.rs"]
mod oddities;
#[path = "hostile/parities.rs"]
mod parities;
#[path = "hostile/serving.rs"]
mod serving;
#[path = "hostile/set.rs"]
mod set;
#[path = "hostile/signatures.rs"]
mod signatures;
#[path = "hostile/signers.rs"]
mod signers;
#[path = "hostile/superblocks.rs"]
mod superblocks;
#[cfg(feature = "http")]
#[path = "hostile/web.rs"]
mod web;
#[cfg(feature = "http")]
#[path = "hostile/web_servers.rs"]
mod web_servers;
