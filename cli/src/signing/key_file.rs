//! Who may read, write or replace a file that holds a secret.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::Mode;

use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;

/// Refuses a key file that others may write or replace, and warns of one that others may read.
pub(crate) fn check_key_mode(file: &File, path: &Path) -> Result<(), CommandError> {
    let refused = |words: &str| Err(CommandError::message(Class::Trust, words).at(path));
    let stat = rustix::fs::fstat(file).or_fail(Class::Io, path)?;
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refused("others than its owner may write the private key: chmod go-w first");
    }
    if is_replaceable(path).or_fail(Class::Io, path)? {
        return refused(
            "anybody may replace the private key, as a directory on the way to it is writable by \
             all: chmod o-w or +t it, or put the key elsewhere",
        );
    }
    let (owner, own) = (stat.st_uid, rustix::process::geteuid().as_raw());
    if owner != own && owner != 0 {
        // Who runs this with sudo has keys of their own.
        if own != 0 {
            return refused("the private key belongs to another user, who may write it");
        }
        tracing::warn!(
            "{}: the private key belongs to another user, who may write it",
            Quoted(path)
        );
    }
    warn_of_readers(file, path, "the private key")
}

/// Whether anybody may put another file in the place of this one: some directory on the way to it,
/// by its name or by what that leads to, is writable by all and has no sticky bit.
fn is_replaceable(path: &Path) -> io::Result<bool> {
    for way in [std::path::absolute(path)?, path.canonicalize()?] {
        for directory in way.ancestors().skip(1) {
            let mode = Mode::from_raw_mode(rustix::fs::stat(directory)?.st_mode);
            if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Warns of a file with a secret that others may read.
pub(crate) fn warn_of_readers(file: &File, path: &Path, what: &str) -> Result<(), CommandError> {
    let stat = rustix::fs::fstat(file).or_fail(Class::Io, path)?;
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RGRP | Mode::ROTH) {
        tracing::warn!("{}: others than its owner may read {what}", Quoted(path));
    }
    Ok(())
}
