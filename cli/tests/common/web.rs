//! A web server with a few files that falls silent at some request, or says what it likes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The status of a good answer.
pub(crate) const GOOD: &str = "206 Partial Content";

/// Answers requests for ranges of files, and after so many of them none.
pub(crate) struct WebServer {
    address: String,
    requests: Arc<AtomicUsize>,
    answered: usize,
}

impl WebServer {
    pub(crate) fn start(files: Vec<(&'static str, Vec<u8>)>, answered: usize) -> WebServer {
        WebServer::with_status(files, answered, |_| GOOD.to_owned())
    }

    /// Says the status, and more headers, for the n-th request.
    pub(crate) fn with_status(
        files: Vec<(&'static str, Vec<u8>)>,
        answered: usize,
        status: fn(usize) -> String,
    ) -> WebServer {
        WebServer::serve(files, answered, move |number, _| status(number))
    }

    /// Fails over every range of `data` in which that byte lies.
    pub(crate) fn with_bad_byte(files: Vec<(&'static str, Vec<u8>)>, bad: usize) -> WebServer {
        WebServer::serve(files, usize::MAX, move |_, range| match range.contains(&bad) {
            true => "500 Internal Server Error".to_owned(),
            false => GOOD.to_owned(),
        })
    }

    fn serve(
        files: Vec<(&'static str, Vec<u8>)>,
        answered: usize,
        status: impl Fn(usize, RangeInclusive<usize>) -> String + Send + Sync + 'static,
    ) -> WebServer {
        let status = Arc::new(status);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<AtomicUsize>::default();
        let (files, count) = (Arc::new(files), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (files, count) = (Arc::clone(&files), Arc::clone(&count));
                let status = Arc::clone(&status);
                thread::spawn(move || talk(&stream.unwrap(), &files, &count, answered, &*status));
            }
        });
        WebServer { address, requests, answered }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// How many requests have come.
    pub(crate) fn asked(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for an answer that never comes.
    pub(crate) fn is_silent(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > self.answered
    }
}

fn talk(
    stream: &TcpStream,
    files: &[(&'static str, Vec<u8>)],
    count: &AtomicUsize,
    answered: usize,
    status: &dyn Fn(usize, RangeInclusive<usize>) -> String,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let name = lines.next()?.ok()?.split(['/', ' ']).nth(2)?.to_owned();
        let mut range = None;
        for line in lines.by_ref() {
            let line = line.ok()?;
            if line.is_empty() {
                break;
            }
            range = line.split_once("bytes=").map(|(_, range)| range.to_owned()).or(range);
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        if number >= answered {
            // Until the other side is gone.
            let _ = lines.next();
            return None;
        }
        let bytes = &files.iter().find(|(file, _)| *file == name)?.1;
        let range = range?;
        let (first, last) = range.split_once('-')?;
        let places = first.parse().ok()?..=last.parse::<usize>().ok()?;
        let body = bytes.get(places.clone())?;
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Range: bytes {range}/{}\r\nContent-Length: {}\r\n\r\n",
            status(number, places),
            bytes.len(),
            body.len()
        );
        let mut writer = stream;
        writer.write_all(&[head.as_bytes(), body].concat()).ok()?;
    }
}
