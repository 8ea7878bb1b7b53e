//! Core dumps, which must not hold what this process knows of a secret.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::error::{Class, CommandError};

/// Forbids this process to leave a core dump from here on, and the user's other processes to trace
/// it. To be called before a secret is read, or a file in which one may stand.
pub(crate) fn forbid() -> Result<(), CommandError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| {
            let error = CommandError::new(Class::Io, io::Error::from(error));
            error.noting("core dumps cannot be forbidden".to_owned())
        })
}
