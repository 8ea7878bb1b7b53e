//! The optional parameters of a verity table.

use super::names::{
    CHECK_AT_MOST_ONCE, FEC_BLOCKS, FEC_DEVICE, FEC_ROOTS, FEC_START, IGNORE_CORRUPTION,
    IGNORE_ZERO_BLOCKS, KEY, OPTIONS, PANIC_ON_CORRUPTION, PANIC_ON_ERROR, RESTART_ON_CORRUPTION,
    RESTART_ON_ERROR, TRY_VERIFY_IN_TASKLET,
};
use super::word::{excerpt, number};
use super::{DeviceName, KeyDescription, TableError};
use crate::{FecArea, FecError, HashArea, Params};

/// The optional parameters of a verity table. By default no option is set: the kernel answers a
/// corrupt block with an I/O error.
///
/// Kernels to come will have more of them, so name the rest by `..TableOptions::default()`. Code
/// that must know every option names all of them, and does not compile before it knows a new one.
///
/// Their words are always written in the order of [`TableOptions::NAMES`]; in a line that is read
/// they may stand in any order.
///
/// ```
/// use verity::table::{OnCorruption, TableOptions};
///
/// let options = TableOptions::from_words(["ignore_zero_blocks", "restart_on_corruption"])?;
/// assert_eq!(options.on_corruption, Some(OnCorruption::Restart));
/// assert_eq!(options.words(), ["restart_on_corruption", "ignore_zero_blocks"]);
/// # Ok::<(), verity::table::TableError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// What to do about a corrupt block, instead of an I/O error.
    pub on_corruption: Option<OnCorruption>,
    /// What to do about an I/O error of the devices below (Linux 6.12).
    pub on_error: Option<OnError>,
    /// Return zeros without reading where the tree says that a block is zero (Linux 4.5).
    pub ignore_zero_blocks: bool,
    /// Check data blocks only when they are first read (Linux 4.17). Later changes go unseen.
    pub check_at_most_once: bool,
    /// Try to verify in a tasklet instead of a work queue (Linux 6.0).
    pub try_verify_in_tasklet: bool,
    /// Correct corrupt blocks with Reed-Solomon parity (Linux 4.5).
    pub fec: Option<FecOptions>,
    /// The key that holds a signature of the root hash (Linux 5.4).
    pub root_hash_sig_key_desc: Option<KeyDescription>,
}

/// What the kernel does about a corrupt block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCorruption {
    /// Log it and return the data anyway (Linux 4.1).
    Ignore,
    /// Restart the machine (Linux 4.1).
    Restart,
    /// Panic (Linux 5.9).
    Panic,
}

impl OnCorruption {
    const ALL: [OnCorruption; 3] =
        [OnCorruption::Ignore, OnCorruption::Restart, OnCorruption::Panic];

    /// The word for it in a table.
    pub fn name(self) -> &'static str {
        match self {
            OnCorruption::Ignore => IGNORE_CORRUPTION,
            OnCorruption::Restart => RESTART_ON_CORRUPTION,
            OnCorruption::Panic => PANIC_ON_CORRUPTION,
        }
    }
}

/// What the kernel does about an I/O error of the data or hash device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// Restart the machine (Linux 6.12).
    Restart,
    /// Panic (Linux 6.12).
    Panic,
}

impl OnError {
    const ALL: [OnError; 2] = [OnError::Restart, OnError::Panic];

    /// The word for it in a table.
    pub fn name(self) -> &'static str {
        match self {
            OnError::Restart => RESTART_ON_ERROR,
            OnError::Panic => PANIC_ON_ERROR,
        }
    }
}

/// Where the parity for forward error correction lies and what it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FecOptions {
    /// The device that holds the parity.
    pub device: DeviceName,
    /// The first block of parity, in blocks from the start of that device.
    pub start: u64,
    /// How many blocks it covers: the data and the tree, possibly more. Not the size of the parity.
    pub blocks: u64,
    /// Parity bytes in a codeword of 255: 2 to 24.
    pub roots: u32,
}

impl FecOptions {
    /// The parity of this area, which `device` holds.
    pub fn new(device: DeviceName, fec_area: &FecArea) -> FecOptions {
        let (start, blocks, roots) = (fec_area.start(), fec_area.blocks(), fec_area.roots());
        FecOptions { device, start, blocks, roots }
    }

    /// What the parity is and covers beside this tree.
    pub(super) fn area(&self, params: &Params, hash_area: &HashArea) -> Result<FecArea, FecError> {
        let hash_block_size = params.hash_block_size();
        // A start beyond 64 bits of bytes becomes the last one within, where no parity fits either.
        let offset = self
            .start
            .min(hash_block_size.whole_blocks(u64::MAX))
            .saturating_mul(hash_block_size.into());
        FecArea::new(params, hash_area, self.roots, self.blocks, offset)
    }
}

impl TableOptions {
    /// The names of all options, in the order in which they are written.
    pub const NAMES: &[&str] = OPTIONS;

