//! The kernel's view of a verity device: device-mapper tables, as text, in both directions.
//!
//! [`Table`] is one line as `dmsetup` takes it; [`DmModCreate`] the value of the kernel's
//! `dm-mod.create=` parameter; [`grub_set`] a line of a GRUB configuration, [`systemd_parameters`]
//! and [`veritytab_line`] what systemd reads. Text only: nothing here
//! activates a device or looks at one. Parsing is stricter than the kernel's: what it accepts,
//! [`Table`] writes back in one spelling. Source:
//! `Documentation/admin-guide/device-mapper/verity.rst` and `dm-init.rst` of Linux.

// Safety rests on these sums, and a program that links the library may be built without
// overflow checks: what could leave 64 bits is checked, or ends where nothing can be read.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod dm_mod_create;
mod error;
mod grub;
mod limits;
mod names;
mod options;
mod systemd;
mod word;

use std::fmt;
use std::str::{FromStr, SplitAsciiWhitespace};

pub use self::dm_mod_create::{DmDevice, DmModCreate};
pub use self::error::TableError;
pub use self::grub::grub_set;
use self::limits::MAX_LINE;
pub use self::options::{FecOptions, OnCorruption, OnError, TableOptions};
pub use self::systemd::{systemd_parameters, veritytab_line};
pub use self::word::{DeviceName, KeyDescription};
use self::word::{excerpt, number};
use crate::devices::PlaceError;
use crate::number::to_u64;
use crate::{
    Algorithm, BlockSize, Devices, FecArea, HashArea, HashType, Params, RootHash, Sharing,
};

/// The unit of device-mapper's start and length, in bytes.
const SECTOR: u64 = 512;

/// A device-mapper table of one verity target.
/// The text is
/// `0 <sectors> verity <hash_type> <data_device> <hash_device> <data_block_size> <hash_block_size>
/// <data_blocks> <hash_start> <algorithm> <root_hash> <salt> [<count> <option words>]`,
/// with single spaces, digests in lower case and `-` for no salt.
///
/// ```
/// use verity::table::{DeviceName, Table};
/// use verity::{HashArea, Params};
///
/// let params = Params::builder().data_blocks(300).build()?;
/// let area = HashArea::new(&params, 0, true)?;
/// let table = Table::new(
///     params,
///     "ab".repeat(32).parse()?,
///     DeviceName::new("/dev/vda1")?,
///     DeviceName::new("/dev/vda2")?,
///     area.hash_start(),
/// )?;
/// let line = table.to_string();
/// assert!(line.starts_with("0 2400 verity 1 /dev/vda1 /dev/vda2 4096 4096 300 1 sha256 abab"));
/// assert_eq!(line.parse::<Table>()?, table);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    params: Params,
    root_hash: RootHash,
    data_device: DeviceName,
    hash_device: DeviceName,
    hash_start: u64,
    options: TableOptions,
}

impl Table {
    /// A table without options. `hash_start` is where the tree begins, in hash blocks from the
    /// start of the hash device: [`HashArea::hash_start`].
    ///
    /// # Errors
    /// When the root hash is no digest of the algorithm, the tree would end beyond 2^64 bytes, or
    /// both devices have one name and the tree lies in the data.
    pub fn new(
        params: Params,
        root_hash: RootHash,
        data_device: DeviceName,
        hash_device: DeviceName,
        hash_start: u64,
    ) -> Result<Table, TableError> {
        let algorithm = params.algorithm();
        let (expected, actual) = (algorithm.digest_size(), root_hash.digest().size());
        if expected != actual {
            return Err(TableError::RootHashSize { algorithm, expected, actual });
        }
        check_hash_start(&params, hash_start, data_device == hash_device)?;
        let options = TableOptions::default();
        Ok(Table { params, root_hash, data_device, hash_device, hash_start, options })
    }

    /// Replaces the options of the table.
    ///
    /// # Errors
    /// When forward error correction is among them and does not fit the tree, or lies on a device
    /// of the same name as data or tree and within them.
    pub fn with_options(mut self, options: TableOptions) -> Result<Table, TableError> {
        if let Some(fec) = &options.fec {
            self.check_fec(fec)?;
        }
        self.options = options;
        Ok(self)
    }

    fn check_fec(&self, fec: &FecOptions) -> Result<(), TableError> {
        let hash_area = tree_area(&self.params, self.hash_start)?;
        let fec_area = fec.area(&self.params, &hash_area)?;
        let devices = Devices {
            fec_on_data: sharing(fec.device == self.data_device),
            fec_on_hash: sharing(fec.device == self.hash_device),
            ..Devices::default()
        };
        check_places(devices, &self.params, &hash_area, Some(&fec_area))
    }

    /// The parameters of the tree.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The root hash.
    pub fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// The device that holds the data.
    pub fn data_device(&self) -> &DeviceName {
        &self.data_device
    }

    /// The device that holds the tree.
    pub fn hash_device(&self) -> &DeviceName {
        &self.hash_device
    }

    /// Where the tree begins, in hash blocks from the start of the hash device.
    pub fn hash_start(&self) -> u64 {
        self.hash_start
    }

    /// The optional parameters.
    pub fn options(&self) -> &TableOptions {
        &self.options
    }

