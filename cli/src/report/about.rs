//! What the command tells of itself, to people who ask for it instead of running anything.

use std::fmt;

use serde::Serialize;

/// A help text, or which version this is. In JSON one of the two keys is there.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    #[serde(skip)]
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

impl About {
    pub(crate) fn help(text: String) -> About {
        About { help: Some(text.clone()), version: None, text }
    }

    /// The version of this command, and the line that tells it.
    pub(crate) fn version(text: String) -> About {
        About { help: None, version: Some(env!("CARGO_PKG_VERSION")), text }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
