//! A verity table as the kernel shows it, and its status text.
//!
//! Reading is more tolerant than [`verity::table::Table`]'s: what is live may have been loaded by
//! anyone, with an algorithm or an option that this library does not know.

use std::str::{FromStr, SplitAsciiWhitespace};

use verity::table::{FecOptions, TableOptions};
use verity::{Params, RootHash};

use super::DeviceNumber;
use super::bytes::RecordError;

/// The parameters of a live verity target. Devices are `MAJOR:MINOR` where the kernel wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerityLine {
    /// 1, or 0 as Chrome OS has it.
    pub hash_type: u32,
    /// The device that holds the data.
    pub data_device: String,
    /// The device that holds the tree.
    pub hash_device: String,
    /// The data block size, in bytes.
    pub data_block_size: u32,
    /// The hash block size, in bytes.
    pub hash_block_size: u32,
    /// How many data blocks are covered.
    pub data_blocks: u64,
    /// Where the tree begins, in hash blocks from the start of its device.
    pub hash_start: u64,
    /// The hash algorithm as the kernel was told it.
    pub algorithm: String,
    /// The root hash, in hexadecimal digits.
    pub root_hash: String,
    /// The salt in hexadecimal digits, empty without one.
    pub salt: String,
    /// The options.
    pub options: VerityLineOptions,
}

/// The options of a live verity target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerityLineOptions {
    /// Those that this library knows.
    pub known: TableOptions,
    /// The description of the key that holds the signature, whatever it consists of. Those that a
    /// table of this library can have are also among the known ones.
    pub key_description: Option<String>,
    /// Words that it does not know, in their order, and then those about parity if it cannot be
    /// understood.
    pub unknown: Vec<String>,
}

impl VerityLine {
    /// Reads the parameters: what `dmsetup table` shows behind `verity`.
    ///
    /// # Errors
    /// When the ten words that every kernel writes are not there, or are no numbers.
    pub fn parse(parameters: &str) -> Result<VerityLine, RecordError> {
        let mut words = parameters.split_ascii_whitespace();
        let line = Self::parse_fixed(&mut words);
        let mut line = line.ok_or(RecordError::of_answer("it is no verity table"))?;
        // The count says nothing that the words do not say.
        let _count = words.next();
        line.options = VerityLineOptions::parse(words);
        Ok(line)
    }

    fn parse_fixed(words: &mut SplitAsciiWhitespace<'_>) -> Option<VerityLine> {
        Some(VerityLine {
            hash_type: next(words)?,
            data_device: next(words)?,
            hash_device: next(words)?,
            data_block_size: next(words)?,
            hash_block_size: next(words)?,
            data_blocks: next(words)?,
            hash_start: next(words)?,
            algorithm: next(words)?,
            root_hash: next(words)?,
            salt: words.next().map(|salt| if salt == "-" { "" } else { salt })?.to_owned(),
            options: VerityLineOptions::default(),
        })
    }

    /// The number of the device that holds the data.
    #[must_use]
    pub fn data_number(&self) -> Option<DeviceNumber> {
        self.data_device.parse().ok()
    }

    /// The number of the device that holds the tree.
    #[must_use]
    pub fn hash_number(&self) -> Option<DeviceNumber> {
        self.hash_device.parse().ok()
    }

    /// The number of the device that holds the parity.
    #[must_use]
    pub fn fec_number(&self) -> Option<DeviceNumber> {
        self.options.known.fec.as_ref()?.device.as_str().parse().ok()
    }

    /// Whether the tree has these parameters and begins there, in hash blocks from the start of its
    /// device.
    #[must_use]
    pub fn has_params(&self, params: &Params, hash_start: u64) -> bool {
        self.hash_type.to_string() == params.hash_type().to_string()
            && self.data_block_size == params.data_block_size().bytes()
            && self.hash_block_size == params.hash_block_size().bytes()
            && self.data_blocks == params.data_blocks()
            && self.hash_start == hash_start
            && self.algorithm == params.algorithm().name()
            && self.salt.to_ascii_lowercase() == hex::encode(params.salt().as_bytes())
    }

    /// Whether this is the root hash.
    #[must_use]
    pub fn has_root_hash(&self, root_hash: RootHash) -> bool {
        self.root_hash.eq_ignore_ascii_case(&root_hash.to_string())
    }