    /// Reads option words, those that take a value followed by it.
    ///
    /// # Errors
    /// When a word is unknown, is given twice, contradicts another or lacks its value, and when
    /// some but not all words about forward error correction are there.
    pub fn from_words<'a>(
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<TableOptions, TableError> {
        let mut parser = Parser::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            parser.read(word, &mut words)?;
        }
        parser.finish()
    }

    /// Reads options one by one, each with its value if it was given one.
    ///
    /// ```
    /// use verity::table::TableOptions;
    ///
    /// let options = TableOptions::from_pairs([("ignore_zero_blocks", None)])?;
    /// assert!(options.ignore_zero_blocks);
    /// assert!(TableOptions::from_pairs([("ignore_zero_blocks", Some("1"))]).is_err());
    /// # Ok::<(), verity::table::TableError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TableOptions::from_words`], and when an option has a value that it does not take.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<TableOptions, TableError> {
        let mut parser = Parser::default();
        for (name, value) in pairs {
            let mut rest = value.into_iter();
            parser.read(name, &mut rest)?;
            let known = OPTIONS.iter().find(|option| **option == name);
            if let (Some(option), Some(_)) = (known, rest.next()) {
                return Err(TableError::UnexpectedValue { option });
            }
        }
        parser.finish()
    }

    /// The option words, as many as the count in a table line says.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.on_corruption.map(|mode| mode.name().into()));
        words.extend(self.on_error.map(|mode| mode.name().into()));
        let flags = [
            (self.ignore_zero_blocks, IGNORE_ZERO_BLOCKS),
            (self.check_at_most_once, CHECK_AT_MOST_ONCE),
            (self.try_verify_in_tasklet, TRY_VERIFY_IN_TASKLET),
        ];
        words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).into()));
        if let Some(fec) = &self.fec {
            words.extend([FEC_DEVICE.into(), fec.device.to_string()]);
            words.extend([FEC_START.into(), fec.start.to_string()]);
            words.extend([FEC_BLOCKS.into(), fec.blocks.to_string()]);
            words.extend([FEC_ROOTS.into(), fec.roots.to_string()]);
        }
        if let Some(key) = &self.root_hash_sig_key_desc {
            words.extend([KEY.into(), key.to_string()]);
        }
        words
    }
}

/// Options as they are read; the four about error correction are put together at the end.
#[derive(Default)]
struct Parser {
    options: TableOptions,
    fec_device: Option<DeviceName>,
    fec_start: Option<u64>,
    fec_blocks: Option<u64>,
    fec_roots: Option<u32>,
}

impl Parser {
    fn read<'a>(
        &mut self,
        word: &'a str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), TableError> {
        let options = &mut self.options;
        if let Some(&mode) = OnCorruption::ALL.iter().find(|mode| mode.name() == word) {
            return set_mode(&mut options.on_corruption, mode, OnCorruption::name);
        }
        if let Some(&mode) = OnError::ALL.iter().find(|mode| mode.name() == word) {
            return set_mode(&mut options.on_error, mode, OnError::name);
        }
        match word {
            IGNORE_ZERO_BLOCKS => set_flag(&mut options.ignore_zero_blocks, IGNORE_ZERO_BLOCKS),
            CHECK_AT_MOST_ONCE => set_flag(&mut options.check_at_most_once, CHECK_AT_MOST_ONCE),
            TRY_VERIFY_IN_TASKLET => {
                set_flag(&mut options.try_verify_in_tasklet, TRY_VERIFY_IN_TASKLET)
            }
            FEC_DEVICE => set(&mut self.fec_device, FEC_DEVICE, rest, DeviceName::new),
            FEC_START => set(&mut self.fec_start, FEC_START, rest, |t| number(FEC_START, t)),
            FEC_BLOCKS => set(&mut self.fec_blocks, FEC_BLOCKS, rest, |t| number(FEC_BLOCKS, t)),
            FEC_ROOTS => set(&mut self.fec_roots, FEC_ROOTS, rest, |t| number(FEC_ROOTS, t)),
            KEY => set(&mut options.root_hash_sig_key_desc, KEY, rest, KeyDescription::new),
            unknown => Err(TableError::UnknownOption { name: excerpt(unknown) }),
        }
    }

    fn finish(mut self) -> Result<TableOptions, TableError> {
        self.options.fec = match (self.fec_device, self.fec_start, self.fec_blocks, self.fec_roots)
        {
            (None, None, None, None) => None,
            (device, start, blocks, roots) => {
                let missing = |option| move || TableError::IncompleteFec { missing: option };
                Some(FecOptions {
                    device: device.ok_or_else(missing(FEC_DEVICE))?,
                    start: start.ok_or_else(missing(FEC_START))?,
                    blocks: blocks.ok_or_else(missing(FEC_BLOCKS))?,
                    roots: roots.ok_or_else(missing(FEC_ROOTS))?,
                })
            }
        };
        Ok(self.options)
    }
}

fn set_flag(flag: &mut bool, name: &'static str) -> Result<(), TableError> {
    if std::mem::replace(flag, true) {
        return Err(TableError::DuplicateOption { name });
    }
    Ok(())
}

fn set_mode<T: Copy + PartialEq>(
    slot: &mut Option<T>,
    mode: T,
    name: fn(T) -> &'static str,
) -> Result<(), TableError> {
    match slot.replace(mode) {
        None => Ok(()),
        Some(earlier) if earlier == mode => Err(TableError::DuplicateOption { name: name(mode) }),
        Some(earlier) => {
            Err(TableError::ConflictingOptions { first: name(earlier), second: name(mode) })
        }
    }
}

fn set<'a, T>(
    slot: &mut Option<T>,
    name: &'static str,
    rest: &mut impl Iterator<Item = &'a str>,
    parse: impl Fn(&'a str) -> Result<T, TableError>,
) -> Result<(), TableError> {
    let value = rest.next().ok_or(TableError::MissingValue { option: name })?;
    match slot.replace(parse(value)?) {
        None => Ok(()),
        Some(_) => Err(TableError::DuplicateOption { name }),
    }
}
