//! The front ends: each reads a command line in its own spelling and calls the commands.

pub(crate) mod verity;
pub(crate) mod veritysetup;
