//! A server that says whatever a test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use verity_testdata::pattern;

/// How long the file is that it pretends to have.
pub(crate) const LEN: usize = 10_000;

/// What it does with one request.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

/// What comes after the reply.
pub(crate) enum Then {
    Close,
    /// Keeps the connection open and says nothing more.
    Hang,
    /// Sends this again and again, with a pause.
    Repeat(Vec<u8>, Duration),
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Reply {
        Reply { bytes, then: Then::Close }
    }
}

/// Runs until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    stopped: AtomicBool,
    requests: AtomicUsize,
    /// Endless replies that ended because the client hung up.
    hung_up: AtomicUsize,
}

impl Server {
    /// Answers by a function of the number of the request and of the bytes that it asks for.
    pub(crate) fn new(
        reply: impl Fn(usize, Range<usize>) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            stopped: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
        });
        let (serving, reply) = (Arc::clone(&shared), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, reply) = (Arc::clone(&serving), Arc::clone(&reply));
                thread::spawn(move || serve(&stream.unwrap(), &shared, &*reply));
            }
        });
        Server { address, shared }
    }

    /// A server that is honest about the first request, which learns the length.
    pub(crate) fn hostile(reply: impl Fn(Range<usize>) -> Reply + Send + Sync + 'static) -> Server {
        Server::new(
            move |number, range| if number == 0 { good(range).into() } else { reply(range) },
        )
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/file", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener; if it is gone already, so much the better.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, shared: &Shared, reply: &dyn Fn(usize, Range<usize>) -> Reply) {
    let Some(range) = asked(stream) else { return };
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let Reply { bytes, then } = reply(number, range);
    let mut writer = stream;
    if writer.write_all(&bytes).is_err() {
        return;
    }
    match then {
        Then::Close => {}
        Then::Hang => {
            while !shared.stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
            }
        }
        Then::Repeat(bytes, pause) => {
            while !shared.stopped.load(Ordering::Relaxed) {
                if writer.write_all(&bytes).is_err() {
                    shared.hung_up.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                thread::sleep(pause);
            }
        }
    }
}

/// The bytes that a request asks for.
fn asked(stream: &TcpStream) -> Option<Range<usize>> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let range = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then(|| value.strip_prefix("bytes="))?
    })?;
    let (first, last) = range.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1)
}

/// The file.
pub(crate) fn file() -> Vec<u8> {
    pattern::painted(LEN)
}

/// An answer as it should be, with these headers more.
pub(crate) fn good_with(range: Range<usize>, headers: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{LEN}\r\nContent-Length: {}\r\n\
         Connection: close\r\n{headers}\r\n",
        range.start,
        range.end - 1,
        range.len(),
    );
    [head.as_bytes(), &file()[range]].concat()
}

pub(crate) fn good(range: Range<usize>) -> Vec<u8> {
    good_with(range, "")
}
