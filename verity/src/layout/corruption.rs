//! What is wrong with blocks: data, not text. Which block, which digest was expected, which one it
//! has.

use std::fmt;
use std::io;
use std::ops::Range;

use super::{BlockRef, Digest};

/// Why a block is not what the tree says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// The digest is not the one that the parent (or the root hash) states.
    Digest {
        /// The digest that the parent states.
        expected: Digest,
        /// The digest that the block has.
        actual: Digest,
    },
    /// A hash block whose digest is right, but whose unused bytes are not zero.
    SpareBytes {
        /// The first such byte, counted from the start of the block.
        offset: u64,
    },
    /// It cannot be read, so that nothing is known of its bytes. A repair and a search for all
    /// corrupt blocks list it beside them; elsewhere it is an error of the storage.
    Unreadable {
        /// The kind of error that the storage reported.
        kind: io::ErrorKind,
        /// The number of the system's error, if it was one.
        os_error: Option<i32>,
    },
}

impl Corruption {
    /// A block that was read in vain.
    pub(crate) fn unreadable(error: &io::Error) -> Corruption {
        Corruption::Unreadable { kind: error.kind(), os_error: error.raw_os_error() }
    }
}

/// Why a read has failed, in the system's words where it was the system that said so.
struct Reason(io::ErrorKind, Option<i32>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason(_, Some(code)) => io::Error::from_raw_os_error(code).fmt(f),
            Reason(io::ErrorKind::Other, None) => f.write_str("the storage has failed"),
            Reason(kind, None) => kind.fmt(f),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corruption::Digest { expected, actual } => {
                write!(f, "expected digest {expected}, actual {actual}")
            }
            Corruption::SpareBytes { offset } => {
                write!(f, "unused byte at {offset} in the block is not zero")
            }
            Corruption::Unreadable { kind, os_error } => {
                write!(f, "it cannot be read: {}", Reason(*kind, *os_error))
            }
        }
    }
}

/// A corrupt image: which blocks, as far as they were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The corrupt blocks, at least one range: higher hash levels first, then lower ones, then
    /// data, each by position.
    pub corruptions: Vec<CorruptRange>,
    /// How many corrupt blocks were found, listed or not, those that cannot be read among them.
    pub corrupt_blocks: u64,
    /// How many of them cannot be read. Counted by a repair and by
    /// [`Verifier::verify_all`](crate::Verifier::verify_all); 0 from a search for the first
    /// corruption.
    pub unreadable_blocks: u64,
    /// The data blocks that lie under corrupt hash blocks, in order, up to the limit: nothing can
    /// be said of them, and they were not looked at. The tree above them is not listed.
    pub unchecked: Vec<BlockRange>,
    /// How many data blocks those are, listed or not. Counted by a repair and by
    /// [`Verifier::verify_all`](crate::Verifier::verify_all); 0 from a search for the first
    /// corruption.
    pub unchecked_data_blocks: u64,
    /// Whether there may be more corrupt blocks than listed: the verification stopped at the first,
    /// or found more ranges than the limit.
    pub truncated: bool,
}

/// Corrupt blocks in a row, all data or all of one hash level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptRange {
    /// The first of them.
    pub first: BlockRef,
    /// How many there are.
    pub blocks: u64,
    /// What is wrong with the first one.
    pub corruption: Corruption,
}

/// Blocks in a row, all data or all of one hash level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// The first of them.
    pub first: BlockRef,
    /// How many there are.
    pub blocks: u64,
}

impl BlockRange {
    /// Data blocks in a row.
    pub(crate) fn of_data(blocks: &Range<u64>) -> BlockRange {
        BlockRange {
            first: BlockRef::Data { block: blocks.start },
            blocks: blocks.end.saturating_sub(blocks.start),
        }
    }
}

impl Report {
    /// One corrupt block, where the search ended.
    pub(crate) fn of_one(first: BlockRef, corruption: Corruption) -> Report {
        Report {
            corruptions: vec![CorruptRange { first, blocks: 1, corruption }],
            corrupt_blocks: 1,
            unreadable_blocks: 0,
            unchecked: Vec::new(),
            unchecked_data_blocks: 0,
            truncated: true,
        }
    }
}

