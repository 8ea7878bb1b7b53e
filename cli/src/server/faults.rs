//! Warnings of blocks that clients could not be given.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use verity::internals::unpoisoned;
use verity::io::{Extent, ReadAt};
use verity::{BlockRef, Error, ReadError};

use crate::quoted::Quoted;

/// More blocks than that are not named: who reads on, and a broken disk, would fill the log.
const MAX_NAMED: usize = 100;

/// A reader that warns of each block that is corrupt or cannot be read, once.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    reader: R,
    data: PathBuf,
    hash: PathBuf,
    named: Mutex<HashSet<BlockRef>>,
}

impl<R> Watched<R> {
    /// Watches a reader of the image on these devices.
    pub(crate) fn new(reader: R, data: PathBuf, hash: PathBuf) -> Watched<R> {
        Watched { reader, data, hash, named: Mutex::default() }
    }

    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    fn warn(&self, error: &io::Error) {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref::<ReadError>());
        let Some(error) = error.map(|error| &error.error) else { return };
        let (block, words) = match error {
            Error::Corrupt(report) => match report.corruptions.first() {
                Some(range) => (range.first, range.to_string()),
                None => return,
            },
            Error::Read { block, source } => (*block, format!("{error}: {source}")),
            _ => return,
        };
        let mut named = unpoisoned(self.named.lock());
        if named.len() > MAX_NAMED || !named.insert(block) {
            return;
        }
        if named.len() > MAX_NAMED {
            tracing::warn!("there are more blocks that cannot be served; they are not named");
            return;
        }
        let path = if block.level().is_none() { &self.data } else { &self.hash };
        tracing::warn!("{}: {words}", Quoted(path));
    }
}

impl<R: ReadAt> ReadAt for Watched<R> {
    fn len(&self) -> io::Result<u64> {
        self.reader.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reader.read_at(buf, offset).inspect_err(|error| self.warn(error))
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.reader.extent_at(offset)
    }
}
