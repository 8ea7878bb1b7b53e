//! Trees and digests of every platform: known answers, and the slow twin's. A program of its own,
//! since another architecture has to run these (testdata/arm/test.sh), and builds slowly there.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

#[path = "../common/mod.rs"]
mod common;
mod known_roots;
mod twin;
