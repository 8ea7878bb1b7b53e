//! The NBD server. Input: the bytes that a client sends before it disconnects.
//!
//! The server serves a small image through a verified reader. Two data blocks are corrupt, and so
//! is a hash block, so that the data blocks below it cannot be proved.
//!
//! Invariants under test, against a model of the client that is written from the protocol's
//! document:
//! - no input panics; a session that ends badly says so in one short printable line;
//! - every byte of the output belongs to a reply that the client expects at that place;
//! - every byte of data is the image's, from a block that can be proved; other blocks are never
//!   sent;
//! - a request that makes sense gets all of its good blocks, and errors at just the places of the
//!   bad ones, or (in one piece) all or nothing; one that makes no sense, or would write, gets an
//!   error and no data;
//! - the status of blocks is told to clients that agreed on it alone, and just the blocks that can
//!   be proved to be zero are said to be.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{LazyLock, Mutex};

use verity::internals::{to_len, to_u64};
use verity::nbd::{Export, MAX_OPTION_BYTES, MAX_OPTIONS, MAX_REQUEST, SessionError, Traffic};
use verity::{BlockSize, Builder, HashArea, Params, TrustedParams, VerifiedReader};
use verity_testdata::nbd::{self as client, OptionReply, Piece};
use verity_testdata::pattern;

use crate::message;

const BLOCK: u64 = 512;
const BLOCKS: u64 = 40;
const SIZE: u64 = BLOCK * BLOCKS;
const NAME: &str = "disk";
/// Two data blocks, and those below a hash block of 16 digests.
const BAD: [u64; 10] = [5, 6, 32, 33, 34, 35, 36, 37, 38, 39];
/// Blocks of zeros, of which the last two cannot be proved.
const ZEROS: [u64; 5] = [20, 21, 31, 32, 33];

type Reader = VerifiedReader<Vec<u8>, Vec<u8>>;

static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(image);
static EXPORT: LazyLock<Export<Reader>> = LazyLock::new(export);

fn image() -> Vec<u8> {
    let mut image = pattern::sha256_stream(40 * 512);
    for block in ZEROS {
        let start = to_len(block * BLOCK);
        image[start..start + to_len(BLOCK)].fill(0);
    }
    image
}

fn export() -> Export<Reader> {
    let block_size = BlockSize::new(512).expect("a block size");
    let params = Params::builder()
        .data_size(SIZE)
        .data_block_size(block_size)
        .hash_block_size(block_size)
        .build()
        .expect("valid parameters");
    let area = HashArea::new(&params, 0, false).expect("an area at 0");
    let hash = Mutex::new(Vec::new());
    let root_hash = Builder::new(&params).build(&*IMAGE, &hash, &area).expect("a tree");
    let mut image = IMAGE.clone();
    image[5 * 512] ^= 1;
    image[7 * 512 - 1] ^= 0x80;
    let mut hash = hash.into_inner().expect("no panic");
    // Level 0 begins in the second block; this is its last one.
    hash[3 * 512] ^= 1;
    let trusted = TrustedParams::pinned(params, root_hash, area).expect("a root hash");
    let reader = Reader::new(trusted, image, hash).expect("all blocks");
    let export = Export::new(reader).expect("a length").name(NAME).expect("a name");
    export.block_size(block_size)
}

/// What came of a session.
#[derive(Debug)]
pub struct Served {
    /// How the session ended.
    pub result: Result<(), SessionError>,
    /// What the client asked for.
    pub traffic: Traffic,
    /// What the client was sent.
    pub output: Vec<u8>,
}

/// Serves a client that sends these bytes and disconnects.
pub fn serve(data: &[u8]) -> Served {
    let (mut output, mut traffic) = (Vec::new(), Traffic::default());
    let result = verity::nbd::negotiate(&EXPORT, data, &mut output).and_then(|session| {
        let Some(mut session) = session else { return Ok(()) };
        let result = session.serve();
        traffic = session.traffic();
        result
    });
    Served { result, traffic, output }
}

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let served = serve(data);
    if let Err(error) = &served.result {
        message::check(error);
    }
    let output = &*served.output;
    let mut model = Model { input: data, output, structured: false, allocation: false };
    model.session();
    assert!(model.output.is_empty(), "{} bytes that nobody asked for", model.output.len());
}

