//! Trees and digests of every platform: known answers, and the slow twin's. A program of its own:
//! this is what another architecture has to run (testdata/arm/test.sh), and building is most of that.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

#[path = "../common/mod.rs"]
mod common;
mod known_roots;
mod twin;
