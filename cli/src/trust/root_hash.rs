//! The root hash that an image is held against: as text, in a file, or both.

use std::path::{Path, PathBuf};

use verity::RootHash;

use crate::error::{Class, CommandError, OrFail};
use crate::inputs::read_small;
use crate::quoted::Quoted;

/// Where a root hash comes from: the command line, a file, or both saying the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootHashSource {
    pub(crate) text: Option<String>,
    pub(crate) file: Option<PathBuf>,
}

impl RootHashSource {
    /// The root hash, if any source was given.
    pub(crate) fn read(&self) -> Result<Option<RootHash>, CommandError> {
        let given = match &self.text {
            Some(text) => Some(parse_root_hash(text)?),
            None => None,
        };
        let Some(path) = &self.file else { return Ok(given) };
        let filed = root_hash_file(path)?;
        match given {
            Some(given) if given != filed => Err(CommandError::usage(format!(
                "the root hash is {given} on the command line, but {filed} in {}",
                Quoted(path)
            ))),
            _ => Ok(Some(filed)),
        }
    }

    /// The root hash; an error unless one was given.
    pub(crate) fn require(&self) -> Result<RootHash, CommandError> {
        self.needed(self.read()?)
    }

    /// What was read; an error unless something was.
    pub(crate) fn needed(&self, read: Option<RootHash>) -> Result<RootHash, CommandError> {
        read.ok_or_else(|| {
            CommandError::usage("a root hash is needed: ROOT or --root-hash-file FILE")
        })
    }
}

/// The longest root hash file that is read: two hex digits for each of 64 bytes, CR and LF.
pub(crate) const MAX_ROOT_HASH_FILE: u64 = 130;

fn parse_root_hash(text: &str) -> Result<RootHash, CommandError> {
    text.parse().map_err(|error| CommandError::message(Class::Usage, format!("root hash: {error}")))
}

/// Reads a file that holds one root hash in hex, with at most one line end after it.
fn root_hash_file(path: &Path) -> Result<RootHash, CommandError> {
    let bytes = read_small(path, MAX_ROOT_HASH_FILE, Class::Usage)?;
    let text = str::from_utf8(&bytes).or_fail(Class::Usage, path)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(CommandError::usage("the root hash file is empty").at(path));
    }
    text.parse().or_fail(Class::Usage, path)
}
