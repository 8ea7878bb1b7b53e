//! A file on an HTTP server as a source, by range requests. Feature `http`.
//!
//! Every read is a request for just those bytes, and every answer is compared with the request and
//! with the file as it was when it was opened. `https` URLs take feature `https`, and certificates
//! of authorities from the caller (`HttpOptions::authorities`): none are built in.
//!
//! # What a network can do
//!
//! Nothing here is trusted with the bytes. Read through a
//! [`VerifiedReader`](crate::VerifiedReader), and a server, or an attacker on the wire, that
//! changes data or hash tree causes an error; no wrong byte comes through. They can still withhold
//! or delay answers, each request up to its timeout, and see which blocks are read, and when. A
//! superblock from the network is as little authenticated as any other one: take the parameters
//! from a manifest or pin them.
//!
//! # What is followed and what not
//!
//! When a file is opened, up to 5 redirects, never from `https` to `http`; all later requests go to
//! where they led, and are not redirected any more. No proxies from the environment, no cookies, no
//! user names in URLs, no compression.

mod answer;
mod error;
#[cfg(feature = "https")]
mod tls;

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, ResponseExt};

pub use self::error::HttpError;

use crate::number::to_u64;

use self::answer::Version;
use super::ReadAt;

/// The most that one request asks for, in bytes. It must arrive within the timeout.
const MAX_REQUEST: u64 = 1 << 20;
/// The longest header of an answer that is read, in bytes.
const MAX_HEADER: usize = 16 << 10;
/// Connections that are kept for the next requests: as many as threads are likely to read at once.
const MAX_IDLE: usize = 64;
/// How many redirects are followed to a file.
const MAX_REDIRECTS: u32 = 5;
/// How long the first retry waits; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No retry waits for longer.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A file on an HTTP server. Many threads can read it at once, each over a connection of its own;
/// connections are kept and used again.
///
/// A read returns the bytes of the file as it was when it was opened, or an error that wraps an
/// [`HttpError`]: also when the file's length, its `ETag` or its `Last-Modified` is another one
/// now.
///
/// ```
/// use verity::io::ReadAt;
/// use verity::io::http::HttpSource;
///
/// # use std::io::{BufRead, BufReader, Write};
/// # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/root.img", server.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let image = [7; 4096];
/// #     for stream in server.incoming() {
/// #         let mut stream = stream.unwrap();
/// #         let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
/// #         let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
/// #         let range = head.iter().find_map(|line| line.split_once("bytes=")).unwrap().1;
/// #         let (first, last) = range.split_once('-').unwrap();
/// #         let body = &image[first.parse().unwrap()..=last.parse().unwrap()];
/// #         write!(
/// #             stream,
/// #             "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}/4096\r\n\
/// #              Content-Length: {}\r\nConnection: close\r\n\r\n",
/// #             body.len()
/// #         ).unwrap();
/// #         stream.write_all(body).unwrap();
/// #     }
/// # });
/// let source = HttpSource::open(&url)?;
/// let mut bytes = [0; 100];
/// source.read_exact_at(&mut bytes, 1000)?;
/// assert_eq!(bytes, [7; 100]);
/// // The first request asked for one byte, to learn the length.
/// assert_eq!((source.traffic().requests, source.traffic().bytes), (2, 101));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HttpSource {
    agent: Agent,
    url: String,
    retries: u32,
    version: Version,
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// How an [`HttpSource`] is opened, see [`HttpSource::options`].
#[derive(Clone, Debug)]
pub struct HttpOptions {
    connect_timeout: Duration,
    timeout: Duration,
    retries: u32,
    #[cfg(feature = "https")]
    authorities: tls::Authorities,
}

/// What a source has asked the server for, and got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests, retries among them.
    pub requests: u64,
    /// Bytes of the bodies that came back, also those of answers that were refused later.
    pub bytes: u64,
}

