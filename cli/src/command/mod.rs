//! The commands, one file a verb: options in, facts or an error out.
//!
//! They touch files and call the libraries. They know nothing of argument syntax, print nothing
//! but warnings (through `tracing`) and never end the process, so that another front end can call
//! them as they are. They do not know each other: what two of them share is in a room below.

pub(crate) mod attach_signature;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod close;
pub(crate) mod diff;
pub(crate) mod dump;
pub(crate) mod format;
pub(crate) mod image_create;
pub(crate) mod image_grow;
pub(crate) mod image_show;
pub(crate) mod install;
pub(crate) mod lint;
pub(crate) mod open;
pub(crate) mod plan;
pub(crate) mod prepare_signature;
pub(crate) mod read;
pub(crate) mod rehash;
pub(crate) mod repair;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod slots;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod verify;
