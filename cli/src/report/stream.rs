//! Where results go, and in which form.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::outputs;
use crate::quoted::{PlainJson, PlainLines};

/// The version of the JSON objects.
const SCHEMA: u32 = 2;

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    /// Standard output is for data.
    Stderr,
}

impl Stream {
    pub(crate) fn print(self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        match self {
            Stream::Stdout => outputs::stdout()?.write_all(text.as_bytes()),
            Stream::Stderr => io::stderr().write_all(text.as_bytes()),
        }
    }
}

/// A document as one line with a JSON object, or as the text that it displays.
pub(super) fn render(document: &(impl Serialize + Display), json: bool) -> io::Result<String> {
    if !json {
        return Ok(PlainLines(&document.to_string()).to_string());
    }
    let text = serde_json::to_string(&Versioned { schema: SCHEMA, document })?;
    Ok(format!("{}\n", PlainJson(&text)))
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    schema: u32,
    #[serde(flatten)]
    document: &'a T,
}
