//! A client of the NBD protocol, written from `doc/proto.md` of
//! <https://github.com/NetworkBlockDevice/nbd> and from nothing else: it shares no line with the
//! server that it tests.
//!
//! What a server must never send, such as a wrong magic number, is a panic here.

use std::io::{self, Read, Write};

use crate::number::{to_len, to_u64};

/// Client flags: fixed newstyle, and no zeros after `EXPORT_NAME`.
pub const USUAL_FLAGS: u32 = 3;

/// Option: begins to use an export, in the old way.
pub const EXPORT_NAME: u32 = 1;
/// Ends the handshake.
pub const ABORT: u32 = 2;
/// Asks for the names of all exports.
pub const LIST: u32 = 3;
/// Asks for encryption.
pub const STARTTLS: u32 = 5;
/// Asks for facts about an export.
pub const INFO: u32 = 6;
/// Asks for facts about an export and begins to use it.
pub const GO: u32 = 7;
/// Asks for structured replies.
pub const STRUCTURED_REPLY: u32 = 8;

/// Asks which metadata contexts there are.
pub const LIST_META_CONTEXT: u32 = 9;
/// Selects metadata contexts.
pub const SET_META_CONTEXT: u32 = 10;

/// The last reply to an option that was accepted.
pub const ACK: u32 = 1;
/// An error among the replies to options has this bit.
pub const REPLY_ERROR: u32 = 1 << 31;

/// Command: reads.
pub const READ: u16 = 0;
/// Writes the data that follows.
pub const WRITE: u16 = 1;
/// Ends the session.
pub const DISC: u16 = 2;
/// Asks for the status of blocks.
pub const BLOCK_STATUS: u16 = 7;

/// Command flag: the data in one piece.
pub const DF: u16 = 4;
/// Command flag: one extent only.
pub const REQ_ONE: u16 = 8;

/// The client's answer to the greeting.
#[must_use]
pub fn hello(flags: u32) -> Vec<u8> {
    flags.to_be_bytes().to_vec()
}

