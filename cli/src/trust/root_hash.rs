//! The root hash that an image is held against: as text, in a file, or both.

use std::path::{Path, PathBuf};

use verity::{Digest, RootHash};

use crate::error::{Class, CommandError};
use crate::hex_text;
use crate::inputs::read_small;
use crate::quoted::Quoted;

/// Where a root hash comes from: the command line, a file, or both saying the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// The longest root hash file that `build` makes: two hex digits for each of 64 bytes, CR and LF.
pub(crate) const MAX_ROOT_HASH_FILE: u64 = 130;

/// The longest file that is read as a root hash, with white space behind it.
const MAX_TEXT_FILE: u64 = 4096;

fn parse_root_hash(text: &str) -> Result<RootHash, CommandError> {
    if text.parse::<RootHash>().is_err() && Path::new(text).is_file() {
        return Err(CommandError::usage(format!(
            "root hash: {text} is a file: --root-hash-file {text} takes the root hash from it"
        )));
    }
    root_hash_of(text.as_bytes())
}

/// Reads a file that holds one root hash in hex, and at most white space behind it.
fn root_hash_file(path: &Path) -> Result<RootHash, CommandError> {
    let bytes = read_small(path, MAX_TEXT_FILE, Class::Usage)?;
    if is_binary(&bytes) {
        let words = format!(
            "root hash: these are {} bytes, the binary hash, not its text: \
             `xxd -p FILE | tr -d '\\n'` prints the text",
            bytes.len()
        );
        return Err(CommandError::usage(words).at(path));
    }
    root_hash_of(&bytes).map_err(|error| error.at(path))
}

/// A root hash in hex. White space behind it is harmless.
fn root_hash_of(bytes: &[u8]) -> Result<RootHash, CommandError> {
    let bytes = bytes.trim_ascii_end();
    if let Some(fault) = hex_text::fault(bytes) {
        let words = format!("root hash: the text {fault}; a root hash is hex digits alone");
        return Err(CommandError::usage(words));
    }
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_err(|_| {
        CommandError::usage(format!(
            "root hash: {} hex digits are the digest of no known algorithm: sha256 has 64, \
             sha512 has 128; this one may be cut off",
            bytes.len()
        ))
    })
}

/// Whether these bytes are a digest themselves, and no text.
fn is_binary(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    Digest::new(bytes).is_ok() && !bytes.iter().all(is_text)
}
