//! What is served: bytes, their name, and how they should be asked for.

use super::limits::{MAX_REQUEST, MAX_STRING};
use super::{ExportError, protocol};
use crate::BlockSize;
use crate::io::ReadAt;

/// What the clients of a server see: one read-only device.
///
/// It is shared by all sessions, in as many threads as there are.
#[derive(Clone, Debug)]
pub struct Export<R> {
    pub(super) source: R,
    pub(super) size: u64,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) block_size: BlockSize,
}

impl<R: ReadAt> Export<R> {
    /// An export of all of `source`, whose length it keeps. The name is empty at first. Clients
    /// that were told no name ask for the empty one, which always means this export.
    ///
    /// # Errors
    /// When the length of the source cannot be told.
    pub fn new(source: R) -> Result<Export<R>, ExportError> {
        let size = source.len()?;
        Ok(Export {
            source,
            size,
            name: String::new(),
            description: String::new(),
            block_size: BlockSize::default(),
        })
    }

    /// Sets the name by which clients may ask for the export.
    ///
    /// # Errors
    /// When it has more than 4096 bytes, or a NUL.
    pub fn name(mut self, name: &str) -> Result<Self, ExportError> {
        self.name = checked(name)?;
        Ok(self)
    }

    /// Sets a description for people who list the exports.
    ///
    /// # Errors
    /// When they have more than 4096 bytes, or a NUL.
    pub fn description(mut self, words: &str) -> Result<Self, ExportError> {
        self.description = checked(words)?;
        Ok(self)
    }

    /// The blocks in which the source fails: behind a corrupt one, the next one may be good.
    /// Clients are asked to read whole ones, and at least 4096 bytes; they need not.
    #[must_use]
    pub fn block_size(mut self, block_size: BlockSize) -> Self {
        self.block_size = block_size;
        self
    }

    /// The source.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// The size of the export, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a client that asks for this name means this export.
    pub(super) fn is_called(&self, name: &[u8]) -> bool {
        name.is_empty() || name == self.name.as_bytes()
    }

    pub(super) fn transmission_flags(&self, structured: bool) -> u16 {
        let flags =
            protocol::FLAG_HAS_FLAGS | protocol::FLAG_READ_ONLY | protocol::FLAG_CAN_MULTI_CONN;
        if structured { flags | protocol::FLAG_SEND_DF } else { flags }
    }

    /// The data of the information about block sizes.
    pub(super) fn block_sizes(&self) -> Vec<u8> {
        protocol::info_block_size(1, self.block_size.bytes().max(4096), MAX_REQUEST)
    }
}

fn checked(text: &str) -> Result<String, ExportError> {
    if text.len() > MAX_STRING || text.contains('\0') {
        return Err(ExportError::Text);
    }
    Ok(text.to_owned())
}
