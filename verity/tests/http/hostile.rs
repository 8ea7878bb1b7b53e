//! Servers that answer something else than they were asked for: a clear error each, never wrong
//! bytes, never a hang.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Duration;

use verity::io::ReadAt;
use verity::io::http::{HttpError, HttpOptions, HttpSource};
use verity_testdata::pattern::Prng;

use super::cause;
use super::server::{LEN, Reply, Server, Then, file, good, good_with};

/// Long enough for any honest answer on a busy machine.
fn options() -> HttpOptions {
    HttpSource::options().timeout(Duration::from_secs(60))
}

/// Short, for those that never come to an end by themselves.
fn impatient() -> HttpOptions {
    HttpSource::options().timeout(Duration::from_secs(3)).retries(0)
}

const ASKED: Range<usize> = 1000..3000;

fn read(source: &HttpSource) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; ASKED.len()];
    source.read_exact_at(&mut buf, ASKED.start as u64).map(|()| buf)
}

/// What comes of a read after an honest opening.
fn outcome(
    options: &HttpOptions,
    reply: impl Fn(Range<usize>) -> Reply + Send + Sync + 'static,
) -> (io::Result<Vec<u8>>, Server) {
    let server = Server::hostile(reply);
    let source = options.open(&server.url()).unwrap();
    assert_eq!(ReadAt::len(&source).unwrap(), LEN as u64);
    (read(&source), server)
}

/// The error of a read, and how many requests it took.
#[track_caller]
fn refused(reply: impl Fn(Range<usize>) -> Reply + Send + Sync + 'static) -> (HttpWords, usize) {
    let (result, server) = outcome(&options(), reply);
    let error = result.expect_err("refused");
    assert!(![ErrorKind::InvalidData, ErrorKind::Interrupted].contains(&error.kind()), "{error:?}");
    (HttpWords(format!("{:?}", cause(&error))), server.requests() - 1)
}

/// An error's name and fields.
#[derive(Debug)]
struct HttpWords(String);

impl HttpWords {
    #[track_caller]
    fn is(&self, variant: &str) {
        assert!(self.0.starts_with(variant), "{variant}: {self:?}");
    }
}

fn text(text: &str) -> Reply {
    text.as_bytes().to_vec().into()
}

/// A head and the bytes that were asked for, or others.
fn partial(head: &str, body: &[u8]) -> Reply {
    [b"HTTP/1.1 206 Partial Content\r\n", head.as_bytes(), b"\r\n", body].concat().into()
}

#[test]
fn an_honest_server_is_believed() {
    let (read, server) = outcome(&options(), |range| good(range).into());
    assert_eq!(read.unwrap(), file()[ASKED]);
    assert_eq!(server.requests(), 2);
    // As HTTP/1.0, in chunks, and up to the end of the connection.
    let (read, _) = outcome(&options(), |range| {
        let mut bytes = good(range);
        bytes[..8].copy_from_slice(b"HTTP/1.0");
        bytes.into()
    });
    assert_eq!(read.unwrap(), file()[ASKED]);
    let range = format!("Content-Range: bytes 1000-2999/{LEN}\r\n");
    let (read, _) = outcome(&options(), {
        let range = range.clone();
        move |asked| partial(&range, &file()[asked])
    });
    assert_eq!(read.unwrap(), file()[ASKED]);
    let (read, _) = outcome(&options(), move |asked| {
        let bytes = &file()[asked];
        let chunks =
            [b"5\r\n", &bytes[..5], b"\r\n7cb\r\n", &bytes[5..], b"\r\n0\r\n\r\n"].concat();
        partial(&format!("{range}Transfer-Encoding: chunked\r\n"), &chunks)
    });
    assert_eq!(read.unwrap(), file()[ASKED]);
}

#[test]
fn whole_files_instead_of_ranges_are_refused() {
    let whole = || {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n");
        Reply::from([head.as_bytes(), &file()].concat())
    };
    let (error, requests) = refused(move |_| whole());
    error.is("NoRanges");
    assert_eq!(requests, 1);
    let server = Server::new(move |_, _| whole());
    assert!(matches!(options().open(&server.url()), Err(HttpError::NoRanges)));
}

