//! The library through its public interface. One program, so that it is built and linked once; what
//! needs a process of its own is a program of its own beside it (`Cargo.toml`).

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

mod adversarial;
mod common;
#[path = "common/parity.rs"]
mod definition;
mod disk;
mod examples;
mod fault_runs;
#[cfg(feature = "http")]
mod http;
mod image;
#[cfg(feature = "mmap")]
mod mmap;
mod nbd;
mod parity;
mod read;
mod rehash;
mod repair;
mod stream;
mod table;
mod update;
#[path = "common/zeros.rs"]
mod zeros;