/// Sessions of many kinds.
pub fn seeds() -> Vec<Vec<u8>> {
    let read = |flags, offset, length| client::request(flags, client::READ, 1, offset, length);
    let status =
        |flags, offset, length| client::request(flags, client::BLOCK_STATUS, 5, offset, length);
    let disc = client::request(0, client::DISC, 2, 0, 0);
    let last = SIZE - 1;
    let requests = [
        vec![read(0, 0, 512)],
        vec![read(0, 100, 2000), read(0, last, 1), disc.clone()],
        vec![read(0, 0, 20480), read(0, 2400, 1200), read(0, 15000, 5000)],
        vec![read(0, 2560, 512), read(0, SIZE, 1), read(0, u64::MAX, u32::MAX)],
        vec![client::request(0, client::WRITE, 3, 0, 4), vec![1; 4], read(0, 512, 512), disc],
        (3..8).map(|command| client::request(0, command, 4, 0, 512)).collect(),
        vec![status(0, 0, 20480), status(8, 10500, 300), status(8, 0, 20481), status(4, 0, 0)],
    ];
    let mut seeds = Vec::new();
    let hello = client::hello(client::USUAL_FLAGS);
    let structured = client::option(client::STRUCTURED_REPLY, &[]);
    let contexts = client::contexts("", &["base:", "base:allocation"]);
    let [list_contexts, set_contexts] = [client::LIST_META_CONTEXT, client::SET_META_CONTEXT]
        .map(|option| client::option(option, &contexts));
    let with_status = [
        &*hello,
        &structured,
        &list_contexts,
        &set_contexts,
        &client::option(client::GO, &client::info("", &[])),
    ]
    .concat();
    for requests in requests {
        let openings = [client::opening(false), client::opening(true), with_status.clone()];
        seeds.extend(openings.map(|opening| [opening, requests.concat()].concat()));
    }
    let go = client::option(client::GO, &client::info(NAME, &[0, 1, 2, 3]));
    let info = client::option(client::INFO, &client::info("", &[3]));
    let unknown = [client::option(client::STARTTLS, &[]), client::option(11, &[0; 8])].concat();
    let list = client::option(client::LIST, &[]);
    let whole = read(client::DF, 3000, 2000);
    seeds.push([&*hello, &list, &info, &structured, &unknown, &go, &whole, &whole].concat());
    let old = client::option(client::EXPORT_NAME, NAME.as_bytes());
    seeds.push([&*client::hello(1), &old, &read(0, 0, 512)].concat());
    seeds.push([&*hello, &structured, &old, &whole].concat());
    seeds
}

/// What a client that sent the input must read in the output.
struct Model<'a> {
    input: &'a [u8],
    output: &'a [u8],
    structured: bool,
    /// Whether the status of blocks may be asked for.
    allocation: bool,
}

/// A request as the model reads it.
struct Asked {
    flags: u16,
    command: u16,
    cookie: u64,
    offset: u64,
    length: u32,
}