impl HttpSource {
    /// Opens the file behind a URL: asks for its first byte, and so learns its length.
    ///
    /// # Errors
    /// When this is no such URL, the server cannot be reached, is not the one that an `https` URL
    /// names, has no such file, or does not answer range requests.
    pub fn open(url: &str) -> Result<HttpSource, HttpError> {
        HttpSource::options().open(url)
    }

    /// Opens with other timeouts or another number of retries.
    pub fn options() -> HttpOptions {
        HttpOptions {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            retries: 2,
            #[cfg(feature = "https")]
            authorities: tls::Authorities::default(),
        }
    }

    /// The URL of the file, which is where redirects have led, if there were any.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The length of the file, in bytes.
    pub fn size(&self) -> u64 {
        self.version.len()
    }

    /// What has been asked for and got so far, by all threads.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Asks for the first byte, where redirects lead too; what comes with it says which file this
    /// is.
    fn learn_version(&mut self) -> Result<(), HttpError> {
        for _ in 0..MAX_REDIRECTS {
            let (url, version) = self.try_again(|| self.first_answer())?;
            if let Some(url) = url {
                check_url(&url)?;
                self.url = url;
            }
            if let Some(version) = version {
                self.version = version;
                return Ok(());
            }
        }
        Err(HttpError::ManyRedirects { limit: MAX_REDIRECTS })
    }

    /// Asks for the first byte, and follows one redirect, if there is one. Returns where it led,
    /// and which file is there unless that is another redirect.
    fn first_answer(&self) -> Result<(Option<String>, Option<Version>), HttpError> {
        let is_secure = self.url.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("https:"));
        self.requests.fetch_add(1, Ordering::Relaxed);
        let asked = self.agent.get(&self.url).header(header::RANGE, "bytes=0-0");
        let asked = asked.config().max_redirects(1).max_redirects_will_error(false);
        let response = asked.https_only(is_secure).build().call()?;
        let here: Option<Uri> = self.url.parse().ok();
        let url =
            (here.as_ref() != Some(response.get_uri())).then(|| response.get_uri().to_string());
        if url.is_some() {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        // It may have led back to where it began.
        if matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok((url, None));
        }
        let version = Version::of(&response)?;
        if version.len() > 0 {
            self.receive(response, &mut [0])?;
        }
        Ok((url, Some(version)))
    }

    /// Fills `buf` with these bytes of the file.
    fn fetch(&self, buf: &mut [u8], bytes: &Range<u64>) -> Result<(), HttpError> {
        self.try_again(|| {
            let response = self.request(bytes)?;
            self.version.check(&response, bytes)?;
            self.receive(response, buf)
        })
    }

    /// Makes another attempt, a few times, where it may help.
    fn try_again<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..self.retries {
            match attempt() {
                Err(error) if error.is_transient() => {}
                result => return result,
            }
            thread::sleep(pause);
            pause = (pause * 2).min(MAX_PAUSE);
        }
        attempt()
    }

    fn request(&self, bytes: &Range<u64>) -> Result<Response<Body>, HttpError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let range = format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1));
        Ok(self.agent.get(&self.url).header(header::RANGE, range).call()?)
    }

    /// Reads a body that must be as long as `buf`. Of one that is longer, no more than one byte is
    /// read.
    fn receive(&self, response: Response<Body>, buf: &mut [u8]) -> Result<(), HttpError> {
        let expected = buf.len();
        let mut body = response.into_body().into_reader();
        let mut received = 0;
        while received < expected {
            match self.receive_some(&mut body, &mut buf[received..])? {
                0 => return Err(HttpError::ShortBody { expected, actual: received }),
                size => received += size,
            }
        }
        // Also lets the connection be used again: only now is its end known.
        match self.receive_some(&mut body, &mut [0])? {
            0 => Ok(()),
            _ => Err(HttpError::LongBody { expected }),
        }
    }

    fn receive_some(&self, body: &mut impl Read, buf: &mut [u8]) -> Result<usize, HttpError> {
        loop {
            match body.read(buf) {
                Ok(size) => {
                    self.bytes.fetch_add(u64::try_from(size).unwrap_or(0), Ordering::Relaxed);
                    return Ok(size);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ureq::Error::from(error).into()),
            }
        }
    }
}

