//! The messages of the NBD protocol, as far as a read-only server takes and sends them.
//!
//! Source: `doc/proto.md` of <https://github.com/NetworkBlockDevice/nbd>; the names are the ones
//! used there, less their `NBD_`. Every number is big-endian. Nothing here reads, writes or
//! allocates by a length that a client states: what is parsed is at hand, and what is written is
//! the server's own.

use byteorder::{BigEndian, ByteOrder};

use super::SessionError;
use super::limits::MAX_STRING;

const INIT_PASSWD: u64 = 0x4e42_444d_4147_4943;
const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

// Handshake flags, and client flags of the same meaning.
const FLAG_FIXED_NEWSTYLE: u16 = 1 << 0;
const FLAG_NO_ZEROES: u16 = 1 << 1;
const FLAG_C_NO_ZEROES: u32 = 1 << 1;
const KNOWN_CLIENT_FLAGS: u32 = 0b11;

// Transmission flags.
pub(super) const FLAG_HAS_FLAGS: u16 = 1 << 0;
pub(super) const FLAG_READ_ONLY: u16 = 1 << 1;
pub(super) const FLAG_SEND_DF: u16 = 1 << 7;
pub(super) const FLAG_CAN_MULTI_CONN: u16 = 1 << 8;

// Options.
pub(super) const OPT_EXPORT_NAME: u32 = 1;
pub(super) const OPT_ABORT: u32 = 2;
pub(super) const OPT_LIST: u32 = 3;
pub(super) const OPT_STARTTLS: u32 = 5;
pub(super) const OPT_INFO: u32 = 6;
pub(super) const OPT_GO: u32 = 7;
pub(super) const OPT_STRUCTURED_REPLY: u32 = 8;
pub(super) const OPT_LIST_META_CONTEXT: u32 = 9;
pub(super) const OPT_SET_META_CONTEXT: u32 = 10;

// Replies to options.
pub(super) const REP_ACK: u32 = 1;
pub(super) const REP_SERVER: u32 = 2;
pub(super) const REP_INFO: u32 = 3;
pub(super) const REP_META_CONTEXT: u32 = 4;
pub(super) const REP_ERR_UNSUP: u32 = (1 << 31) + 1;
pub(super) const REP_ERR_POLICY: u32 = (1 << 31) + 2;
pub(super) const REP_ERR_INVALID: u32 = (1 << 31) + 3;
pub(super) const REP_ERR_UNKNOWN: u32 = (1 << 31) + 6;

// Kinds of information.
const INFO_EXPORT: u16 = 0;
pub(super) const INFO_NAME: u16 = 1;
pub(super) const INFO_DESCRIPTION: u16 = 2;
pub(super) const INFO_BLOCK_SIZE: u16 = 3;

// Commands and their flags.
pub(super) const CMD_READ: u16 = 0;
pub(super) const CMD_WRITE: u16 = 1;
pub(super) const CMD_DISC: u16 = 2;
pub(super) const CMD_TRIM: u16 = 4;
pub(super) const CMD_WRITE_ZEROES: u16 = 6;
pub(super) const CMD_BLOCK_STATUS: u16 = 7;
pub(super) const CMD_FLAG_DF: u16 = 1 << 2;
pub(super) const CMD_FLAG_REQ_ONE: u16 = 1 << 3;

// Structured replies.
const REPLY_FLAG_DONE: u16 = 1 << 0;
const REPLY_TYPE_NONE: u16 = 0;
const REPLY_TYPE_OFFSET_DATA: u16 = 1;
const REPLY_TYPE_BLOCK_STATUS: u16 = 5;
const REPLY_TYPE_ERROR: u16 = (1 << 15) + 1;
const REPLY_TYPE_ERROR_OFFSET: u16 = (1 << 15) + 2;

// The metadata context that there is, and what it says of an extent.
pub(super) const ALLOCATION: &str = "base:allocation";
/// Our name for the context, once it is selected.
const ALLOCATION_ID: u32 = 1;
pub(super) const STATE_HOLE: u32 = 1 << 0;
pub(super) const STATE_ZERO: u32 = 1 << 1;

