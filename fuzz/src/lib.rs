//! Invariants that must hold for every input of the parsers, of the verified reader and of repair,
//! as functions that panic when one does not.
//!
//! There is one module for each target, with `run` (the invariants) and `seeds` (valid inputs, made
//! by our own writers). `fuzz_targets/` hands `run` to libFuzzer; `tests/replay.rs` runs it on
//! seeds, mutations of them, old findings and what fuzzing kept as an ordinary test. How to fuzz:
//! README.md.

mod authority;
pub mod certificate;
mod der;
pub mod dm;
pub mod fec;
pub mod gpt;
pub mod kept;
pub mod key;
pub mod manifest;
mod message;
pub mod mutate;
pub mod nbd;
mod number;
pub mod partition;
pub mod pem;
mod pem_decoder;
pub mod pkcs7;
pub mod popt;
pub mod read;
mod source;
pub mod superblock;
pub mod table;

/// What is under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the target and of its corpus.
    pub name: &'static str,
    /// Panics when an invariant does not hold for this input.
    pub run: fn(&[u8]),
    /// Valid inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [Target; 14] = [
    Target { name: "superblock", run: superblock::run, seeds: superblock::seeds },
    Target { name: "table", run: table::run, seeds: table::seeds },
    Target { name: "manifest", run: manifest::run, seeds: manifest::seeds },
    Target { name: "nbd", run: nbd::run, seeds: nbd::seeds },
    Target { name: "read", run: read::run, seeds: read::seeds },
    Target { name: "fec", run: fec::run, seeds: fec::seeds },
    Target { name: "pkcs7", run: pkcs7::run, seeds: pkcs7::seeds },
    Target { name: "certificate", run: certificate::run, seeds: certificate::seeds },
    Target { name: "key", run: key::run, seeds: key::seeds },
    Target { name: "pem", run: pem::run, seeds: pem::seeds },
    Target { name: "partition", run: partition::run, seeds: partition::seeds },
    Target { name: "dm", run: dm::run, seeds: dm::seeds },
    Target { name: "gpt", run: gpt::run, seeds: gpt::seeds },
    Target { name: "popt", run: popt::run, seeds: popt::seeds },
];
