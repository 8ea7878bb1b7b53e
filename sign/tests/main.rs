//! Signatures, keys and manifests through the public interface. One program, so that it is built
//! and linked once; what needs a process of its own is a program of its own beside it
//! (`Cargo.toml`).

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod accepted;
mod authority;
mod certificates;
mod chains;
mod common;
mod encoding;
mod examples;
mod external;
mod key_files;
mod keys;
mod lint;
mod manifest;
mod mistakes;
mod openssl;
mod properties;
mod sidecars;
mod signature;
mod signature_partition;
mod wycheproof;