#[test]
fn other_ranges_than_asked_for_are_refused() {
    for (head, variant) in [
        (format!("Content-Range: bytes 0-1999/{LEN}\r\n"), "Range"),
        (format!("Content-Range: bytes 1000-2998/{LEN}\r\n"), "Range"),
        (format!("Content-Range: bytes 1000-3000/{LEN}\r\n"), "Range"),
        (format!("Content-Range: bytes 2999-1000/{LEN}\r\n"), "Range"),
        (format!("Content-Range: bytes */{LEN}\r\n"), "Range"),
        ("Content-Range: bytes 1000-2999/*\r\n".to_owned(), "Range"),
        ("Content-Range: bytes 1000-2999/18446744073709551616\r\n".to_owned(), "Range"),
        (format!("Content-Range: lines 1000-2999/{LEN}\r\n"), "Range"),
        (String::new(), "Range"),
        ("Content-Type: multipart/byteranges; boundary=x\r\n".to_owned(), "Range"),
        (format!("Content-Range: bytes 1000-2999/{LEN}\r\n").repeat(2), "Protocol"),
        (format!("Content-Range: bytes 1000-2999/{}\r\n", LEN + 1), "Changed { what: \"length\""),
    ] {
        let (error, requests) = refused(move |asked| partial(&head, &file()[asked]));
        error.is(variant);
        assert_eq!(requests, 1);
    }
}

#[test]
fn bodies_of_another_length_are_refused() {
    let range = format!("Content-Range: bytes 1000-2999/{LEN}\r\n");
    for (head, size, variant, requests) in [
        ("Content-Length: 1999\r\n", 1999, "ContentLength", 1),
        ("Content-Length: 2001\r\n", 2001, "ContentLength", 1),
        ("", 1999, "ShortBody { expected: 2000, actual: 1999 }", 1),
        ("", 0, "ShortBody", 1),
        ("", 2001, "LongBody", 1),
        // A connection that breaks: worth another attempt, and a third one.
        ("Content-Length: 2000\r\n", 1999, "Io", 3),
        ("Content-Encoding: gzip\r\nContent-Length: 2000\r\n", 2000, "Encoding", 1),
    ] {
        let head = format!("{range}{head}");
        let (error, made) = refused(move |_| partial(&head, &vec![0; size]));
        error.is(variant);
        assert_eq!(made, requests, "{variant}");
    }
}

#[test]
fn a_file_that_is_another_one_now_is_told() {
    for (before, after, what) in [
        ("ETag: \"a\"\r\n", "ETag: \"b\"\r\n", "ETag"),
        ("ETag: \"a\"\r\n", "", "ETag"),
        ("", "ETag: \"a\"\r\n", "ETag"),
        ("ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n", "ETag"),
        ("Last-Modified: x\r\n", "Last-Modified: y\r\n", "Last-Modified"),
    ] {
        let server = Server::new(move |number, range| {
            good_with(range, if number < 2 { before } else { after }).into()
        });
        let source = options().open(&server.url()).unwrap();
        assert_eq!(read(&source).unwrap(), file()[ASKED]);
        let error = read(&source).unwrap_err();
        assert!(
            matches!(cause(&error), HttpError::Changed { what: w, .. } if *w == what),
            "{error}"
        );
    }
    // Truncated below what is asked for.
    let (error, _) = refused(|_| {
        text("HTTP/1.1 416 Range\r\nContent-Range: bytes */500\r\nContent-Length: 0\r\n\r\n")
    });
    error.is("Changed { what: \"length\", before: \"10000\", after: \"500\" }");
}