impl Model<'_> {
    /// The next bytes of the input, if they are all there.
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.input.split_first_chunk()?;
        self.input = rest;
        Some(*bytes)
    }

    fn skip(&mut self, length: u32) -> Option<&[u8]> {
        let (bytes, rest) = self.input.split_at_checked(to_len(length.into()))?;
        self.input = rest;
        Some(bytes)
    }

    /// Follows the session up to the point where the server must end it.
    fn session(&mut self) -> Option<()> {
        let flags = client::read_greeting(&mut self.output).expect("a greeting");
        assert_eq!(flags, 3);
        let hello = u32::from_be_bytes(self.take()?);
        if hello > 3 {
            return None;
        }
        for _ in 0..MAX_OPTIONS {
            if self.option(hello)? {
                while self.request().is_some() {}
                return None;
            }
        }
        None
    }

    /// Follows one option. Returns whether requests come next.
    fn option(&mut self, hello: u32) -> Option<bool> {
        if self.take()? != *b"IHAVEOPT" {
            return None;
        }
        let option = u32::from_be_bytes(self.take()?);
        let length = u32::from_be_bytes(self.take()?);
        if length > MAX_OPTION_BYTES {
            return None;
        }
        let data = self.skip(length)?.to_vec();
        if option == client::EXPORT_NAME {
            return self.export_name(hello, &data);
        }
        let replies = OptionReply::read_all(&mut self.output).expect("a reply");
        assert!(replies.iter().all(|reply| reply.option == option), "{replies:?}");
        let accepted = replies.last().is_some_and(|reply| reply.kind == client::ACK);
        let expected = match option {
            client::ABORT => true,
            client::LIST | client::STRUCTURED_REPLY => data.is_empty(),
            client::INFO | client::GO => makes_sense(&data),
            client::LIST_META_CONTEXT | client::SET_META_CONTEXT => {
                self.structured && contexts(&data).is_some()
            }
            _ => false,
        };
        if option == client::SET_META_CONTEXT {
            self.allocation = accepted
                && contexts(&data).is_some_and(|names| names.contains(&&b"base:allocation"[..]));
            assert_eq!(replies.len(), 1 + usize::from(self.allocation), "{replies:?}");
        }
        assert_eq!(accepted, expected, "option {option}");
        self.structured |= accepted && option == client::STRUCTURED_REPLY;
        (option != client::ABORT).then_some(accepted && option == client::GO)
    }

    fn export_name(&mut self, hello: u32, name: &[u8]) -> Option<bool> {
        if !is_known(name) {
            return None;
        }
        let length = if hello & 2 == 0 { 134 } else { 10 };
        let reply = client::read_bytes(&mut self.output, length).expect("a reply");
        assert_eq!(reply[..8], SIZE.to_be_bytes());
        assert!(reply[10..].iter().all(|&byte| byte == 0));
        Some(true)
    }

    /// Follows one request; `None` if there are no more.
    fn request(&mut self) -> Option<()> {
        if self.take()? != 0x2560_9513_u32.to_be_bytes() {
            return None;
        }
        let asked = Asked {
            flags: u16::from_be_bytes(self.take()?),
            command: u16::from_be_bytes(self.take()?),
            cookie: u64::from_be_bytes(self.take()?),
            offset: u64::from_be_bytes(self.take()?),
            length: u32::from_be_bytes(self.take()?),
        };
        match asked.command {
            client::DISC => return None,
            client::WRITE if asked.length > MAX_REQUEST => return None,
            client::WRITE => drop(self.skip(asked.length)?),
            _ => {}
        }
        if self.structured {
            let pieces = client::read_structured(&mut self.output, asked.cookie);
            let pieces = pieces.expect("a reply");
            match &pieces[..] {
                [Piece::Status { extents, .. }] => {
                    assert!(self.allocation, "a status that was not agreed on");
                    asked.check_status(extents);
                }
                [Piece::Error { .. }] if asked.asks_for_status() && self.allocation => {
                    panic!("a refused status");
                }
                pieces => asked.check_pieces(pieces),
            }
        } else {
            let (cookie, error) = client::read_simple(&mut self.output).expect("a reply");
            assert_eq!(cookie, asked.cookie);
            assert_eq!(error == 0, asked.makes_sense(false) && asked.bad_runs().is_empty());
            if error == 0 {
                let mut bytes = vec![0; to_len(asked.length.into())];
                self.output.read_exact(&mut bytes).expect("the data");
                asked.check_data(asked.offset, &bytes);
            }
        }
        Some(())
    }
}