    /// The size of the device, in sectors of 512 bytes: all data blocks.
    pub fn sectors(&self) -> u64 {
        self.params.data_size() / SECTOR
    }
}

fn check_hash_start(params: &Params, hash_start: u64, one_device: bool) -> Result<(), TableError> {
    let area = tree_area(params, hash_start)?;
    let devices = Devices { hash_on_data: sharing(one_device), ..Devices::default() };
    check_places(devices, params, &area, None)
}

/// How devices relate of which the names alone are known.
fn sharing(is_same: bool) -> Sharing {
    if is_same { Sharing::Same } else { Sharing::Nothing }
}

fn check_places(
    devices: Devices,
    params: &Params,
    hash_area: &HashArea,
    fec_area: Option<&FecArea>,
) -> Result<(), TableError> {
    match devices.check_places(params, hash_area, fec_area) {
        Ok(()) => Ok(()),
        Err(PlaceError::HashArea(error)) => Err(TableError::HashArea(error)),
        Err(PlaceError::Fec(error)) => Err(TableError::Fec(error)),
    }
}

/// Where the tree lies that begins there.
fn tree_area(params: &Params, hash_start: u64) -> Result<HashArea, TableError> {
    let block_size = u64::from(params.hash_block_size());
    let offset =
        hash_start.checked_mul(block_size).ok_or(TableError::HashStartTooLarge { hash_start })?;
    HashArea::new(params, offset, false).map_err(TableError::HashArea)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = &self.params;
        write!(
            f,
            "0 {} verity {} {} {} {} {} {} {} {} {} {}",
            self.sectors(),
            params.hash_type(),
            self.data_device,
            self.hash_device,
            params.data_block_size(),
            params.hash_block_size(),
            params.data_blocks(),
            self.hash_start,
            params.algorithm(),
            self.root_hash,
            params.salt(),
        )?;
        let words = self.options.words();
        if words.is_empty() { Ok(()) } else { write!(f, " {} {}", words.len(), words.join(" ")) }
    }
}

impl FromStr for Table {
    type Err = TableError;

    /// Reads one line; any ASCII whitespace separates words.
    ///
    /// Stricter than the kernel, which would also take a table that starts elsewhere or covers only
    /// a part of the data blocks.
    fn from_str(line: &str) -> Result<Table, TableError> {
        if line.len() > MAX_LINE {
            return Err(TableError::TooLong { len: line.len(), max: MAX_LINE });
        }
        let mut words = Words(line.split_ascii_whitespace());
        let start = words.number("start")?;
        let sectors = words.number("length")?;
        let target = words.next("target type")?;
        if target != "verity" {
            return Err(TableError::Target { target: excerpt(target) });
        }
        if start != 0 {
            return Err(TableError::Start { start });
        }
        let table = words.table()?;
        if sectors != table.sectors() {
            return Err(TableError::Sectors { expected: table.sectors(), actual: sectors });
        }
        table.with_options(words.options()?)
    }
}

/// The words of a line, from left to right.
struct Words<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self, what: &'static str) -> Result<&'a str, TableError> {
        self.0.next().ok_or(TableError::Missing { what })
    }

    fn number<T: FromStr>(&mut self, what: &'static str) -> Result<T, TableError> {
        number(what, self.next(what)?)
    }

    /// The words from the hash type to the salt.
    fn table(&mut self) -> Result<Table, TableError> {
        let hash_type = HashType::try_from(self.number::<u32>("hash type")?)?;
        let data_device = DeviceName::new(self.next("data device")?)?;
        let hash_device = DeviceName::new(self.next("hash device")?)?;
        let data_block_size = BlockSize::new(self.number("data block size")?)?;
        let hash_block_size = BlockSize::new(self.number("hash block size")?)?;
        let data_blocks = self.number("number of data blocks")?;
        let hash_start = self.number("hash start")?;
        let algorithm = parse_algorithm(self.next("hash algorithm")?)?;
        let root_hash = self.next("root hash")?.parse().map_err(TableError::RootHash)?;
        let salt = self.next("salt")?.parse().map_err(TableError::Salt)?;
        let params = Params::builder()
            .hash_type(hash_type)
            .data_block_size(data_block_size)
            .hash_block_size(hash_block_size)
            .data_blocks(data_blocks)
            .algorithm(algorithm)
            .salt(salt)
            .build()?;
        Table::new(params, root_hash, data_device, hash_device, hash_start)
    }

    /// The count and as many option words; nothing may follow.
    fn options(&mut self) -> Result<TableOptions, TableError> {
        let Some(count) = self.0.next() else {
            return Ok(TableOptions::default());
        };
        let stated = number("number of option words", count)?;
        let actual = to_u64(self.0.clone().count());
        if stated != actual {
            return Err(TableError::OptionCount { stated, actual });
        }
        TableOptions::from_words(&mut self.0)
    }
}

/// The kernel looks the name up as written, so that only one spelling is right.
fn parse_algorithm(name: &str) -> Result<Algorithm, TableError> {
    let algorithm: Algorithm = name.parse()?;
    if algorithm.name() != name {
        return Err(crate::AlgorithmError { name: excerpt(name) }.into());
    }
    Ok(algorithm)
}