impl HttpOptions {
    /// Sets how long it may take to connect to the server. The default is 10 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take in all, up to the last byte of its answer; 60 seconds unless
    /// said. A request asks for at most 1 MiB, and one that timed out is not sent again.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is sent again when the connection fails or the server says that it is
    /// overloaded (429, 502, 503, 504); 2 unless said. The first retry comes after a tenth of a
    /// second, each further one after twice the time, at most 5 seconds.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets which authorities are trusted to say who an `https` server is: certificates (X.509) in
    /// DER. Without any, no server is. What is no certificate is ignored.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn authorities<C: AsRef<[u8]>>(
        mut self,
        certificates: impl IntoIterator<Item = C>,
    ) -> Self {
        self.authorities = tls::Authorities::new(certificates);
        self
    }

    /// Opens the file, see [`HttpSource::open`].
    ///
    /// # Errors
    /// As [`HttpSource::open`].
    pub fn open(&self, url: &str) -> Result<HttpSource, HttpError> {
        check_url(url)?;
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("verity/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADER)
            .max_idle_connections(MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            .timeout_connect(Some(self.connect_timeout))
            .timeout_global(Some(self.timeout));
        #[cfg(feature = "https")]
        let config = config.tls_config(self.authorities.config());
        let mut source = HttpSource {
            agent: config.build().new_agent(),
            url: url.to_owned(),
            retries: self.retries,
            version: Version::default(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        source.learn_version()?;
        Ok(source)
    }
}

fn check_url(url: &str) -> Result<(), HttpError> {
    let reject = |reason: &str| Err(HttpError::Url { reason: reason.to_owned() });
    let uri: Uri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => return reject(&format!("{error}")),
    };
    match uri.scheme_str() {
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => {}
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => {
            if !cfg!(feature = "https") {
                return Err(HttpError::Https);
            }
        }
        _ => return reject("it does not begin with http:// or https://"),
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            reject("there is no place for a user name: nobody is asked for one here")
        }
        Some(authority) if authority.host().is_empty() => reject("there is no host"),
        // A port that cannot be read would be taken for none.
        Some(authority)
            if authority.as_str() != authority.host() && authority.port_u16().is_none() =>
        {
            reject("its port is none")
        }
        Some(_) => Ok(()),
        None => reject("there is no host"),
    }
}

impl ReadAt for HttpSource {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = to_u64(buf.len()).min(MAX_REQUEST);
        let end = offset.saturating_add(wanted).min(self.size());
        if offset >= end {
            return Ok(0);
        }
        let size = usize::try_from(end - offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.fetch(&mut buf[..size], &(offset..end))?;
        Ok(size)
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        check_url(url).map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn only_urls_with_a_host_are_taken() {
        for url in ["http://h", "http://h/", "HTTP://h:80/a%20b?c=d#e", "http://[::1]:8080/x"] {
            assert_eq!(refusal(url), "none", "{url}");
        }
        let https = if cfg!(feature = "https") { "none" } else { "no TLS" };
        assert!(refusal("https://h/x").contains(https), "{}", refusal("https://h/x"));
        assert!(refusal("http://me:secret@h/x").contains("user name"));
        for url in [
            "",
            "h",
            "/a",
            "ftp://h/x",
            "http://",
            "http:///x",
            "http://h/ x",
            "http://h:a/",
            "http://h:/",
            "http://h:99999/",
        ] {
            assert!(refusal(url).starts_with("not a usable URL: "), "{url}: {}", refusal(url));
        }
        assert!(!refusal("http://me:secret@h/x").contains("secret"));
    }
}
