//! The second phase: requests and their replies, one after the other.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use super::limits::{BUFFER_SIZE, MAX_ATTEMPTS, MAX_REQUEST};
use super::protocol::{
    self, CMD_BLOCK_STATUS, CMD_DISC, CMD_FLAG_DF, CMD_FLAG_REQ_ONE, CMD_READ, CMD_TRIM, CMD_WRITE,
    CMD_WRITE_ZEROES, EINVAL, EIO, EOVERFLOW, EPERM, Request,
};
use super::wire::Wire;
use super::{Export, SessionError, handshake, status};
use crate::io::{ReadAt, is_about_source};
use crate::number::{to_len, to_u64};
use crate::work;

/// Room for what comes before data, so that both leave with one write.
const HEAD_ROOM: usize = 28;

/// Agrees with a client on the export and the form of the replies.
///
/// `input` is what the client sends, `output` is what it is sent; both may be the same socket.
/// Returns a [`Session`] to serve, or nothing if the client only wanted to know something.
///
/// # Errors
/// When the client breaks the protocol, exceeds one of the [limits](super), or is gone in the
/// middle of a message.
pub fn negotiate<R: ReadAt, I: Read, O: Write>(
    export: &Export<R>,
    input: I,
    output: O,
) -> Result<Option<Session<'_, R, I, O>>, SessionError> {
    let mut wire = Wire::new(input, output);
    let agreed = handshake::run(export, &mut wire)?;
    Ok(agreed.map(|agreed| Session {
        export,
        wire,
        structured: agreed.structured,
        allocation: agreed.allocation,
        buffer: Vec::new(),
        traffic: Traffic::default(),
        stop: &|| false,
    }))
}

/// A client that reads from an export.
pub struct Session<'a, R, I, O> {
    export: &'a Export<R>,
    wire: Wire<I, O>,
    structured: bool,
    /// Whether the status of blocks may be asked for.
    allocation: bool,
    /// [`HEAD_ROOM`], then data.
    buffer: Vec<u8>,
    traffic: Traffic,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<R, I, O> fmt::Debug for Session<'_, R, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("traffic", &self.traffic).finish_non_exhaustive()
    }
}

/// What a client has asked for and was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests of any kind.
    pub requests: u64,
    /// Requests that were not met, or only in part.
    pub failed: u64,
    /// Bytes of data that were sent.
    pub bytes: u64,
}

impl<'a, R: ReadAt, I: Read, O: Write> Session<'a, R, I, O> {
    /// Ends the session once `stop` says so, which is asked between blocks: also in the middle of a
    /// request.
    #[must_use]
    pub fn stop_when(mut self, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        self.stop = stop;
        self
    }

    /// Answers requests until the client ends the session or disconnects.
    ///
    /// A request that cannot be met is answered with an error, and the next one is served. Only
    /// bytes that the source has returned are sent. In a structured reply that is everything which
    /// could be read, beside the places of what could not. A simple reply is all or nothing, so
    /// that everything is read before the first byte is sent; what is longer than [`BUFFER_SIZE`]
    /// is read twice.
    ///
    /// Where blocks are recovered by a [`FecRepair`](crate::FecRepair), a request has a bounded
    /// number of attempts: after 16 rounds in vain, or 256 recovered blocks, the others that are
    /// corrupt fail unless parity is not needed for them. The next request has as many. What is
    /// read twice has as many for the second time, all pieces together. Where a whole source fails,
    /// such as a server that does not answer, the request ends with the first error.
    ///
    /// # Errors
    /// When the client breaks the protocol, or is gone in the middle of a message; when a long read
    /// was promised in a simple reply and then failed; [`SessionError::Stopped`]. The connection is
    /// of no use then.
    pub fn serve(&mut self) -> Result<(), SessionError> {
        while let Some(request) = self.wire.message()? {
            let request = Request::parse(&request)?;
            if request.command == CMD_DISC {
                break;
            }
            self.traffic.requests += 1;
            self.check_stop()?;
            work::with_attempts(MAX_ATTEMPTS, || self.answer(&request))?;
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<(), SessionError> {
        if (self.stop)() { Err(SessionError::Stopped) } else { Ok(()) }
    }

    /// What has happened so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn answer(&mut self, request: &Request) -> Result<(), SessionError> {
        match request.command {
            CMD_READ => match self.refusal(request) {
                Some((error, words)) => self.refuse(request, error, words),
                None if !self.structured => self.read_simple(request),
                None if request.flags & CMD_FLAG_DF != 0 => self.read_unfragmented(request),
                None => self.read_structured(request),
            },
            CMD_BLOCK_STATUS => match self.status_refusal(request) {
                Some(words) => self.refuse(request, EINVAL, words),
                None => {
                    let extents = status::extents(&self.export.source, request, self.stop);
                    self.check_stop()?;
                    self.wire.write(&protocol::status_chunk(request.cookie, &extents))
                }
            },
            CMD_WRITE => {
                self.skip_payload(request)?;
                self.refuse(request, EPERM, "the export is read-only")
            }
            CMD_TRIM | CMD_WRITE_ZEROES => self.refuse(request, EPERM, "the export is read-only"),
            _ => self.refuse(request, EINVAL, "no such command here"),
        }
    }

    /// Why a read makes no sense, if it does not.
    fn refusal(&self, request: &Request) -> Option<(u32, &'static str)> {
        let whole = request.flags & CMD_FLAG_DF != 0;
        let end = request.offset.checked_add(request.length.into());
        if request.flags & !CMD_FLAG_DF != 0 || (whole && !self.structured) {
            Some((EINVAL, "no such flag here"))
        } else if request.length > MAX_REQUEST {
            Some((EINVAL, "longer than the maximum block size"))
        } else if end.is_none_or(|end| end > self.export.size) {
            Some((EINVAL, "beyond the end of the export"))
        } else if whole && size(request.length) > BUFFER_SIZE {
            Some((EOVERFLOW, "too long to be sent in one piece"))
        } else {
            None
        }
    }

    /// Why a request for the status of blocks makes no sense, if it does not. It may be longer than
    /// a read, as the reply is not.
    fn status_refusal(&self, request: &Request) -> Option<&'static str> {
        let end = request.offset.checked_add(request.length.into());
        if !self.allocation {
            Some("base:allocation was not agreed on")
        } else if request.flags & !CMD_FLAG_REQ_ONE != 0 {
            Some("no such flag here")
        } else if request.length == 0 {
            Some("no bytes are asked about")
        } else if end.is_none_or(|end| end > self.export.size) {
            Some("beyond the end of the export")
        } else {
            None
        }
    }

