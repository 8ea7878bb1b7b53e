//! What an answer must say before its body counts.

use std::ops::Range;

use ureq::Body;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::HttpError;

/// The file as it was when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    len: u64,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Version {
    /// What the answer to a request for the first byte says of the file.
    pub(super) fn of(response: &Response<Body>) -> Result<Version, HttpError> {
        let headers = response.headers();
        let len = match (response.status(), content_range(headers)?) {
            (StatusCode::PARTIAL_CONTENT, ContentRange { bytes: Some(bytes), len: Some(len) })
                if bytes == (0..1) && len > 0 =>
            {
                check_form(headers, 1)?;
                len
            }
            (StatusCode::PARTIAL_CONTENT, _) => return Err(other_range(headers, &(0..1))),
            // Not even the first byte is there: the file is empty.
            (StatusCode::RANGE_NOT_SATISFIABLE, ContentRange { bytes: None, len: Some(0) }) => 0,
            _ => return Err(refused(response)),
        };
        let header = |name| headers.get(name).cloned();
        Ok(Version {
            len,
            etag: header(header::ETAG),
            last_modified: header(header::LAST_MODIFIED),
        })
    }

    /// The length of the file, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether the body of an answer is these bytes of this file.
    pub(super) fn check(
        &self,
        response: &Response<Body>,
        bytes: &Range<u64>,
    ) -> Result<(), HttpError> {
        let headers = response.headers();
        let range = content_range(headers)?;
        let answered = [StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
        if answered.contains(&response.status())
            && let Some(len) = range.len
            && len != self.len
        {
            return Err(changed("length", &self.len.to_string(), &len.to_string()));
        }
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(refused(response));
        }
        same("ETag", self.etag.as_ref(), headers.get(header::ETAG))?;
        same("Last-Modified", self.last_modified.as_ref(), headers.get(header::LAST_MODIFIED))?;
        if range.bytes.as_ref() != Some(bytes) || range.len.is_none() {
            return Err(other_range(headers, bytes));
        }
        check_form(headers, bytes.end - bytes.start)
    }
}

/// The bytes are sent as they are, and as many as were asked for, as far as the header says.
fn check_form(headers: &HeaderMap, expected: u64) -> Result<(), HttpError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(HttpError::Encoding { encoding: shown(encoding) });
    }
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) if length.as_bytes() != expected.to_string().as_bytes() => {
            Err(HttpError::ContentLength { expected, answered: shown(length) })
        }
        _ => Ok(()),
    }
}

/// Why an answer with that status cannot be used.
fn refused(response: &Response<Body>) -> HttpError {
    let status = response.status();
    if status == StatusCode::OK {
        return HttpError::NoRanges;
    }
    match response.headers().get(header::LOCATION) {
        Some(location) if status.is_redirection() => {
            HttpError::Redirect { location: shown(location) }
        }
        _ => HttpError::Status { status: status.as_u16() },
    }
}

fn same(
    name: &'static str,
    before: Option<&HeaderValue>,
    after: Option<&HeaderValue>,
) -> Result<(), HttpError> {
    if before == after {
        return Ok(());
    }
    let words = |value: Option<&HeaderValue>| value.map_or("none".to_owned(), shown);
    Err(changed(name, &words(before), &words(after)))
}

fn changed(what: &'static str, before: &str, after: &str) -> HttpError {
    HttpError::Changed { what, before: before.to_owned(), after: after.to_owned() }
}

fn other_range(headers: &HeaderMap, bytes: &Range<u64>) -> HttpError {
    let answered = headers.get(header::CONTENT_RANGE).map_or("none".to_owned(), shown);
    HttpError::Range { first: bytes.start, last: bytes.end.saturating_sub(1), answered }
}

/// The header `Content-Range`: which bytes of how many, each if it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ContentRange {
    bytes: Option<Range<u64>>,
    len: Option<u64>,
}

/// Reads the header; nothing of it is known where it is missing or says something else than a
/// range.
fn content_range(headers: &HeaderMap) -> Result<ContentRange, HttpError> {
    let text = single(headers, &header::CONTENT_RANGE)?.and_then(|value| value.to_str().ok());
    Ok(text.and_then(parse_content_range).unwrap_or_default())
}

fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (bytes, len) = text.strip_prefix("bytes ")?.split_once('/')?;
    let len = if len == "*" { None } else { Some(number(len)?) };
    if bytes == "*" {
        return Some(ContentRange { bytes: None, len });
    }
    let (first, last) = bytes.split_once('-')?;
    let (start, end) = (number(first)?, number(last)?.checked_add(1)?);
    Some(ContentRange { bytes: Some(start..end), len })
}

/// Digits and nothing else: no sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The only header of that name.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, HttpError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(HttpError::Protocol { reason: format!("several headers {name}") }),
    }
}

/// The beginning of what a header says.
fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let range = |bytes, len| Some(ContentRange { bytes, len });
        assert_eq!(parse_content_range("bytes 0-0/1"), range(Some(0..1), Some(1)));
        assert_eq!(parse_content_range("bytes 7-9/*"), range(Some(7..10), None));
        assert_eq!(parse_content_range("bytes */12"), range(None, Some(12)));
        for bad in [
            "",
            "bytes",
            "bytes 0-0",
            "bytes=0-0/1",
            "bytes 0/1",
            "bytes +0-0/1",
            "bytes 0-0/+1",
            "bytes 0-/1",
            "bytes -0/1",
            "bytes 0-0/",
            "bytes 0 - 0/1",
            "items 0-0/1",
            "bytes 0-18446744073709551615/1",
            "bytes 0-0/18446744073709551616",
            "bytes 0-0/1, 2-2/1",
        ] {
            assert_eq!(parse_content_range(bad), None, "{bad:?}");
        }
        // Backwards: no range that was ever asked for.
        assert!(parse_content_range("bytes 9-0/10").unwrap().bytes.unwrap().is_empty());
    }
}
