//! A command line, and what is known of it.

/// A command line that a case is given to.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Split at blanks. That of a server has no socket yet.
    pub(crate) words: String,
    /// The exit code with an honest input.
    pub(crate) code: i32,
    /// The files that it writes if it ends well, and only then.
    pub(crate) makes: Vec<(&'static str, Made)>,
}

/// What a file is that a run has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Anything: what is right follows from what is hostile.
    Something,
    /// The data; of a hostile image perhaps less of it.
    Data,
    /// So many bytes from the start of the data.
    Start(usize),
    /// A copy of this input, as it is when it is repaired.
    CopyOf(&'static str),
    /// An input that is repaired where it lies.
    Repaired,
    /// An input whose blocks are what they were or what they should be.
    Blocks,
    /// The signature of what is in this file, by the key that tests have.
    SignatureOf(&'static str),
}

/// A line that makes nothing and ends with 0.
pub(crate) fn line(words: impl Into<String>) -> Line {
    Line { words: words.into(), code: 0, makes: Vec::new() }
}

impl Line {
    pub(crate) fn code(self, code: i32) -> Line {
        Line { code, ..self }
    }

    pub(crate) fn makes(mut self, name: &'static str, made: Made) -> Line {
        self.makes.push((name, made));
        self
    }

    pub(crate) fn is_server(&self) -> bool {
        self.words.starts_with("serve ")
    }

    /// Whether its standard output is data; and how much, if that is said.
    pub(crate) fn says_data(&self) -> Option<Option<usize>> {
        if !self.words.starts_with("read ") || self.words.contains("--output") {
            return None;
        }
        let length = self.words.split_once("--length ").map(|(_, rest)| {
            rest.split(' ').next().unwrap().parse().expect("a number of bytes without a suffix")
        });
        Some(length)
    }
}