    fn refuse(
        &mut self,
        request: &Request,
        error: u32,
        words: &'static str,
    ) -> Result<(), SessionError> {
        self.traffic.failed += 1;
        if self.structured {
            let chunk = protocol::error_chunk(request.cookie, error, words, None, true);
            self.wire.write(&chunk)
        } else {
            self.wire.write(&protocol::simple_reply(request.cookie, error))
        }
    }

    /// Reads the data of a write, after which the next request comes.
    fn skip_payload(&mut self, request: &Request) -> Result<(), SessionError> {
        if request.length > MAX_REQUEST {
            return Err(SessionError::WriteLength { length: request.length });
        }
        self.wire.skip(request.length)
    }

    fn read_simple(&mut self, request: &Request) -> Result<(), SessionError> {
        let length = size(request.length);
        if self.try_pieces(request).is_err() {
            self.check_stop()?;
            return self.refuse(request, EIO, "");
        }
        let head = protocol::simple_reply(request.cookie, 0);
        if length <= BUFFER_SIZE {
            // The one piece is still in the buffer.
            return self.send(&head, length);
        }
        self.wire.write(&head)?;
        work::with_attempts(MAX_ATTEMPTS, || self.send_pieces(request))
    }

    /// Reads everything once more, and sends it.
    fn send_pieces(&mut self, request: &Request) -> Result<(), SessionError> {
        for (offset, size) in pieces(request) {
            let (read, error) = self.fill(offset, size);
            self.check_stop()?;
            if let Some(error) = error {
                return Err(SessionError::Changed(error));
            }
            self.send(&[], read)?;
        }
        Ok(())
    }

    /// Reads everything, a piece after the other.
    fn try_pieces(&mut self, request: &Request) -> io::Result<()> {
        pieces(request).try_for_each(|(offset, size)| match self.fill(offset, size) {
            (_, Some(error)) => Err(error),
            (_, None) => Ok(()),
        })
    }

    fn read_structured(&mut self, request: &Request) -> Result<(), SessionError> {
        let mut remaining = Remaining::new(request, self.export.block_size.bytes());
        while remaining.offset < remaining.end {
            let (read, error) = self.fill(remaining.offset, remaining.piece());
            self.check_stop()?;
            if read > 0 {
                self.send_chunk(request, &mut remaining, read)?;
            }
            if let Some(error) = error {
                self.tell_error(request, &mut remaining, &error)?;
                // What lies behind could not be read either, each time after a timeout perhaps.
                if is_about_source(&error) {
                    break;
                }
            }
        }
        self.traffic.failed += u64::from(remaining.failed);
        if remaining.done {
            return Ok(());
        }
        self.wire.write(&protocol::end_chunk(request.cookie))
    }

    /// Sends all of the data in one chunk, or an error instead.
    fn read_unfragmented(&mut self, request: &Request) -> Result<(), SessionError> {
        let Request { cookie, offset, length, .. } = *request;
        let (read, error) = self.fill(offset, size(length));
        self.check_stop()?;
        if let Some(error) = error {
            self.traffic.failed += 1;
            let place = Some(offset + to_u64(read));
            return self.wire.write(&protocol::error_chunk(
                cookie,
                EIO,
                words(&error),
                place,
                true,
            ));
        }
        if length == 0 {
            return self.wire.write(&protocol::end_chunk(cookie));
        }
        self.send(&protocol::data_chunk(cookie, offset, length, true), read)
    }