    /// Where parity begins, in blocks, how many blocks it covers, and how many roots it has; `None`
    /// without parity.
    #[must_use]
    pub fn parity(&self) -> Option<(u64, u64, u32)> {
        self.options.known.fec.as_ref().map(|fec| (fec.start, fec.blocks, fec.roots))
    }

    /// Whether the root hash was signed when the table was loaded.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.options.key_description.is_some()
    }
}

impl VerityLineOptions {
    /// Reads option words. Of what is said twice the last counts; a kernel has refused two modes.
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> VerityLineOptions {
        let (mut options, mut fec) = (VerityLineOptions::default(), FecWords::default());
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            if options.set_flag(word) {
                continue;
            }
            let is_taken = words
                .peek()
                .is_some_and(|value| fec.set(word, value) || options.set_key(word, value));
            if is_taken {
                words.next();
            } else {
                options.unknown.push(word.to_owned());
            }
        }
        options.known.fec = fec.finish();
        if options.known.fec.is_none() {
            options.unknown.extend(fec.words);
        }
        options
    }

    /// Takes a word that has no value.
    fn set_flag(&mut self, word: &str) -> bool {
        let Ok(one) = TableOptions::from_words([word]) else { return false };
        // Without `..`: an option that is new to the library is not forgotten here.
        let TableOptions {
            on_corruption,
            on_error,
            ignore_zero_blocks,
            check_at_most_once,
            try_verify_in_tasklet,
            fec: _,
            root_hash_sig_key_desc: _,
        } = one;
        let known = &mut self.known;
        known.on_corruption = on_corruption.or(known.on_corruption);
        known.on_error = on_error.or(known.on_error);
        known.ignore_zero_blocks |= ignore_zero_blocks;
        known.check_at_most_once |= check_at_most_once;
        known.try_verify_in_tasklet |= try_verify_in_tasklet;
        true
    }

    fn set_key(&mut self, word: &str, value: &str) -> bool {
        if word != "root_hash_sig_key_desc" {
            return false;
        }
        self.known.root_hash_sig_key_desc = value.parse().ok();
        self.key_description = Some(value.to_owned());
        true
    }

    /// The words of flags in the order in which status reports show them, without forward error
    /// correction and signature.
    #[must_use]
    pub fn flag_words(&self) -> Vec<String> {
        let known = TableOptions { fec: None, root_hash_sig_key_desc: None, ..self.known.clone() };
        known.words()
    }
}

/// The four words about forward error correction, with their values.
#[derive(Default)]
struct FecWords {
    device: Option<String>,
    start: Option<u64>,
    blocks: Option<u64>,
    roots: Option<u32>,
    /// All of them and their values, as they were read.
    words: Vec<String>,
}

impl FecWords {
    fn set(&mut self, word: &str, value: &str) -> bool {
        match word {
            "use_fec_from_device" => self.device = Some(value.to_owned()),
            "fec_start" => self.start = value.parse().ok(),
            "fec_blocks" => self.blocks = value.parse().ok(),
            "fec_roots" => self.roots = value.parse().ok(),
            _ => return false,
        }
        self.words.extend([word.to_owned(), value.to_owned()]);
        true
    }

    /// What they say, if all four are there and can be read.
    fn finish(&self) -> Option<FecOptions> {
        Some(FecOptions {
            device: self.device.as_ref()?.parse().ok()?,
            start: self.start?,
            blocks: self.blocks?,
            roots: self.roots?,
        })
    }
}

fn next<T: FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

/// The status text of a verity target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The first letter: `V` as long as the kernel met nothing corrupt, `C` from then on; `?` if
    /// there was none.
    pub letter: char,
    /// How many blocks were repaired by parity, where the kernel counts them (Linux 6.19) and the
    /// device has parity.
    pub repaired: Option<u64>,
}

impl Health {
    /// Reads the status text. Only the first letter and a number behind it are looked at.
    #[must_use]
    pub fn parse(text: &str) -> Health {
        let mut words = text.split_ascii_whitespace();
        let letter = words.next().and_then(|word| word.chars().next()).unwrap_or('?');
        Health { letter, repaired: words.next().and_then(|word| word.parse().ok()) }
    }

    /// Whether the kernel has met nothing corrupt so far. It says nothing of what was not read.
    #[must_use]
    pub fn is_uncorrupted(self) -> bool {
        self.letter == 'V'
    }
}
