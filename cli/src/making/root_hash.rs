//! The root hash of what was made, in a file of its own or on standard output.

use std::path::Path;

use verity::RootHash;
use verity::publish::{Output, OutputSet};

use crate::error::CommandError;
use crate::outputs::{self, OWNER_ONLY, check_stdout, write_bytes};
use crate::streams::is_standard;

/// Begins the root hash file, if one is named that is no stream.
pub(crate) fn root_hash_output(path: Option<&Path>) -> Result<Option<Output>, CommandError> {
    match path {
        Some(path) if is_standard(path) => {
            check_stdout()?;
            Ok(None)
        }
        Some(path) => outputs::create_with_mode(path, OWNER_ONLY).map(Some),
        None => Ok(None),
    }
}

/// Adds the root hash file to a set.
pub(crate) fn with_root_hash(
    set: OutputSet,
    output: Option<Output>,
    root_hash: RootHash,
) -> Result<OutputSet, CommandError> {
    let Some(output) = output else { return Ok(set) };
    write_bytes(&output, root_hash.to_string().as_bytes())?;
    Ok(set.output(output))
}

/// Prints the root hash where standard output is named for it.
pub(crate) fn print_root_hash(
    path: Option<&Path>,
    root_hash: RootHash,
) -> Result<(), CommandError> {
    match path.is_some_and(is_standard) {
        true => outputs::print(root_hash.to_string().as_bytes())
            .map_err(|error| error.noting(format!("the new root hash is {root_hash}"))),
        false => Ok(()),
    }
}
