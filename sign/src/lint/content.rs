//! The text that a root hash signature must cover, and what is signed instead by mistake.

/// What the kernel compares a signature with: the root hash exactly as the table writes it.
#[derive(Debug)]
pub(super) struct Texts<'t> {
    text: Option<&'t str>,
}

impl<'t> Texts<'t> {
    pub(super) fn new(text: Option<&'t str>) -> Texts<'t> {
        Texts { text }
    }

    /// The signed bytes, if the root hash was told.
    pub(super) fn signed(&self) -> Option<&'t [u8]> {
        self.text.map(str::as_bytes)
    }

    /// What is assumed if the root hash was not told.
    pub(super) fn assumption(&self) -> String {
        "the signed text is the root hash as the table writes it".to_owned()
    }

    /// Words on the well-known other text that is signed instead, if one is.
    pub(super) fn mistake(&self, signed: impl Fn(&[u8]) -> bool) -> Option<String> {
        let mistakes = mistakes(self.text?);
        let (_, name) = mistakes.iter().find(|(bytes, _)| signed(bytes))?;
        Some(format!("what is signed is not the root hash as the table writes it, but {name}"))
    }
}

fn mistakes(text: &str) -> Vec<(Vec<u8>, &'static str)> {
    let (lower, upper) = (text.to_ascii_lowercase(), text.to_ascii_uppercase());
    let mut mistakes: Vec<(Vec<u8>, &'static str)> = vec![
        (format!("{text}\n").into(), "the same with a newline at the end"),
        (format!("{text}\r\n").into(), "the same with CR LF at the end"),
        (format!("{text}\0").into(), "the same with a zero byte at the end"),
        (format!("{lower}\n").into(), "the same in lower case with a newline"),
        (format!("{upper}\n").into(), "the same in upper case with a newline"),
        (lower.into(), "the same in lower case"),
        (upper.into(), "the same in upper case"),
    ];
    if let Ok(digest) = hex::decode(text) {
        mistakes.push((digest, "the binary hash instead of its text"));
    }
    mistakes
}