impl fmt::Display for CorruptRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CorruptRange { first, blocks, corruption } = self;
        let last = first.block().saturating_add(blocks.saturating_sub(1));
        match (corruption, blocks) {
            (Corruption::Unreadable { kind, os_error }, 1) => {
                write!(f, "{first} cannot be read: {}", Reason(*kind, *os_error))
            }
            (Corruption::Unreadable { kind, os_error }, _) => {
                let reason = Reason(*kind, *os_error);
                write!(f, "{first} to {last} cannot be read; the first: {reason}")
            }
            (_, 1) => write!(f, "{first} is corrupt: {corruption}"),
            (_, _) => write!(f, "{first} to {last} are corrupt; the first: {corruption}"),
        }
    }
}

impl fmt::Display for Report {
    /// The first range, and whether there are more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.corruptions.as_slice() {
            [] => f.write_str("corrupt"),
            [only] if self.truncated => write!(f, "{only}; there may be more"),
            [only] => write!(f, "{only}"),
            [first, ..] if self.unreadable_blocks == 0 => {
                write!(f, "{first} ({} corrupt blocks in all)", self.corrupt_blocks)
            }
            [first, ..] if self.unreadable_blocks == self.corrupt_blocks => {
                write!(f, "{first} ({} unreadable blocks in all)", self.unreadable_blocks)
            }
            [first, ..] => {
                let corrupt = self.corrupt_blocks.saturating_sub(self.unreadable_blocks);
                let unreadable = self.unreadable_blocks;
                write!(f, "{first} ({corrupt} corrupt and {unreadable} unreadable blocks in all)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(block: u64, corruption: Corruption) -> CorruptRange {
        CorruptRange { first: BlockRef::Data { block }, blocks: 1, corruption }
    }

    #[test]
    fn what_cannot_be_read_is_told_in_the_words_of_the_system() {
        // ENODATA, which has no kind of its own, and EIO.
        for (code, words) in [(61, "No data available"), (5, "Input/output error")] {
            let corruption = Corruption::unreadable(&io::Error::from_raw_os_error(code));
            let text = range(3, corruption).to_string();
            assert_eq!(text, format!("data block 3 cannot be read: {words} (os error {code})"));
        }
        let told = |kind: io::ErrorKind| Corruption::unreadable(&kind.into()).to_string();
        assert_eq!(told(io::ErrorKind::TimedOut), "it cannot be read: timed out");
        assert_eq!(told(io::ErrorKind::Other), "it cannot be read: the storage has failed");
    }

    #[test]
    fn ranges_are_told_from_first_to_last() {
        let spare = Corruption::SpareBytes { offset: 7 };
        let rows = CorruptRange { blocks: 3, ..range(5, spare) };
        assert!(
            rows.to_string().starts_with("data block 5 to 7 are corrupt; the first: "),
            "{rows}"
        );
        let one = Report::of_one(BlockRef::Data { block: 5 }, spare);
        assert!(one.to_string().ends_with("; there may be more"), "{one}");
        let only = Report { truncated: false, ..one };
        assert_eq!(only.to_string(), range(5, spare).to_string());
    }

    #[test]
    fn a_report_counts_nothing_that_is_not_there() {
        let spare = Corruption::SpareBytes { offset: 7 };
        let lost = Corruption::unreadable(&io::ErrorKind::TimedOut.into());
        let text = |corruptions: Vec<CorruptRange>, unreadable_blocks| {
            let report = Report {
                corrupt_blocks: 2,
                unreadable_blocks,
                truncated: false,
                corruptions,
                ..Report::of_one(BlockRef::Data { block: 0 }, spare)
            };
            report.to_string().split_once(" (").unwrap().1.to_owned()
        };
        let (a, b) = (range(1, lost), range(4, spare));
        assert_eq!(text(vec![b, range(6, spare)], 0), "2 corrupt blocks in all)");
        assert_eq!(text(vec![a, b], 1), "1 corrupt and 1 unreadable blocks in all)");
        assert_eq!(text(vec![a, range(3, lost)], 2), "2 unreadable blocks in all)");
    }
}
