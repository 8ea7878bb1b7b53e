//! Why bytes could not be had from a server.

use std::io::{self, ErrorKind};

/// A failed request, or an answer that does not say what was asked for.
///
/// Texts that a server sent are cut, but otherwise as it sent them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The file is another one than when it was opened.
    #[error("the file on the server has changed: its {what} was {before}, and is {after}")]
    Changed {
        /// What tells: `length`, `ETag` or `Last-Modified`.
        what: &'static str,
        /// What it was when the file was opened.
        before: String,
        /// What it is now.
        after: String,
    },
    /// The body would have another length than what was asked for.
    #[error("the server sends {answered} bytes, {expected} were asked for")]
    ContentLength {
        /// The bytes that were asked for.
        expected: u64,
        /// What the answer says.
        answered: String,
    },
    /// The body is compressed, which was not asked for.
    #[error("the server sends its bytes encoded as {encoding}")]
    Encoding {
        /// The encoding.
        encoding: String,
    },
    /// An `https` URL, without feature `https`.
    #[error(
        "https is not supported, as there is no TLS in this program: use http through a local \
         proxy that speaks https, or mirror the file; verified reading trusts neither the server \
         nor the network"
    )]
    Https,
    /// An `https` server sends its clients to an `http` one.
    #[error("the server redirects from https to {location}, which anybody could have answered")]
    InsecureRedirect {
        /// Where to.
        location: String,
    },
    /// The connection could not be made, or broke.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// More bytes came than were asked for.
    #[error("the server sends more than the {expected} bytes that were asked for")]
    LongBody {
        /// The bytes that were asked for.
        expected: usize,
    },
    /// Each redirect leads to another one.
    #[error("there are more than {limit} redirects")]
    ManyRedirects {
        /// How many are followed.
        limit: u32,
    },
    /// The server sends whole files only.
    #[error("the server does not answer requests for a range of bytes")]
    NoRanges,
    /// What came back is not HTTP as it should be.
    #[error("the server's answer cannot be understood: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// Other bytes than those that were asked for.
    #[error("the bytes {first}-{last} were asked for, the server's answer is for: {answered}")]
    Range {
        /// The first byte that was asked for.
        first: u64,
        /// The last one.
        last: u64,
        /// What the answer says.
        answered: String,
    },
    /// The server sends its clients elsewhere, since the file was opened.
    #[error("the server redirects to {location} now, which is not followed once the file is open")]
    Redirect {
        /// Where to.
        location: String,
    },
    /// Fewer bytes came than were asked for.
    #[error("the server sent {actual} of the {expected} bytes that were asked for")]
    ShortBody {
        /// The bytes that were asked for.
        expected: usize,
        /// The bytes that came.
        actual: usize,
    },
    /// The server refused, or failed.
    #[error("the server answers with status {status}")]
    Status {
        /// The status code.
        status: u16,
    },
    /// The answer did not come in time.
    #[error("timeout ({limit})")]
    Timeout {
        /// Which limit was exceeded.
        limit: String,
    },
    /// The server is not the one that the URL names, or no connection was agreed on.
    #[error("no secure connection to the server: {reason}")]
    Tls {
        /// Why not.
        reason: String,
    },
    /// No URL of a file on an HTTP server.
    #[error("not a usable URL: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
}