// Errors.
pub(super) const EPERM: u32 = 1;
pub(super) const EIO: u32 = 5;
pub(super) const EINVAL: u32 = 22;
pub(super) const EOVERFLOW: u32 = 75;

/// The first bytes of the server.
pub(super) fn greeting() -> [u8; 18] {
    let mut bytes = [0; 18];
    BigEndian::write_u64(&mut bytes[..8], INIT_PASSWD);
    BigEndian::write_u64(&mut bytes[8..16], IHAVEOPT);
    BigEndian::write_u16(&mut bytes[16..], FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
    bytes
}

/// The client's answer to the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientFlags {
    /// Whether it wants no zeroes behind the reply to `OPT_EXPORT_NAME`.
    pub(super) no_zeroes: bool,
}

impl ClientFlags {
    pub(super) fn parse(bytes: &[u8; 4]) -> Result<ClientFlags, SessionError> {
        let flags = BigEndian::read_u32(bytes);
        if flags & !KNOWN_CLIENT_FLAGS != 0 {
            return Err(SessionError::ClientFlags { flags });
        }
        Ok(ClientFlags { no_zeroes: flags & FLAG_C_NO_ZEROES != 0 })
    }
}

/// What comes before the data of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OptionHeader {
    pub(super) option: u32,
    /// How many bytes of data follow.
    pub(super) length: u32,
}

impl OptionHeader {
    pub(super) fn parse(bytes: &[u8; 16]) -> Result<OptionHeader, SessionError> {
        check_magic(BigEndian::read_u64(&bytes[..8]), IHAVEOPT)?;
        Ok(OptionHeader {
            option: BigEndian::read_u32(&bytes[8..12]),
            length: BigEndian::read_u32(&bytes[12..]),
        })
    }
}

/// The data of `OPT_INFO` and `OPT_GO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InfoRequest<'a> {
    pub(super) name: &'a [u8],
    kinds: &'a [u8],
}

impl<'a> InfoRequest<'a> {
    /// The request that these bytes are, no more and no less.
    pub(super) fn parse(data: &'a [u8]) -> Option<InfoRequest<'a>> {
        let (name, rest) = string(data)?;
        let (count, kinds) = rest.split_first_chunk()?;
        let whole = kinds.len() == 2 * usize::from(u16::from_be_bytes(*count));
        whole.then_some(InfoRequest { name, kinds })
    }

    /// Whether this kind of information is asked for.
    pub(super) fn asks_for(&self, kind: u16) -> bool {
        self.kinds.chunks_exact(2).any(|bytes| bytes == kind.to_be_bytes())
    }
}

/// The data of `OPT_LIST_META_CONTEXT` and `OPT_SET_META_CONTEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContextRequest<'a> {
    pub(super) name: &'a [u8],
    pub(super) queries: Vec<&'a [u8]>,
}

impl<'a> ContextRequest<'a> {
    /// The request that these bytes are, no more and no less.
    pub(super) fn parse(data: &'a [u8]) -> Option<ContextRequest<'a>> {
        let (name, rest) = string(data)?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = u32::from_be_bytes(*count);
        let mut queries = Vec::new();
        // Each takes bytes of what is at hand, whatever the count.
        while !rest.is_empty() {
            let (query, behind) = string(rest)?;
            queries.push(query);
            rest = behind;
        }
        (u32::try_from(queries.len()) == Ok(count)).then_some(ContextRequest { name, queries })
    }
}

/// A string behind its length, and what follows.
fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length).filter(|_| length <= MAX_STRING)
}