impl Asked {
    fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length.into()).filter(|end| *end <= SIZE)
    }

    fn makes_sense(&self, structured: bool) -> bool {
        let flags = if structured { client::DF } else { 0 };
        self.command == client::READ && self.flags & !flags == 0 && self.end().is_some()
    }

    /// The places within the request where a run of blocks begins that cannot be proved.
    fn bad_runs(&self) -> BTreeSet<u64> {
        let is_bad = |byte: &u64| BAD.contains(&(byte / BLOCK));
        let bytes = self.offset..self.end().unwrap_or(self.offset);
        let begins = |byte: &u64| *byte == self.offset || !is_bad(&(byte - 1));
        bytes.filter(is_bad).filter(begins).collect()
    }

    /// Returns the places of the bytes.
    fn check_data(&self, offset: u64, bytes: &[u8]) -> std::ops::Range<u64> {
        let end = offset + to_u64(bytes.len());
        assert!(self.offset <= offset && Some(end) <= self.end(), "data that was not asked for");
        for (place, byte) in (offset..end).zip(bytes) {
            assert!(!BAD.contains(&(place / BLOCK)), "unverified byte {place}");
            assert_eq!(*byte, IMAGE[to_len(place)], "byte {place}");
        }
        offset..end
    }

    fn asks_for_status(&self) -> bool {
        self.command == client::BLOCK_STATUS
            && self.flags & !client::REQ_ONE == 0
            && self.length > 0
            && self.end().is_some()
    }

    /// Every block that can be proved is told of, from the start on.
    fn check_status(&self, extents: &[(u32, u32)]) {
        assert!(self.asks_for_status(), "a status that makes no sense");
        let is_zero = |byte: u64| {
            let block = byte / BLOCK;
            ZEROS.contains(&block) && !BAD.contains(&block)
        };
        let mut place = self.offset;
        for (length, flags) in extents {
            let end = place + u64::from(*length);
            assert!((place..end).all(|byte| u32::from(is_zero(byte)) << 1 == *flags));
            place = end;
        }
        let is_whole = Some(place) == self.end();
        if self.flags == 0 {
            assert!(is_whole, "not all of it");
        } else {
            let is_cut = |place| is_zero(place) != is_zero(place - 1);
            assert!(extents.len() == 1 && (is_whole || is_cut(place)), "{extents:?}");
        }
    }

    fn check_pieces(&self, pieces: &[Piece]) {
        let (mut sent, mut errors, mut failed) = (BTreeSet::new(), BTreeSet::new(), false);
        for piece in pieces {
            match piece {
                Piece::Data { offset, bytes } => {
                    let places = self.check_data(*offset, bytes);
                    assert!(places.into_iter().all(|place| sent.insert(place)), "sent twice");
                }
                Piece::Status { .. } => panic!("a status beside other pieces"),
                Piece::Error { offset, .. } => {
                    failed = true;
                    assert!(offset.is_none_or(|place| errors.insert(place)), "told twice");
                }
            }
        }
        let bad = self.bad_runs();
        if !self.makes_sense(true) {
            assert!(failed && sent.is_empty() && errors.is_empty(), "{pieces:?}");
        } else if self.flags == 0 || bad.is_empty() {
            let good = |place: &u64| !BAD.contains(&(place / BLOCK));
            let expected = (self.offset..self.end().unwrap_or(0)).filter(good);
            assert!(sent.into_iter().eq(expected), "not all that is good");
            assert_eq!(errors, bad);
            assert_eq!(failed, !bad.is_empty());
        } else {
            assert!(sent.is_empty() && errors.into_iter().eq(bad.into_iter().take(1)));
        }
    }
}

fn is_known(name: &[u8]) -> bool {
    name.is_empty() || name == NAME.as_bytes()
}

/// The queries in the data of an option on contexts of the export that is there, if it makes sense.
fn contexts(data: &[u8]) -> Option<Vec<&[u8]>> {
    let string = |data| -> Option<(&[u8], &[u8])> {
        let (length, rest) = <[u8]>::split_first_chunk(data)?;
        let length = to_len(u32::from_be_bytes(*length).into());
        rest.split_at_checked(length).filter(|_| length <= 4096)
    };
    let (name, rest) = string(data)?;
    let (count, mut rest) = rest.split_first_chunk()?;
    let mut queries = Vec::new();
    while !rest.is_empty() {
        let (query, behind) = string(rest)?;
        queries.push(query);
        rest = behind;
    }
    let counted = u32::try_from(queries.len()) == Ok(u32::from_be_bytes(*count));
    (counted && is_known(name)).then_some(queries)
}

/// Whether this is the data of `INFO` or `GO`, for the export that is there.
fn makes_sense(data: &[u8]) -> bool {
    let Some((length, rest)) = data.split_first_chunk() else { return false };
    let length = to_len(u32::from_be_bytes(*length).into());
    let Some((name, rest)) = rest.split_at_checked(length) else { return false };
    let Some((count, kinds)) = rest.split_first_chunk() else { return false };
    kinds.len() == 2 * usize::from(u16::from_be_bytes(*count)) && is_known(name)
}
