//! Data, zeros, or a hole: bytes that are known to be zero without being read.

/// What the bytes from an offset on are, and how far that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Bytes that must be read to be known.
    Data {
        /// Where they end at the earliest, in bytes from the start of the source.
        end: u64,
    },
    /// Bytes that are zero and take no storage.
    Hole {
        /// Where they end at the earliest, in bytes from the start of the source.
        end: u64,
    },
    /// Bytes that are zero and may take storage.
    Zero {
        /// Where they end at the earliest, in bytes from the start of the source.
        end: u64,
    },
}

impl Extent {
    /// Data to the end, whatever the length.
    pub const ALL_DATA: Extent = Extent::Data { end: u64::MAX };

    /// Where it ends, in bytes from the start of the source.
    pub fn end(self) -> u64 {
        match self {
            Extent::Data { end } | Extent::Hole { end } | Extent::Zero { end } => end,
        }
    }

    /// The extent if it ends beyond `offset`, in bytes, and data to the end otherwise: what a
    /// source must say of `offset` for a loop over its extents to come to an end.
    #[must_use]
    pub fn beyond(self, offset: u64) -> Extent {
        if self.end() > offset { self } else { Extent::ALL_DATA }
    }
}