/// An option with its data.
#[must_use]
pub fn option(option: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"IHAVEOPT".to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(short(data.len()).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The data of [`INFO`] and [`GO`].
///
/// # Panics
/// If it asks for more kinds than can be counted.
#[must_use]
pub fn info(name: &str, kinds: &[u16]) -> Vec<u8> {
    let mut bytes = short(name.len()).to_be_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes.extend(u16::try_from(kinds.len()).expect("few kinds").to_be_bytes());
    bytes.extend(kinds.iter().flat_map(|kind| kind.to_be_bytes()));
    bytes
}

/// The data of [`LIST_META_CONTEXT`] and [`SET_META_CONTEXT`].
#[must_use]
pub fn contexts(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut bytes = short(name.len()).to_be_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes.extend(short(queries.len()).to_be_bytes());
    for query in queries {
        bytes.extend(short(query.len()).to_be_bytes());
        bytes.extend(query.as_bytes());
    }
    bytes
}

/// A request, less the data of a write.
#[must_use]
pub fn request(flags: u16, command: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// Everything up to the transmission phase of the export without a name.
#[must_use]
pub fn opening(structured: bool) -> Vec<u8> {
    let mut bytes = hello(USUAL_FLAGS);
    if structured {
        bytes.extend(option(STRUCTURED_REPLY, &[]));
    }
    bytes.extend(option(GO, &info("", &[])));
    bytes
}

/// Reads the greeting; returns the handshake flags.
///
/// # Errors
/// When the connection ends.
///
/// # Panics
/// If the bytes are something else.
pub fn read_greeting(server: &mut impl Read) -> io::Result<u16> {
    let bytes: [u8; 18] = read(server)?;
    assert_eq!(&bytes[..16], b"NBDMAGICIHAVEOPT");
    Ok(u16::from_be_bytes([bytes[16], bytes[17]]))
}

/// A reply to an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionReply {
    /// The option.
    pub option: u32,
    /// The kind of reply.
    pub kind: u32,
    /// The data of the reply.
    pub data: Vec<u8>,
}

impl OptionReply {
    /// Reads one reply.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If the bytes are something else, or longer than any reply.
    pub fn read(server: &mut impl Read) -> io::Result<OptionReply> {
        assert_eq!(u64::from_be_bytes(read(server)?), 0x0003_e889_0455_65a9);
        let option = u32::from_be_bytes(read(server)?);
        let kind = u32::from_be_bytes(read(server)?);
        let data = read_counted(server)?;
        Ok(OptionReply { option, kind, data })
    }

    /// Reads all replies to an option.
    ///
    /// # Errors
    /// As [`OptionReply::read`].
    ///
    /// # Panics
    /// As [`OptionReply::read`].
    pub fn read_all(server: &mut impl Read) -> io::Result<Vec<OptionReply>> {
        let mut replies = Vec::new();
        loop {
            let reply = OptionReply::read(server)?;
            let is_last = reply.kind == ACK || reply.kind & REPLY_ERROR != 0;
            replies.push(reply);
            if is_last {
                return Ok(replies);
            }
        }
    }
}

/// Reads the head of a simple reply; returns the cookie and the error.
///
/// # Errors
/// When the connection ends.
///
/// # Panics
/// If the bytes are something else.
pub fn read_simple(server: &mut impl Read) -> io::Result<(u64, u32)> {
    assert_eq!(u32::from_be_bytes(read(server)?), 0x6744_6698);
    let error = u32::from_be_bytes(read(server)?);
    Ok((u64::from_be_bytes(read(server)?), error))
}

/// A part of a structured reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Data, and where it lies.
    Data {
        /// The place of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The status of blocks.
    Status {
        /// The metadata context.
        context: u32,
        /// Length and flags of each extent.
        extents: Vec<(u32, u32)>,
    },
    /// A failure.
    Error {
        /// The number of the error.
        error: u32,
        /// Where, if it is not the whole request.
        offset: Option<u64>,
    },
}

/// Reads all chunks of a structured reply to the request of that cookie.
///
/// # Errors
/// When the connection ends.
///
/// # Panics
/// If it is something else, or chunks have a form that the protocol does not allow.
pub fn read_structured(server: &mut impl Read, cookie: u64) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    loop {
        assert_eq!(u32::from_be_bytes(read(server)?), 0x668e_33ef);
        let flags = u16::from_be_bytes(read(server)?);
        let kind = u16::from_be_bytes(read(server)?);
        assert!(flags <= 1, "chunk flags {flags:#x}");
        assert_eq!(u64::from_be_bytes(read(server)?), cookie);
        let payload = read_counted(server)?;
        match kind {
            0 => assert!(payload.is_empty() && flags == 1),
            1 => {
                let (offset, bytes) = payload.split_first_chunk().expect("an offset");
                assert!(!bytes.is_empty(), "a chunk of no data");
                let offset = u64::from_be_bytes(*offset);
                pieces.push(Piece::Data { offset, bytes: bytes.to_vec() });
            }
            5 => pieces.push(status(&payload)),
            0x8001 | 0x8002 => pieces.push(error(&payload, kind == 0x8002)),
            _ => panic!("a chunk of type {kind}"),
        }
        if flags == 1 {
            return Ok(pieces);
        }
    }
}

fn status(payload: &[u8]) -> Piece {
    let (context, extents) = payload.split_first_chunk().expect("a context");
    let (extents, rest) = extents.as_chunks::<8>();
    assert!(rest.is_empty() && !extents.is_empty(), "no whole extents");
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let extents = extents.iter().map(|bytes| (number(&bytes[..4]), number(&bytes[4..]))).collect();
    Piece::Status { context: u32::from_be_bytes(*context), extents }
}

fn error(payload: &[u8], with_offset: bool) -> Piece {
    let (error, rest) = payload.split_first_chunk().expect("an error");
    let (length, rest) = rest.split_first_chunk().expect("a length");
    let (words, rest) = rest.split_at(u16::from_be_bytes(*length).into());
    std::str::from_utf8(words).expect("UTF-8");
    let error = u32::from_be_bytes(*error);
    assert_ne!(error, 0);
    let offset = with_offset.then(|| u64::from_be_bytes(rest.try_into().expect("an offset")));
    assert!(with_offset || rest.is_empty());
    Piece::Error { error, offset }
}

/// A client in the transmission phase.
#[derive(Debug)]
pub struct Client<S> {
    /// The connection.
    pub stream: S,
    structured: bool,
    cookie: u64,
}

impl<S: Read + Write> Client<S> {
    /// Agrees with a server on its export without a name.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If it refuses.
    pub fn connect(mut stream: S, structured: bool) -> io::Result<Client<S>> {
        read_greeting(&mut stream)?;
        stream.write_all(&opening(structured))?;
        for _ in 0..=u8::from(structured) {
            let replies = OptionReply::read_all(&mut stream)?;
            assert_eq!(replies.last().map(|reply| reply.kind), Some(ACK), "{replies:?}");
        }
        Ok(Client { stream, structured, cookie: 0x1234_5678_9abc_def0 })
    }

    /// Agrees with a server on structured replies and on `base:allocation`, then on its export
    /// without a name.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If it refuses.
    pub fn connect_for_status(mut stream: S) -> io::Result<Client<S>> {
        read_greeting(&mut stream)?;
        stream.write_all(&hello(USUAL_FLAGS))?;
        stream.write_all(&option(STRUCTURED_REPLY, &[]))?;
        stream.write_all(&option(SET_META_CONTEXT, &contexts("", &["base:allocation"])))?;
        stream.write_all(&option(GO, &info("", &[])))?;
        for count in [1, 2, 2] {
            let replies = OptionReply::read_all(&mut stream)?;
            assert_eq!(replies.last().map(|reply| reply.kind), Some(ACK), "{replies:?}");
            assert_eq!(replies.len(), count, "{replies:?}");
        }
        Ok(Client { stream, structured: true, cookie: 0x0fed_cba9_8765_4321 })
    }

    /// Asks for the status of blocks. Returns the extents, or the number of the error.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If the reply is something else, or goes beyond what was asked for.
    pub fn status(
        &mut self,
        flags: u16,
        offset: u64,
        length: u32,
    ) -> io::Result<Result<Vec<(u32, u32)>, u32>> {
        let cookie = self.send(flags, BLOCK_STATUS, offset, length, &[])?;
        match &read_structured(&mut self.stream, cookie)?[..] {
            [Piece::Status { context: 1, extents }] => {
                let sum: u64 = extents.iter().map(|(length, _)| u64::from(*length)).sum();
                assert!(extents.iter().all(|(length, _)| *length > 0), "{extents:?}");
                assert!(sum <= u64::from(length), "{extents:?}");
                assert!(flags & REQ_ONE == 0 || extents.len() == 1, "{extents:?}");
                Ok(Ok(extents.clone()))
            }
            [Piece::Error { error, .. }] => Ok(Err(*error)),
            pieces => panic!("{pieces:?}"),
        }
    }

    /// Sends a request and what follows it; returns its cookie.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn send(
        &mut self,
        flags: u16,
        command: u16,
        offset: u64,
        length: u32,
        data: &[u8],
    ) -> io::Result<u64> {
        self.cookie = self.cookie.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.stream.write_all(&request(flags, command, self.cookie, offset, length))?;
        self.stream.write_all(data)?;
        Ok(self.cookie)
    }

    /// Reads. Returns all of the bytes, or the number of the first error.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If the pieces of the reply overlap, lie outside, or leave something out without an error.
    pub fn read(&mut self, offset: u64, length: u32) -> io::Result<Result<Vec<u8>, u32>> {
        let cookie = self.send(0, READ, offset, length, &[])?;
        if !self.structured {
            let (replied, error) = read_simple(&mut self.stream)?;
            assert_eq!(replied, cookie);
            if error != 0 {
                return Ok(Err(error));
            }
            return read_bytes(&mut self.stream, length).map(Ok);
        }
        let mut all = Vec::new();
        let mut failure = None;
        for piece in read_structured(&mut self.stream, cookie)? {
            match piece {
                Piece::Data { offset: at, bytes } if failure.is_none() => {
                    assert_eq!(at - offset, to_u64(all.len()), "a gap without an error");
                    all.extend(bytes);
                }
                Piece::Data { .. } => {}
                Piece::Error { error, .. } => failure = failure.or(Some(error)),
                Piece::Status { .. } => panic!("a status in a read"),
            }
        }
        assert!(failure.is_some() || all.len() == to_len(length.into()), "{} bytes", all.len());
        Ok(failure.map_or(Ok(all), Err))
    }

    /// Reads. Returns the pieces of the reply.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If they have a form that the protocol does not allow.
    pub fn read_pieces(&mut self, flags: u16, offset: u64, length: u32) -> io::Result<Vec<Piece>> {
        let cookie = self.send(flags, READ, offset, length, &[])?;
        read_structured(&mut self.stream, cookie)
    }

    /// Sends any other command. Returns the number of the error, or 0.
    ///
    /// # Errors
    /// When the connection ends.
    ///
    /// # Panics
    /// If the reply has data.
    pub fn command(
        &mut self,
        flags: u16,
        command: u16,
        offset: u64,
        length: u32,
        data: &[u8],
    ) -> io::Result<u32> {
        let cookie = self.send(flags, command, offset, length, data)?;
        if !self.structured {
            let (replied, error) = read_simple(&mut self.stream)?;
            assert_eq!(replied, cookie);
            return Ok(error);
        }
        match read_structured(&mut self.stream, cookie)?[..] {
            [] => Ok(0),
            [Piece::Error { error, .. }] => Ok(error),
            ref pieces => panic!("{pieces:?}"),
        }
    }
}

/// Reads this many bytes.
///
/// # Errors
/// When the connection ends.
///
/// # Panics
/// If they are more than any reply has.
pub fn read_bytes(server: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    assert!(length <= 33 << 20, "{length} bytes");
    let mut bytes = vec![0; to_len(length.into())];
    server.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads a length and that many bytes.
fn read_counted(server: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(read(server)?);
    read_bytes(server, length)
}

fn read<const N: usize>(server: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    server.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn short(length: usize) -> u32 {
    u32::try_from(length).expect("a short length")
}
