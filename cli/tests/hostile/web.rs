//! A web server that answers by the book until it is told otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A file on the server: how long it says it is, and its first bytes; zeros come behind.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) size: u64,
}

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    /// The connection ends without a word.
    Reset,
    /// The body ends early.
    Short,
    /// The body is longer than its header says.
    Long,
    /// The file has another length now.
    OtherLength,
    /// Other bytes of the file, named as they are.
    OtherRange,
    /// Other bytes, named as those that were asked for.
    OtherBytes,
    /// The file has another version now.
    OtherEtag,
    /// The whole file, or what could be.
    Whole,
    /// An error of the server.
    Failure,
    /// Somewhere else.
    Redirect,
    /// No HTTP.
    Garbage,
    /// Headers without end.
    Headers,
    /// A pause before and within the body.
    Slow,
}

pub(crate) const ANSWERS: [Answer; 14] = [
    Answer::Good,
    Answer::Reset,
    Answer::Short,
    Answer::Long,
    Answer::OtherLength,
    Answer::OtherRange,
    Answer::OtherBytes,
    Answer::OtherEtag,
    Answer::Whole,
    Answer::Failure,
    Answer::Redirect,
    Answer::Garbage,
    Answer::Headers,
    Answer::Slow,
];

/// Runs until it is dropped.
pub(crate) struct Web {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

type Mood = dyn Fn(u64) -> Answer + Send + Sync;

impl Web {
    /// Serves files of these names. `mood` says what is done with a request by its number.
    pub(crate) fn new(
        files: Vec<(&'static str, Published)>,
        mood: impl Fn(u64) -> Answer + Send + Sync + 'static,
    ) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let site = Arc::new(Site { files, mood: Box::new(mood), requests: AtomicU64::new(0) });
        let ends = Arc::clone(&stopped);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (site, stream) = (Arc::clone(&site), stream.unwrap());
                thread::spawn(move || while site.answer(&stream).is_some() {});
            }
        });
        Web { address, stopped }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener; if it is gone already, so much the better.
        let _ = TcpStream::connect(self.address);
    }
}

struct Site {
    files: Vec<(&'static str, Published)>,
    mood: Box<Mood>,
    requests: AtomicU64,
}

impl Site {
    /// Answers one request; nothing if the connection is over.
    fn answer(&self, stream: &TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        // Nobody sends a second request before the first is answered.
        let (name, range) = request(stream)?;
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let file = self.files.iter().find(|(known, _)| *known == name);
        let Some((_, file)) = file else {
            return send(stream, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        };
        file.answer(stream, range, (self.mood)(number), self.elsewhere())
    }

    /// Where redirects lead: to the broken file, where there is one. What is whole would put right
    /// what is broken.
    fn elsewhere(&self) -> &'static str {
        let has_broken = self.files.iter().any(|(name, _)| *name == "broken");
        if has_broken { "broken" } else { "data" }
    }
}

impl Published {
    fn answer(
        &self,
        stream: &TcpStream,
        asked: Range<u64>,
        answer: Answer,
        elsewhere: &str,
    ) -> Option<()> {
        let range = asked.start.min(self.size)..asked.end.min(self.size);
        if range.is_empty() {
            let head = format!(
                "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
                self.size
            );
            return send(stream, head.as_bytes());
        }
        let good = |range: &Range<u64>| self.head(range, self.size, "\"one\"");
        let body = self.bytes_in(&range);
        match answer {
            Answer::Good => send(stream, &[good(&range).as_bytes(), &body].concat()),
            Answer::Reset => None,
            Answer::Short => {
                let half = &body[..body.len() / 2];
                send(stream, &[good(&range).as_bytes(), half].concat()).and(None)
            }
            Answer::Long => {
                send(stream, &[good(&range).as_bytes(), &body, &[0xee; 999]].concat()).and(None)
            }
            Answer::OtherLength => {
                let head = self.head(&range, self.size + 1, "\"one\"");
                send(stream, &[head.as_bytes(), &body].concat())
            }
            Answer::OtherEtag => {
                let head = self.head(&range, self.size, "\"other\"");
                send(stream, &[head.as_bytes(), &body].concat())
            }
            Answer::OtherRange => {
                let other = 0..range.end - range.start;
                send(stream, &[good(&other).as_bytes(), &self.bytes_in(&other)].concat())
            }
            Answer::OtherBytes => {
                let other: Vec<u8> = body.iter().map(|byte| byte ^ 0x5a).collect();
                send(stream, &[good(&range).as_bytes(), &other].concat())
            }
            Answer::Whole => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", self.size);
                send(stream, &[head.as_bytes(), &body].concat()).and(None)
            }
            Answer::Failure => {
                send(stream, b"HTTP/1.1 503 Later\r\nContent-Length: 5\r\n\r\nlater")
            }
            Answer::Redirect => {
                let head = format!(
                    "HTTP/1.1 302 There\r\nLocation: /{elsewhere}\r\nContent-Length: 0\r\n\r\n"
                );
                send(stream, head.as_bytes())
            }
            Answer::Garbage => send(stream, &[0xee; 5000]).and(None),
            Answer::Headers => {
                let line = format!("X-Header: {}\r\n", "x".repeat(4000));
                let lines = line.repeat(500);
                send(stream, [b"HTTP/1.1 206 Partial\r\n", lines.as_bytes()].concat().as_slice())
                    .and(None)
            }
            Answer::Slow => {
                let (first, rest) = body.split_at(body.len() / 2);
                send(stream, good(&range).as_bytes())?;
                for part in [first, rest] {
                    thread::sleep(Duration::from_millis(3));
                    send(stream, part)?;
                }
                Some(())
            }
        }
    }

    fn head(&self, range: &Range<u64>, size: u64, etag: &str) -> String {
        let (first, last, length) = (range.start, range.end - 1, range.end - range.start);
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\n\
             Content-Length: {length}\r\nETag: {etag}\r\n\r\n"
        )
    }

    fn bytes_in(&self, range: &Range<u64>) -> Vec<u8> {
        let place =
            |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let mut bytes = self.bytes[place(range.start)..place(range.end)].to_vec();
        bytes.resize(usize::try_from(range.end - range.start).unwrap(), 0);
        bytes
    }
}

/// The name and the bytes that a request asks for.
fn request(stream: &TcpStream) -> Option<(String, Range<u64>)> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let name = head.first()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let range = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then(|| value.strip_prefix("bytes="))?
    });
    let (first, last) = range?.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    Some((name, first..last.checked_add(1)?))
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).ok()
}
