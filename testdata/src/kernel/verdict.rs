//! What the kernel did with a case, and what it should have done.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::tree::Tree;
use crate::number::to_len;

/// `ENOENT`: a hash algorithm that the kernel does not know.
pub const ENOENT: i32 = 2;
/// `E2BIG`: a hash device that ends before the tree does.
pub const E2BIG: i32 = 7;
/// `EACCES`: a key that may not be searched for.
pub const EACCES: i32 = 13;
/// `EINVAL`: an impossible table, an impossible key, or a message of a kind that is not expected.
pub const EINVAL: i32 = 22;
/// `ENOPKG`: an algorithm that no signature may have.
pub const ENOPKG: i32 = 65;
/// `EBADMSG`: something that is not a signature.
pub const EBADMSG: i32 = 74;
/// `ENOKEY`: no signature, or one by a key that the kernel does not trust.
pub const ENOKEY: i32 = 126;
/// `EKEYREVOKED`: a key that was revoked.
pub const EKEYREVOKED: i32 = 128;
/// `EKEYREJECTED`: a signature of something else.
pub const EKEYREJECTED: i32 = 129;

/// What the kernel did with a case.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The errno with which the kernel refused the table, 0 if it did not.
    pub table: i32,
    /// The blocks for which a read gave `EIO`.
    pub unreadable: BTreeSet<u64>,
    /// What reads of the other blocks gave, with zeros in the place of unreadable ones.
    pub data: Vec<u8>,
    /// The errno with which the kernel refused to mount the device, 0 if it did not.
    pub mount: i32,
    /// The files of the device, if that was mounted.
    pub tree: Option<Tree>,
    /// Where the list of these files is on the third disk, in bytes.
    pub(super) list: Option<Range<u64>>,
    /// The device's status after all reads: `V`, or `C` once something was corrupt.
    pub status: String,
    /// What the kernel logged, line by line. Of some things, such as corrupt blocks, it logs a
    /// limited number of lines.
    pub log: Vec<String>,
}

/// Shows the verdict in one line.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table != 0 {
            return write!(f, "table refused, errno {}", self.table);
        }
        write!(f, "mapped, status {}, {} bytes read", self.status, self.data.len())?;
        if !self.unreadable.is_empty() {
            write!(f, ", blocks {:?} unreadable", self.unreadable)?;
        }
        Ok(())
    }
}

/// What a case should come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The table is refused with this errno.
    Refused(i32),
    /// The table is taken.
    Activated {
        /// What is read.
        data: Vec<u8>,
        /// The data block size, in bytes.
        block_size: u32,
        /// The blocks for which a read gives `EIO`. The bytes of `data` in their place do not
        /// matter.
        unreadable: BTreeSet<u64>,
        /// Whether the status says that something was corrupt.
        corrupt: bool,
    },
}

impl Expectation {
    /// A device that gives the whole of `data` and reports no corruption.
    #[must_use]
    pub fn intact(data: &[u8], block_size: u32) -> Expectation {
        Expectation::without(data, block_size, [])
    }

    /// A device that gives `data` but for some blocks, and reports corruption if there are any.
    #[must_use]
    pub fn without(
        data: &[u8],
        block_size: u32,
        unreadable: impl IntoIterator<Item = u64>,
    ) -> Expectation {
        let unreadable: BTreeSet<u64> = unreadable.into_iter().collect();
        let corrupt = !unreadable.is_empty();
        Expectation::Activated { data: data.to_vec(), block_size, unreadable, corrupt }
    }

    /// Sets whether the status must report corruption.
    #[must_use]
    pub fn corrupt(mut self, says: bool) -> Expectation {
        if let Expectation::Activated { corrupt, .. } = &mut self {
            *corrupt = says;
        }
        self
    }

    /// Compares a verdict with the expectation.
    ///
    /// # Errors
    /// The difference in words, with what the kernel logged.
    pub fn check(&self, verdict: &Verdict) -> Result<(), String> {
        self.compare(verdict).map_err(|wrong| format!("{wrong}\n{}", verdict.log.join("\n")))
    }