/// One reply to an option.
pub(super) fn option_reply(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(length(data.len()).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The data of `REP_SERVER`.
pub(super) fn list_entry(name: &str, description: &str) -> Vec<u8> {
    let mut bytes = length(name.len()).to_be_bytes().to_vec();
    bytes.extend(name.as_bytes());
    bytes.extend(description.as_bytes());
    bytes
}

/// The data of `REP_META_CONTEXT`. In a list the number is reserved.
pub(super) fn context(selected: bool) -> Vec<u8> {
    let id = if selected { ALLOCATION_ID } else { 0 };
    [&id.to_be_bytes()[..], ALLOCATION.as_bytes()].concat()
}

/// The data of `REP_INFO`: size and transmission flags.
pub(super) fn info_export(size: u64, flags: u16) -> Vec<u8> {
    let mut bytes = INFO_EXPORT.to_be_bytes().to_vec();
    bytes.extend(size.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes
}

/// The data of `REP_INFO`: the name or the description.
pub(super) fn info_text(kind: u16, text: &str) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// The data of `REP_INFO`: how requests should be cut, in bytes.
pub(super) fn info_block_size(minimum: u32, preferred: u32, maximum: u32) -> Vec<u8> {
    let mut bytes = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
    bytes.extend([minimum, preferred, maximum].map(u32::to_be_bytes).as_flattened());
    bytes
}

/// The reply to `OPT_EXPORT_NAME`, which is unlike all others.
pub(super) fn export_reply(size: u64, flags: u16, client: ClientFlags) -> Vec<u8> {
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    if !client.no_zeroes {
        bytes.extend([0; 124]);
    }
    bytes
}

/// What a client asks for in the transmission phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) flags: u16,
    pub(super) command: u16,
    /// The client's name for the request.
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl Request {
    pub(super) fn parse(bytes: &[u8; 28]) -> Result<Request, SessionError> {
        check_magic(BigEndian::read_u32(&bytes[..4]), REQUEST_MAGIC)?;
        Ok(Request {
            flags: BigEndian::read_u16(&bytes[4..6]),
            command: BigEndian::read_u16(&bytes[6..8]),
            cookie: BigEndian::read_u64(&bytes[8..16]),
            offset: BigEndian::read_u64(&bytes[16..24]),
            length: BigEndian::read_u32(&bytes[24..]),
        })
    }
}

/// A simple reply; the data of a successful read follows.
pub(super) fn simple_reply(cookie: u64, error: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    BigEndian::write_u32(&mut bytes[..4], SIMPLE_REPLY_MAGIC);
    BigEndian::write_u32(&mut bytes[4..8], error);
    BigEndian::write_u64(&mut bytes[8..], cookie);
    bytes
}

/// What comes before `size` bytes of data from `offset` on, in a structured reply.
pub(super) fn data_chunk(cookie: u64, offset: u64, size: u32, done: bool) -> [u8; 28] {
    let mut bytes = [0; 28];
    let length = size.saturating_add(8);
    bytes[..20].copy_from_slice(&chunk(cookie, REPLY_TYPE_OFFSET_DATA, length, done));
    BigEndian::write_u64(&mut bytes[20..], offset);
    bytes
}

/// The only chunk of a reply on the status of blocks: a length and flags for each extent.
pub(super) fn status_chunk(cookie: u64, extents: &[(u32, u32)]) -> Vec<u8> {
    let size = 4 + 8 * extents.len();
    let mut bytes = chunk(cookie, REPLY_TYPE_BLOCK_STATUS, length(size), true).to_vec();
    bytes.extend(ALLOCATION_ID.to_be_bytes());
    for (length, flags) in extents {
        bytes.extend(length.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
    }
    bytes
}

/// The last chunk of a structured reply; all data and errors came before it.
pub(super) fn end_chunk(cookie: u64) -> [u8; 20] {
    chunk(cookie, REPLY_TYPE_NONE, 0, true)
}

/// A failure in a structured reply: of the bytes from `offset` on, or of the whole request.
pub(super) fn error_chunk(
    cookie: u64,
    error: u32,
    words: &'static str,
    offset: Option<u64>,
    done: bool,
) -> Vec<u8> {
    let mut payload = error.to_be_bytes().to_vec();
    payload.extend(u16::try_from(words.len()).unwrap_or(u16::MAX).to_be_bytes());
    payload.extend(words.as_bytes());
    payload.extend(offset.map(u64::to_be_bytes).as_slice().as_flattened());
    let kind = if offset.is_some() { REPLY_TYPE_ERROR_OFFSET } else { REPLY_TYPE_ERROR };
    let mut bytes = chunk(cookie, kind, length(payload.len()), done).to_vec();
    bytes.extend(payload);
    bytes
}

fn chunk(cookie: u64, kind: u16, length: u32, done: bool) -> [u8; 20] {
    let mut bytes = [0; 20];
    BigEndian::write_u32(&mut bytes[..4], STRUCTURED_REPLY_MAGIC);
    BigEndian::write_u16(&mut bytes[4..6], if done { REPLY_FLAG_DONE } else { 0 });
    BigEndian::write_u16(&mut bytes[6..8], kind);
    BigEndian::write_u64(&mut bytes[8..16], cookie);
    BigEndian::write_u32(&mut bytes[16..], length);
    bytes
}

/// The length of something of our own, which is short.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn check_magic<N: Into<u64>>(found: N, expected: N) -> Result<(), SessionError> {
    let (found, expected) = (found.into(), expected.into());
    if found == expected { Ok(()) } else { Err(SessionError::Magic { expected, found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use verity_testdata::nbd;

    use super::*;

    #[test]
    fn the_greeting_is_fixed_newstyle_without_zeroes() {
        assert_eq!(&greeting(), b"NBDMAGICIHAVEOPT\x00\x03");
    }

    #[test]
    fn client_flags_are_known_ones() {
        for (flags, no_zeroes) in [(0, false), (1, false), (2, true), (3, true)] {
            let parsed = ClientFlags::parse(&u32::to_be_bytes(flags)).unwrap();
            assert_eq!(parsed, ClientFlags { no_zeroes });
        }
        for bit in 2..32 {
            assert!(ClientFlags::parse(&u32::to_be_bytes(1 | 1 << bit)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn replies_to_options_name_the_option() {
        let reply = option_reply(OPT_GO, REP_ERR_UNKNOWN, b"ab");
        let magic = b"\x00\x03\xe8\x89\x04\x55\x65\xa9";
        let rest = b"\x00\x00\x00\x07\x80\x00\x00\x06\x00\x00\x00\x02ab";
        assert_eq!(reply, [&magic[..], rest].concat());
        assert_eq!(list_entry("ab", "words"), b"\x00\x00\x00\x02abwords");
    }

    #[test]
    fn information_begins_with_its_kind() {
        assert_eq!(
            info_export(0x0102, 0x0103),
            b"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x01\x03"
        );
        assert_eq!(info_text(INFO_NAME, "ab"), b"\x00\x01ab");
        assert_eq!(info_text(INFO_DESCRIPTION, ""), b"\x00\x02");
        let sizes = info_block_size(1, 4096, MAX);
        assert_eq!(sizes, b"\x00\x03\x00\x00\x00\x01\x00\x00\x10\x00\x02\x00\x00\x00");
    }

    const MAX: u32 = crate::nbd::MAX_REQUEST;

    #[test]
    fn the_old_reply_has_124_zeroes_or_none() {
        let reply = |no_zeroes| export_reply(5, 0x0103, ClientFlags { no_zeroes });
        assert_eq!(reply(true), b"\x00\x00\x00\x00\x00\x00\x00\x05\x01\x03");
        assert_eq!(reply(false), [&reply(true)[..], &[0; 124]].concat());
    }

    #[test]
    fn simple_replies_have_error_and_cookie() {
        let reply = b"\x67\x44\x66\x98\x00\x00\x00\x05\x01\x02\x03\x04\x05\x06\x07\x08";
        assert_eq!(&simple_reply(0x0102_0304_0506_0708, EIO), reply);
    }

    #[test]
    fn chunks_have_type_cookie_and_length() {
        let data = data_chunk(7, 0x1000, 512, true);
        let head =
            b"\x66\x8e\x33\xef\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x02\x08";
        assert_eq!(data[..20], *head);
        assert_eq!(data[20..], 0x1000_u64.to_be_bytes());
        assert_eq!(data_chunk(7, 0, 1, false)[4..6], [0, 0]);

        let end =
            b"\x66\x8e\x33\xef\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00";
        assert_eq!(&end_chunk(7), end);

        let error = error_chunk(7, EINVAL, "no", None, true);
        assert_eq!(error[4..8], *b"\x00\x01\x80\x01");
        assert_eq!(error[16..], *b"\x00\x00\x00\x08\x00\x00\x00\x16\x00\x02no");
        let error = error_chunk(7, EIO, "no", Some(9), false);
        assert_eq!(error[4..8], *b"\x00\x00\x80\x02");
        let payload = b"\x00\x00\x00\x10\x00\x00\x00\x05\x00\x02no\x00\x00\x00\x00\x00\x00\x00\x09";
        assert_eq!(error[16..], *payload);
    }

    #[test]
    fn the_status_of_blocks_is_one_chunk_of_our_context() {
        let status = status_chunk(7, &[(4096, STATE_HOLE | STATE_ZERO), (512, 0)]);
        assert_eq!(status[4..8], *b"\x00\x01\x00\x05");
        let extents = b"\x00\x00\x10\x00\x00\x00\x00\x03\x00\x00\x02\x00\x00\x00\x00\x00";
        assert_eq!(status[16..], [&b"\x00\x00\x00\x14\x00\x00\x00\x01"[..], extents].concat());
        assert_eq!(context(true), b"\x00\x00\x00\x01base:allocation");
        assert_eq!(context(false), b"\x00\x00\x00\x00base:allocation");
    }

    proptest! {
        #[test]
        fn contexts_are_asked_for_as_it_was_written(
            name in ".{0,40}", queries in prop::collection::vec(".{0,20}", 0..9),
        ) {
            let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
            let data = nbd::contexts(&name, &queries);
            let parsed = ContextRequest::parse(&data).unwrap();
            prop_assert_eq!(parsed.name, name.as_bytes());
            let written = queries.iter().map(|query| query.as_bytes());
            prop_assert!(parsed.queries.iter().copied().eq(written));
            for length in 0..data.len() {
                prop_assert!(ContextRequest::parse(&data[..length]).is_none(), "cut off");
            }
            prop_assert!(ContextRequest::parse(&[&data[..], &[0; 4]].concat()).is_none());
        }

        #[test]
        fn no_bytes_make_a_request_for_contexts_panic(
            data in prop::collection::vec(prop_oneof![Just(0), 0..5_u8, any::<u8>()], 0..60),
        ) {
            if let Some(request) = ContextRequest::parse(&data) {
                let queries = request.queries.iter().map(|query| 4 + query.len()).sum::<usize>();
                prop_assert_eq!(data.len(), 8 + request.name.len() + queries);
            }
        }

        #[test]
        fn requests_are_read_as_they_were_written(
            flags: u16, command: u16, cookie: u64, offset: u64, length: u32, bit in 0..32_usize,
        ) {
            let mut bytes = nbd::request(flags, command, cookie, offset, length);
            let parsed = Request::parse(bytes.first_chunk().unwrap()).unwrap();
            prop_assert_eq!(parsed, Request { flags, command, cookie, offset, length });
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Request::parse(bytes.first_chunk().unwrap()).is_err(), "another magic");
        }

        #[test]
        fn options_are_read_as_they_were_written(
            option: u32, data in prop::collection::vec(any::<u8>(), 0..50), bit in 0..64_usize,
        ) {
            let mut bytes = nbd::option(option, &data);
            let parsed = OptionHeader::parse(bytes.first_chunk().unwrap()).unwrap();
            prop_assert_eq!(parsed, OptionHeader { option, length: length(data.len()) });
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(OptionHeader::parse(bytes.first_chunk().unwrap()).is_err());
        }

        #[test]
        fn information_is_asked_for_as_it_was_written(
            name in ".{0,40}", kinds in prop::collection::vec(0..6_u16, 0..9),
        ) {
            let data = nbd::info(&name, &kinds);
            let parsed = InfoRequest::parse(&data).unwrap();
            prop_assert_eq!(parsed.name, name.as_bytes());
            for kind in 0..6 {
                prop_assert_eq!(parsed.asks_for(kind), kinds.contains(&kind));
            }
            for length in 0..data.len() {
                prop_assert!(InfoRequest::parse(&data[..length]).is_none(), "cut off");
            }
            prop_assert!(InfoRequest::parse(&[&data[..], &[0]].concat()).is_none(), "too long");
        }

        #[test]
        fn no_bytes_make_a_request_for_information_panic(
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Some(request) = InfoRequest::parse(&data) {
                prop_assert_eq!(data.len(), 6 + request.name.len() + request.kinds.len());
            }
        }
    }
}
