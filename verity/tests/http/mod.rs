//! A file on an HTTP server as a source: real servers, broken ones and hostile ones.

mod hostile;
mod nginx;
mod server;
#[cfg(feature = "https")]
mod tls;

use std::io;

use verity::io::http::HttpError;

/// What a failed read says of HTTP.
fn cause(error: &io::Error) -> &HttpError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause.unwrap_or_else(|| panic!("not from HTTP: {error:?}"))
}
