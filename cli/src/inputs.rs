//! Opening and reading files that are named on the command line, and the class of what can go
//! wrong.
//!
//! Everything here fails closed: a file that is missing, unreadable or too long is an error. What
//! is opened here is an input, which no output of the run may replace (`roles`).

use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use verity::internals::{to_len, to_u64};
use verity::publish::Input;
use zeroize::Zeroizing;

use crate::disks;
use crate::dumps;
use crate::error::{Class, CommandError, OrFail};
use crate::roles;
use crate::signals::Signals;
use crate::streams::{INPUT, StandardInput, is_standard, stdin};

/// Opens an input.
pub(crate) fn open(path: &Path) -> Result<Input, CommandError> {
    let input = Input::open(path)?;
    roles::reads(input.file(), path)?;
    Ok(input)
}

/// Opens an input that may be a partition of a disk.
pub(crate) fn open_device(path: &Path) -> Result<Input, CommandError> {
    let input = disks::open(path)?;
    roles::reads_part(input.file(), &input, path)?;
    Ok(input)
}

/// A part of an open disk, called `name`.
pub(crate) fn part_of(
    disk: &Input,
    range: Range<u64>,
    name: PathBuf,
) -> Result<Input, CommandError> {
    let input = disk.share()?.part(range, name)?;
    roles::reads_part(input.file(), &input, input.path())?;
    Ok(input)
}

/// Reads a whole file of at most `limit` bytes. A longer one is a failure of this class: no more of
/// it is read.
pub(crate) fn read_small(path: &Path, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    read_at_most(stream(path)?, limit, class, path)
}

/// Does the same with a file that is open.
pub(crate) fn read_whole(input: &Input, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    read_at_most(input.file(), limit, class, input.path())
}

fn read_at_most(
    source: impl Read,
    limit: u64,
    class: Class,
    path: &Path,
) -> Result<Vec<u8>, CommandError> {
    let bytes = read_some(source, limit + 1, path)?;
    if to_u64(bytes.len()) <= limit {
        return Ok(bytes);
    }
    let words = format!("the file is longer than {limit} bytes");
    Err(CommandError::message(class, words).at(path))
}

/// Reads the first `limit` bytes of a file, or all of it.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    read_some(stream(path)?, limit, path)
}

fn read_some(source: impl Read, limit: u64, path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes).or_fail(Class::Io, path)?;
    Ok(bytes)
}

/// An input that is read from its start to its end.
pub(crate) enum Stream {
    File(Input),
    /// What standard input had, or its first bytes: nothing that is read as a stream is longer.
    Standard(Cursor<Zeroizing<Vec<u8>>>),
}

/// The most that is read of standard input: more than any small input may have.
const MAX_STANDARD: u64 = 2 << 20;

/// Opens a file, or reads standard input for `-`.
pub(crate) fn stream(path: &Path) -> Result<Stream, CommandError> {
    if !is_standard(path) {
        return Ok(Stream::File(open(path)?));
    }
    let bytes = standard_bytes(0, MAX_STANDARD)?;
    Ok(Stream::Standard(Cursor::new(bytes)))
}

const KEY_MAY_LIE_THERE: &str = "a private key may lie beside a certificate";

/// Opens a file of certificates, beside which a key may lie. From here on nothing of it gets out of
/// this process.
pub(crate) fn certificate_stream(path: &Path) -> Result<Stream, CommandError> {
    let forbidden = dumps::forbid();
    forbidden.map_err(|error| error.noting(KEY_MAY_LIE_THERE.to_owned()).at(path))?;
    stream(path)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::File(input) => input.file().read(buffer),
            Stream::Standard(bytes) => bytes.read(buffer),
        }
    }
}

/// Reads at most `limit` bytes of standard input, after those that are skipped. Should it be a
/// file, that is an input as any other.
pub(crate) fn standard_bytes(skipped: u64, limit: u64) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let path = Path::new(INPUT);
    roles::reads(&stdin().or_fail(Class::Io, path)?, path)?;
    let signals = Signals::installed();
    let mut input = StandardInput { signals: &signals };
    let read = io::copy(&mut input.by_ref().take(skipped), &mut io::sink())
        .and_then(|_| read_wiped(input, to_len(limit)));
    signals.check()?;
    read.or_fail(Class::Io, path)
}

/// Reads at most `limit` bytes, which may be those of a key: every buffer is wiped.
pub(crate) fn read_wiped(mut reader: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; limit.min(FIRST_BUFFER)]);
    let mut length = 0;
    while length < limit {
        if length == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; limit.min(2 * length)]);
            larger[..length].copy_from_slice(&bytes);
            bytes = larger;
        }
        match reader.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The first buffer for standard input, in bytes; most inputs fit.
const FIRST_BUFFER: usize = 128 << 10;
