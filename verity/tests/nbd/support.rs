//! A source that fails where it is told to, and sessions over memory and sockets.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use verity::BlockSize;
use verity::internals::to_len;
use verity::io::ReadAt;
use verity::nbd::{Export, SessionError, Traffic, negotiate};
use verity_testdata::nbd::Client;
use verity_testdata::pattern;

pub(crate) const BLOCK: u64 = 4096;
pub(crate) const EIO: u32 = 5;
pub(crate) const EINVAL: u32 = 22;

/// An image of which some blocks are corrupt: what is before them is read, as by a verified reader.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) corrupt: Vec<u64>,
    /// After so many calls everything is corrupt.
    pub(crate) good_calls: Option<u64>,
    /// What is corrupt fails as if the whole source was taken away.
    pub(crate) is_gone: bool,
    pub(crate) calls: AtomicU64,
}

impl Image {
    pub(crate) fn new(blocks: usize) -> Image {
        Image { bytes: pattern::sha256_stream(blocks * 4096), ..Image::default() }
    }

    pub(crate) fn corrupt(blocks: usize, corrupt: &[u64]) -> Image {
        Image { corrupt: corrupt.to_vec(), ..Image::new(blocks) }
    }

    pub(crate) fn at(&self, offset: u64, length: u32) -> &[u8] {
        let start = usize::try_from(offset).unwrap();
        &self.bytes[start..start + usize::try_from(length).unwrap()]
    }

    fn limit(&self, offset: u64) -> u64 {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.good_calls.is_some_and(|good| calls >= good) {
            return offset;
        }
        let starts = self.corrupt.iter().map(|block| block * BLOCK);
        starts.filter(|start| start + BLOCK > offset).min().unwrap_or(u64::MAX).max(offset)
    }
}

impl ReadAt for Image {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let good = to_len(self.limit(offset) - offset);
        if good == 0 && self.is_gone {
            // ENODEV
            return Err(io::Error::other(io::Error::from_raw_os_error(19)));
        }
        if good == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        let length = good.min(buf.len());
        self.bytes.read_at(&mut buf[..length], offset)
    }
}

pub(crate) fn export(image: Image) -> Export<Image> {
    let export = Export::new(image).unwrap().name("image").unwrap();
    export.description("an image").unwrap().block_size(BlockSize::default())
}

/// What came of a session.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<(), SessionError>,
    pub(crate) traffic: Traffic,
    pub(crate) output: Vec<u8>,
}

/// Serves a client that says these bytes and then goes.
pub(crate) fn serve_bytes<R: ReadAt>(export: &Export<R>, input: &[u8]) -> Ended {
    let mut output = Vec::new();
    let mut traffic = Traffic::default();
    let result = negotiate(export, input, &mut output).and_then(|session| {
        let Some(mut session) = session else { return Ok(()) };
        let result = session.serve();
        traffic = session.traffic();
        result
    });
    Ended { result, traffic, output }
}

/// Runs a client against a server in another thread.
pub(crate) fn with_client<T>(
    export: &Export<Image>,
    structured: bool,
    talk: impl FnOnce(&mut Client<UnixStream>) -> T,
) -> (T, Ended) {
    let (server, client) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let mut session = negotiate(export, &server, &server).unwrap().unwrap();
            let result = session.serve();
            Ended { result, traffic: session.traffic(), output: Vec::new() }
        });
        let mut client = Client::connect(client, structured).unwrap();
        let value = talk(&mut client);
        drop(client);
        (value, serving.join().unwrap())
    })
}