#[test]
fn statuses_are_errors_and_overload_is_tried_again() {
    for (status, requests) in [
        (204, 1),
        (304, 1),
        (401, 1),
        (404, 1),
        (416, 1),
        (429, 3),
        (500, 1),
        (502, 3),
        (503, 3),
        (504, 3),
    ] {
        let (error, made) = refused(move |_| {
            text(&format!(
                "HTTP/1.1 {status} Words\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            ))
        });
        error.is(&format!("Status {{ status: {status} }}"));
        assert_eq!(made, requests, "{status}");
    }
    let server = Server::new(|number, range| match number {
        0 | 3 => text("HTTP/1.1 503 Later\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        // A connection that ends without an answer.
        1 | 4 => Vec::new().into(),
        _ => good(range).into(),
    });
    let source = options().open(&server.url()).unwrap();
    assert_eq!(read(&source).unwrap(), file()[ASKED]);
    assert_eq!((server.requests(), source.traffic().requests), (6, 6));
    assert_eq!(source.traffic().bytes, 1 + ASKED.len() as u64);
}

#[test]
fn redirects_of_an_open_file_are_told_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (error, requests) = refused(move |_| {
            text(&format!(
                "HTTP/1.1 {status} Words\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n"
            ))
        });
        error.is("Redirect { location: \"/file\" }");
        assert_eq!(requests, 1, "no loop");
    }
    let (error, _) = refused(|_| text("HTTP/1.1 302 Words\r\nContent-Length: 0\r\n\r\n"));
    error.is("Status { status: 302 }");
    let server = Server::new(|_, _| {
        text(
            "HTTP/1.1 301 Words\r\nLocation: /file\r\nConnection: close\r\n\
             Content-Length: 0\r\n\r\n",
        )
    });
    let refused = options().open(&server.url());
    assert!(matches!(refused, Err(HttpError::ManyRedirects { limit: 5 })));
    assert!(server.requests() <= 10, "{}", server.requests());
}

#[test]
fn garbage_is_an_error() {
    let mut random = Prng::new(7);
    let noise = random.bytes(5000);
    for bytes in [
        noise,
        b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(),
        b"HTTP/1.1 206\r\nContent-Range\r\n\r\n".to_vec(),
        b"HTTP/1.1 999999 x\r\n\r\n".to_vec(),
        b"HTTP/1.1 206 x\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"HTTP/1.1 206 x\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"\r\n\r\n\r\n\r\n".to_vec(),
    ] {
        let (result, _) = outcome(&options().retries(0), move |_| bytes.clone().into());
        let error = result.expect_err("garbage");
        assert!(
            matches!(cause(&error), HttpError::Protocol { .. } | HttpError::Io(_)),
            "{error:?}"
        );
    }
    let (result, _) = outcome(&options(), |_| {
        partial(
            &format!("Content-Range: bytes 1000-2999/{LEN}\r\nTransfer-Encoding: chunked\r\n"),
            b"zz\r\n",
        )
    });
    assert!(matches!(cause(&result.unwrap_err()), HttpError::Protocol { .. } | HttpError::Io(_)));
}

#[test]
fn no_more_is_read_than_was_asked_for() {
    let range = format!("HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/{LEN}\r\n");
    let chunk = [b"1000\r\n".to_vec(), vec![7; 0x1000], b"\r\n".to_vec()].concat();
    let ends = [
        (format!("{range}\r\n"), vec![7; 4096], "LongBody"),
        (format!("{range}Transfer-Encoding: chunked\r\n\r\n"), chunk, "LongBody"),
        (range.clone(), b"X-Header: words and words and words\r\n".to_vec(), "Protocol"),
        (format!("{range}X-Header: "), vec![b'x'; 4096], "Protocol"),
        (String::new(), vec![b'x'; 4096], "Protocol"),
    ];
    for (head, again, variant) in ends {
        let (result, server) = outcome(&options(), move |_| Reply {
            bytes: head.clone().into_bytes(),
            then: Then::Repeat(again.clone(), Duration::ZERO),
        });
        let error = result.expect_err("too much");
        HttpWords(format!("{:?}", cause(&error))).is(variant);
        wait_until(|| server.hung_up() == 1);
    }
}

#[test]
fn a_server_that_takes_its_time_for_ever_runs_into_the_timeout() {
    let range = format!("HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/{LEN}\r\n");
    let drip = Duration::from_millis(50);
    let ends = [
        (String::new(), Then::Hang),
        (range.clone(), Then::Hang),
        (format!("{range}Content-Length: 2000\r\n\r\nbytes"), Then::Hang),
        (format!("{range}\r\n"), Then::Repeat(b"x".to_vec(), drip)),
        (range, Then::Repeat(b"X: y\r\n".to_vec(), drip)),
        (String::new(), Then::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), drip)),
    ];
    for (head, then) in ends {
        let then = std::sync::Mutex::new(Some(then));
        let (result, server) = outcome(&impatient(), move |_| Reply {
            bytes: head.clone().into_bytes(),
            then: then.lock().unwrap().take().unwrap(),
        });
        let error = result.expect_err("no end");
        assert!(matches!(cause(&error), HttpError::Timeout { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(server.requests(), 2, "not again");
    }
}

#[test]
fn where_nobody_listens_the_connection_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(options().retries(0).open(&url), Err(HttpError::Io(_))));
    let error = options().retries(0).open("http://no-such-host.invalid/").unwrap_err();
    assert!(matches!(error, HttpError::Io(_)), "{error:?}");
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never");
}
