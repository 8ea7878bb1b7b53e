//! The C library from outside: its header, its symbols, and programs in C, C++, Python and Go that
//! use it as an installed library.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

mod examples;
mod fork;
mod format;
mod header;
mod languages;
mod linking;
mod programs;
mod source;
mod stage;