    /// Sends what has been read.
    fn send_chunk(
        &mut self,
        request: &Request,
        remaining: &mut Remaining,
        read: usize,
    ) -> Result<(), SessionError> {
        let offset = remaining.offset;
        remaining.advance(read);
        let length = u32::try_from(read).unwrap_or(u32::MAX);
        let head = protocol::data_chunk(request.cookie, offset, length, remaining.done);
        self.send(&head, read)
    }

    /// Tells where a run of unreadable blocks begins, once, and goes to the next block.
    fn tell_error(
        &mut self,
        request: &Request,
        remaining: &mut Remaining,
        error: &io::Error,
    ) -> Result<(), SessionError> {
        let offset = remaining.offset;
        let is_news = remaining.fail();
        if !is_news {
            return Ok(());
        }
        let chunk = protocol::error_chunk(request.cookie, EIO, words(error), Some(offset), false);
        self.wire.write(&chunk)
    }

    /// Reads up to `size` bytes into the buffer: how many, and why not all.
    fn fill(&mut self, offset: u64, size: usize) -> (usize, Option<io::Error>) {
        self.make_room(size);
        let buffer = &mut self.buffer[HEAD_ROOM..HEAD_ROOM + size];
        let mut done = 0;
        while done < size {
            if (self.stop)() {
                return (done, Some(ErrorKind::TimedOut.into()));
            }
            match self.export.source.read_at(&mut buffer[done..], offset + to_u64(done)) {
                Ok(0) => return (done, Some(ErrorKind::UnexpectedEof.into())),
                // A source that claims more than it was given room for is not believed.
                Ok(read) if read > size - done => {
                    return (done, Some(ErrorKind::InvalidData.into()));
                }
                Ok(read) => done += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }

    /// Lets the buffer hold that much data, and no more than has ever been needed.
    fn make_room(&mut self, size: usize) {
        if let Some(more) = (HEAD_ROOM + size).checked_sub(self.buffer.len()) {
            self.buffer.reserve_exact(more);
            self.buffer.resize(HEAD_ROOM + size, 0);
        }
    }

    /// Sends the first bytes of the buffer behind a head.
    fn send(&mut self, head: &[u8], size: usize) -> Result<(), SessionError> {
        let start = HEAD_ROOM - head.len();
        self.make_room(size);
        self.buffer[start..HEAD_ROOM].copy_from_slice(head);
        self.wire.write(&self.buffer[start..HEAD_ROOM + size])?;
        self.traffic.bytes += to_u64(size);
        Ok(())
    }
}

/// A request in pieces that the buffer takes.
fn pieces(request: &Request) -> impl Iterator<Item = (u64, usize)> + use<> {
    let (offset, length) = (request.offset, size(request.length));
    (0..length)
        .step_by(BUFFER_SIZE)
        .map(move |start| (offset + to_u64(start), BUFFER_SIZE.min(length - start)))
}

/// What is still to be read of a request, and how.
#[derive(Debug)]
struct Remaining {
    offset: u64,
    end: u64,
    block_size: usize,
    /// How much to read at once. Where one block is corrupt the next ones often are: they are tried
    /// one by one, and then in ever larger pieces, so that little is read in vain.
    step: usize,
    /// Whether the block before `offset` could not be read, and the client knows.
    in_failure: bool,
    failed: bool,
    /// Whether the last byte has been sent.
    done: bool,
}

impl Remaining {
    fn new(request: &Request, block_size: u32) -> Remaining {
        Remaining {
            offset: request.offset,
            end: request.offset + u64::from(request.length),
            block_size: size(block_size),
            step: BUFFER_SIZE,
            in_failure: false,
            failed: false,
            done: false,
        }
    }

    fn piece(&self) -> usize {
        to_len((self.end - self.offset).min(to_u64(self.step)))
    }

    /// Some bytes were read, and are sent.
    fn advance(&mut self, read: usize) {
        self.offset += to_u64(read);
        self.step = (2 * self.step).min(BUFFER_SIZE);
        self.in_failure = false;
        self.done = self.offset == self.end;
    }

    /// The next block could not be read. Whether the client does not know yet.
    fn fail(&mut self) -> bool {
        let block_size = to_u64(self.block_size);
        // Up to the next block, as the request may begin anywhere.
        let next = (self.offset / block_size + 1).saturating_mul(block_size);
        self.offset = next.min(self.end);
        self.step = self.block_size;
        self.failed = true;
        !std::mem::replace(&mut self.in_failure, true)
    }
}

/// What a client is told of a failure: no more than it needs to know.
fn words(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidData => "a corrupt block",
        _ => "a block that cannot be read",
    }
}

/// A length of the protocol as the length of a buffer.
fn size(size: u32) -> usize {
    to_len(size.into())
}
