//! The C interface of verity. `include/verity.h` is its documentation: what each function does, and
//! what may be assumed of pointers, lengths, threads and callbacks.
//!
//! ```text
//!  build stream trust verify reader sign manifest sidecars table   the functions, by subject
//!  params            structs of parameters, in and out
//!  library           errors, digests, bytes; what is asked of the library as a whole
//!  device  run       what a host hands over: storage, and how long work runs
//!  guard             panics end here, and failures become numbers
//!  pointers  flags   the only places where raw pointers are read and written
//!  failure  signals  what went wrong, in numbers and words; the mask of signals
//! ```
//!
//! Functions are unsafe because of their pointers, and for nothing else: each hands them to
//! `pointers`, and goes on in safe code.

#![expect(unsafe_code, reason = "the border to C")]
#![allow(clippy::too_many_arguments, reason = "the functions are those of the header")]
#![allow(non_camel_case_types, reason = "types are named as the header names them")]

mod build;
mod device;
mod failure;
mod flags;
mod guard;
mod library;
mod manifest;
mod params;
mod pointers;
mod reader;
mod run;
mod sidecars;
mod sign;
mod signals;
mod stream;
mod table;
mod trust;
mod verify;
