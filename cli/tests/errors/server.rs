//! A web server that answers wrongly, in one way for each path.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::Dir;

/// The size of every file, in bytes: that of the data.
const SIZE: usize = 1_228_800;

/// A directory with the address of a server in `url`. The server ends with this process.
pub(super) fn place() -> Dir {
    let dir = crate::screens::image();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    dir.write("url", format!("http://{}\n", listener.local_addr().unwrap()).as_bytes());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream));
        }
    });
    dir
}

/// Answers requests of one connection, until one is answered with its end.
fn answer_all(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|read| read == 1) {
        request.push(byte[0]);
        if request.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request).into_owned();
            request.clear();
            let Some(answer) = answer(&text) else { return };
            if stream.write_all(&answer).is_err() || text.contains(" /short ") {
                return;
            }
        }
    }
}

/// What is answered; `None` ends the connection.
fn answer(request: &str) -> Option<Vec<u8>> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let path = request.split(' ').nth(1)?;
    let range = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": bytes=")?;
        name.eq_ignore_ascii_case("range").then_some(value)
    })?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.trim().parse().ok()?);
    let body = vec![0; last - first + 1];
    let part = |more: &str, length: usize| {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\
             Content-Length: {length}\r\n{more}\r\n"
        )
    };
    let whole = |head: String| Some([head.as_bytes(), &body].concat());
    match path {
        "/status" => Some(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/no-ranges" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfile".to_vec()),
        "/redirect" => {
            let head = "HTTP/1.1 302 Found\r\nLocation: /zeros\r\nContent-Length: 0\r\n\r\n";
            Some(head.into())
        }
        "/loop" => {
            let head = "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n";
            Some(head.into())
        }
        "/moved" if last > 0 => {
            let head = "HTTP/1.1 302 Found\r\nLocation: /zeros\r\nContent-Length: 0\r\n\r\n";
            Some(head.into())
        }
        "/twice" => whole(part("Content-Range: bytes 1-1/9\r\n", body.len())),
        "/encoded" => whole(part("Content-Encoding: gzip\r\n", body.len())),
        "/garbage" => Some(b"hello\r\n\r\n".to_vec()),
        "/range" => {
            let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-5/9\r\n\
                        Content-Length: 1\r\n\r\nx";
            Some(head.into())
        }
        "/no-range" => Some(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx".to_vec()),
        "/length" => whole(part("", body.len() + 1)),
        "/changed" => {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            whole(part(&format!("ETag: \"{}\"\r\n", count % 2), body.len()))
        }
        "/short" => Some([part("", body.len()).as_bytes(), &body[1..]].concat()),
        "/long" | "/short-chunks" => {
            let size = if path == "/long" { body.len() + 1 } else { body.len() - 1 };
            let head = part("", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
            let chunk = if size == 0 {
                String::new()
            } else {
                format!("{size:x}\r\n{}\r\n", "x".repeat(size))
            };
            Some(format!("{head}{chunk}0\r\n\r\n").into())
        }
        // Opened, and then broken or gone.
        "/broken" if last > 0 => Some(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/once" if last > 0 => Some(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/broken" | "/once" | "/moved" | "/zeros" => whole(part("", body.len())),
        _ => None,
    }
}
