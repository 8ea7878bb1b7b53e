//! The two directions of a connection.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use super::SessionError;
use crate::number::to_u64;

/// Room for a few requests, which a busy client sends at once.
const INPUT_BUFFER: usize = 4096;

#[derive(Debug)]
pub(super) struct Wire<I, O> {
    input: BufReader<I>,
    output: O,
}

impl<I: Read, O: Write> Wire<I, O> {
    pub(super) fn new(input: I, output: O) -> Wire<I, O> {
        Wire { input: BufReader::with_capacity(INPUT_BUFFER, input), output }
    }

    /// The next `N` bytes, or nothing if the client went before the first of them.
    pub(super) fn message<const N: usize>(&mut self) -> Result<Option<[u8; N]>, SessionError> {
        if self.at_end()? {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                buffered => return Ok(buffered?.is_empty()),
            }
        }
    }

    /// The next `size` bytes, a size that the caller has found to be small.
    pub(super) fn bytes(&mut self, size: u32) -> Result<Vec<u8>, SessionError> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(size.into()).read_to_end(&mut bytes)?;
        whole(to_u64(bytes.len()), size)?;
        Ok(bytes)
    }

    /// Reads and forgets the next `size` bytes.
    pub(super) fn skip(&mut self, size: u32) -> Result<(), SessionError> {
        let skipped = io::copy(&mut self.input.by_ref().take(size.into()), &mut io::sink())?;
        Ok(whole(skipped, size)?)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        Ok(self.output.write_all(bytes)?)
    }
}

fn whole(read: u64, size: u32) -> io::Result<()> {
    if read == u64::from(size) { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