impl HttpError {
    /// Whether the same request may go well next time.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            HttpError::Io(_) => true,
            HttpError::Status { status } => [429, 502, 503, 504].contains(status),
            _ => false,
        }
    }

    /// Whether it is about the file as a whole, or about the way to it: any other bytes would fail
    /// in the same way, or after the same timeout. The others are about one answer: it is not what
    /// was asked for, or the server failed over just these bytes (500, 416).
    pub(in crate::io) fn is_about_file(&self) -> bool {
        match self {
            HttpError::Changed { .. }
            | HttpError::Https
            | HttpError::InsecureRedirect { .. }
            | HttpError::Io(_)
            | HttpError::ManyRedirects { .. }
            | HttpError::NoRanges
            | HttpError::Redirect { .. }
            | HttpError::Timeout { .. }
            | HttpError::Tls { .. }
            | HttpError::Url { .. } => true,
            // Not for us, gone, or too busy.
            HttpError::Status { status } => {
                [401, 403, 404, 407, 410, 429, 502, 503, 504].contains(status)
            }
            HttpError::ContentLength { .. }
            | HttpError::Encoding { .. }
            | HttpError::LongBody { .. }
            | HttpError::Protocol { .. }
            | HttpError::Range { .. }
            | HttpError::ShortBody { .. } => false,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            HttpError::Io(source) => source.kind(),
            HttpError::Status { status: 401 | 403 } => ErrorKind::PermissionDenied,
            HttpError::Tls { .. } => ErrorKind::ConnectionRefused,
            HttpError::Status { status: 404 | 410 } => ErrorKind::NotFound,
            HttpError::Timeout { .. } => ErrorKind::TimedOut,
            HttpError::NoRanges | HttpError::Https => ErrorKind::Unsupported,
            HttpError::Url { .. } => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        }
    }
}

/// Of a kind that says as much as a kind can; never [`ErrorKind::InvalidData`], which is
/// corruption.
impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> io::Error {
        let kind = match error.kind() {
            // A caller that reads on after an interruption would try again for ever; and the source
            // has not ended.
            ErrorKind::InvalidData | ErrorKind::Interrupted | ErrorKind::UnexpectedEof => {
                ErrorKind::Other
            }
            kind => kind,
        };
        io::Error::new(kind, error)
    }
}

impl From<ureq::Error> for HttpError {
    fn from(error: ureq::Error) -> HttpError {
        match error {
            ureq::Error::Io(source) => from_connection(source),
            #[cfg(feature = "https")]
            ureq::Error::Rustls(error) => HttpError::Tls { reason: error.to_string() },
            ureq::Error::Tls(reason) => HttpError::Tls { reason: reason.to_owned() },
            ureq::Error::RequireHttpsOnly(location) => HttpError::InsecureRedirect { location },
            ureq::Error::TlsRequired => HttpError::Https,
            ureq::Error::Timeout(limit) => HttpError::Timeout { limit: limit.to_string() },
            ureq::Error::HostNotFound => {
                HttpError::Io(io::Error::new(ErrorKind::NotFound, "host not found"))
            }
            ureq::Error::ConnectionFailed => {
                HttpError::Io(io::Error::other("no address could be connected to"))
            }
            error => HttpError::Protocol { reason: error.to_string() },
        }
    }
}

/// What has ended a connection: TLS, which would end the next one too, or the network.
fn from_connection(error: io::Error) -> HttpError {
    #[cfg(feature = "https")]
    if let Some(error) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        return HttpError::Tls { reason: error.to_string() };
    }
    HttpError::Io(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_file_is_told_from_what_is_about_one_answer() {
        let timeout = HttpError::Timeout { limit: "global".to_owned() };
        let changed =
            HttpError::Changed { what: "length", before: "1".to_owned(), after: "2".to_owned() };
        let failed = HttpError::Io(ErrorKind::ConnectionReset.into());
        for error in [timeout, changed, failed, HttpError::NoRanges] {
            assert!(crate::io::is_about_source(&error.into()));
        }
        for (status, is_about_file) in [(404, true), (416, false), (500, false), (503, true)] {
            let error = io::Error::from(HttpError::Status { status });
            assert_eq!(crate::io::is_about_source(&error), is_about_file, "{status}");
            // Also where somebody has wrapped it.
            assert_eq!(crate::io::is_about_source(&io::Error::other(error)), is_about_file);
        }
        for error in [
            HttpError::ShortBody { expected: 2, actual: 1 },
            HttpError::Protocol { reason: "none".to_owned() },
            HttpError::Range { first: 0, last: 1, answered: "bytes 2-3/4".to_owned() },
        ] {
            assert!(!crate::io::is_about_source(&error.into()));
        }
    }
}