    fn compare(&self, verdict: &Verdict) -> Result<(), String> {
        let (expected_errno, actual_errno) = (self.errno(), verdict.table);
        if actual_errno != expected_errno {
            return Err(format!("errno {actual_errno} for the table instead of {expected_errno}"));
        }
        let Expectation::Activated { data, block_size, unreadable, corrupt } = self else {
            return Ok(());
        };
        if verdict.unreadable != *unreadable {
            let [expected, actual] = [unreadable, &verdict.unreadable].map(ranges);
            return Err(format!("EIO for the blocks {actual} instead of {expected}"));
        }
        if verdict.data.len() != data.len() {
            return Err(format!("{} bytes instead of {}", verdict.data.len(), data.len()));
        }
        let size = to_len((*block_size).into());
        let mut blocks = (0_u64..).zip(verdict.data.chunks(size).zip(data.chunks(size)));
        if let Some((block, _)) = blocks
            .find(|(block, (actual, expected))| actual != expected && !unreadable.contains(block))
        {
            return Err(format!("other bytes than expected in block {block}"));
        }
        let (expected, actual) = (if *corrupt { "C" } else { "V" }, &verdict.status);
        if actual == expected {
            Ok(())
        } else {
            Err(format!("status {actual} instead of {expected}"))
        }
    }

    fn errno(&self) -> i32 {
        match self {
            Expectation::Refused(errno) => *errno,
            Expectation::Activated { .. } => 0,
        }
    }
}

/// Block numbers as text: `0-127, 130`.
fn ranges(blocks: &BTreeSet<u64>) -> String {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for &block in blocks {
        match ranges.last_mut() {
            Some(last) if last.end == block => last.end += 1,
            _ => ranges.push(block..block + 1),
        }
    }
    let words = ranges.iter().map(|range| match range.end - range.start {
        1 => range.start.to_string(),
        _ => format!("{}-{}", range.start, range.end - 1),
    });
    let text = words.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "(none)".to_owned() } else { text }
}

impl Verdict {
    /// Takes one line about a case; `None` if it is not such a line.
    pub(super) fn note(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "table" => self.table = rest.parse().ok()?,
            "unreadable" => {
                let (first, count) = rest.split_once(' ')?;
                let (first, count) = (u64::from_str(first).ok()?, u64::from_str(count).ok()?);
                self.unreadable.extend(first..first + count);
            }
            "mount" => self.mount = rest.parse().ok()?,
            "tree" => {
                let (start, bytes) = rest.split_once(' ')?;
                let (start, bytes) = (u64::from_str(start).ok()?, u64::from_str(bytes).ok()?);
                self.list = Some(start * 512..start * 512 + bytes);
            }
            // Since Linux 6.19 a count of repaired blocks follows.
            "status" => rest.split(' ').next()?.clone_into(&mut self.status),
            "log" => self.log.push(rest.to_owned()),
            "read" | "end" => {}
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTOR: usize = 512;

    fn verdict() -> Verdict {
        let mut data = vec![7; 4 * SECTOR];
        data[SECTOR..3 * SECTOR].fill(0);
        let (unreadable, status) = (BTreeSet::from([1, 2]), "C".to_owned());
        let log = vec!["a word".to_owned()];
        Verdict { unreadable, data, status, log, ..Verdict::default() }
    }

    #[test]
    fn an_expectation_is_met_by_that_verdict_alone() {
        let data = vec![7; 4 * SECTOR];
        let expected = Expectation::without(&data, 512, [1, 2]);
        assert_eq!(expected.check(&verdict()), Ok(()));
        let refused = |expected: &Expectation, verdict: &Verdict, word: &str| {
            let wrong = expected.check(verdict).unwrap_err();
            assert!(wrong.contains(word) && wrong.ends_with("a word"), "{wrong}");
        };
        refused(&Expectation::intact(&data, 512), &verdict(), "blocks 1-2 instead of (none)");
        refused(&Expectation::without(&data, 512, [1]), &verdict(), "1-2 instead of 1\n");
        refused(&expected.clone().corrupt(false), &verdict(), "status C instead of V");
        refused(&Expectation::Refused(ENOENT), &verdict(), "errno 0 for the table instead of 2");
        let refused_table = Verdict { table: ENOKEY, ..verdict() };
        refused(&expected, &refused_table, "errno 126 for the table instead of 0");
        refused(&Expectation::Refused(ENOENT), &refused_table, "errno 126 for the table instead");
        assert_eq!(Expectation::Refused(ENOKEY).check(&refused_table), Ok(()));
        let mut other = verdict();
        other.data[3 * SECTOR + 9] ^= 1;
        refused(&expected, &other, "other bytes than expected in block 3");
        let wrong_size = Expectation::without(&data[SECTOR..], 512, [1, 2]);
        refused(&wrong_size, &verdict(), "2048 bytes instead of 1536");
    }
}
