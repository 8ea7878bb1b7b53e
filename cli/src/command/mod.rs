//! The commands, one file a verb: options in, facts or an error out.
//!
//! They touch files and call the libraries. They know nothing of argument syntax, print nothing
//! but warnings (through `tracing`) and never end the process, so that another front end can call
//! them as they are. They do not know each other: what two of them share is in a room below.

pub(crate) mod attach_signature;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod dump;
pub(crate) mod format;
pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod prepare_signature;
pub(crate) mod read;
pub(crate) mod repair;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod table;
pub(crate) mod verify;
