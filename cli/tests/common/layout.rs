//! How data, hash area and parity share files.

/// Which files there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layout {
    Three,
    HashWithParity,
    DataWithHash,
    DataWithParity,
    One,
}

impl Layout {
    pub(crate) const ALL: [Layout; 5] = [
        Layout::Three,
        Layout::HashWithParity,
        Layout::DataWithHash,
        Layout::DataWithParity,
        Layout::One,
    ];

    /// The files of data, hash area and parity.
    pub(crate) fn names(self) -> [&'static str; 3] {
        match self {
            Layout::Three => ["data", "hash", "fec"],
            Layout::HashWithParity => ["data", "hash", "hash"],
            Layout::DataWithHash => ["data", "data", "fec"],
            Layout::DataWithParity => ["data", "hash", "data"],
            Layout::One => ["data", "data", "data"],
        }
    }
}
