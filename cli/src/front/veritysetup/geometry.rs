//! Parameters of a tree, and where it and its parity lie: as options say, or as the superblock
//! states.
//!
//! As in the original, with a superblock the options about parameters have no effect on `verify`,
//! `open` and `dump`, and nothing authenticates what it states.

use std::ffi::OsStr;
use std::path::Path;

use verity::publish::Input;
use verity::{
    Algorithm, BlockSize, Error, FecArea, FecError, HashArea, HashAreaError, HashType, Params,
    ParamsError, Salt, Sharing, Superblock, SuperblockError,
};

use super::args::Options;
use super::codes::{Code, Failure};
use super::devices;
use crate::quoted::{Plain, Quoted};

/// What options say of a tree, each known to be possible for itself.
#[derive(Clone, Debug)]
pub(super) struct Given {
    hash_type: HashType,
    pub(super) data_block_size: BlockSize,
    hash_block_size: BlockSize,
}

impl Given {
    /// Checks options one by one, in the order of the original.
    pub(super) fn check(options: &Options) -> Result<Given, Failure> {
        let number = options.format.unwrap_or(HashType::default().number());
        let hash_type = HashType::try_from(number).map_err(|_| unsupported_hash_type(number))?;
        let data_block_size = block_size(options.data_block_size)?;
        let hash_block_size = block_size(options.hash_block_size)?;
        check_offsets(options)?;
        Ok(Given { hash_type, data_block_size, hash_block_size })
    }

    /// How many data blocks there are, of data of that many bytes.
    pub(super) fn data_blocks(&self, options: &Options, data_size: u64) -> u64 {
        match options.data_blocks {
            0 => data_size / u64::from(self.data_block_size),
            blocks => blocks,
        }
    }

    /// The parameters of a tree over that many data blocks.
    pub(super) fn params(
        &self,
        algorithm: Algorithm,
        data_blocks: u64,
        salt: Salt,
    ) -> Result<Params, Failure> {
        let params = Params::builder()
            .algorithm(algorithm)
            .hash_type(self.hash_type)
            .data_block_size(self.data_block_size)
            .hash_block_size(self.hash_block_size)
            .data_blocks(data_blocks)
            .salt(salt);
        params.build().map_err(|error| match error {
            ParamsError::TooLarge { .. } => offset_overflow(),
            _ => Failure::parameters("Hash area overflow."),
        })
    }

    /// Refuses a hash area in the data, where both are on one device.
    pub(super) fn check_behind_data(
        &self,
        options: &Options,
        data_blocks: u64,
        hash_on_data: Sharing,
    ) -> Result<(), Failure> {
        let end = data_blocks.checked_mul(self.data_block_size.into());
        let overlaps = match hash_on_data {
            Sharing::Nothing => false,
            Sharing::Same => end.is_none_or(|end| end > options.hash_offset),
            Sharing::Shifted => true,
        };
        if overlaps { Err(data_overlaps_hash()) } else { Ok(()) }
    }

    /// The parameters of the tree of this data, all of them from options.
    pub(super) fn all(options: &Options, data: &Input, hash: &Input) -> Result<Params, Failure> {
        let salt = salt(options)?;
        let given = Given::check(options)?;
        let data_blocks = given.data_blocks(options, data.size());
        given.check_behind_data(options, data_blocks, devices::sharing(data, hash))?;
        let algorithm = algorithm(options.hash.as_deref())?;
        let salt = salt.map(fitting).transpose()?.unwrap_or_default();
        given.params(algorithm, data_blocks, salt)
    }
}

/// Where the hash area lies.
pub(super) fn hash_area(options: &Options, params: &Params) -> Result<HashArea, Failure> {
    let area = HashArea::new(params, options.hash_offset, !options.no_superblock);
    area.map_err(|error| match error {
        HashAreaError::TooLarge { .. } => offset_overflow(),
        _ => unsupported_hash_offset(),
    })
}

/// The superblock on a hash device.
pub(super) fn read_superblock(options: &Options, hash: &Input) -> Result<Superblock, Failure> {
    let refused = |failure: Failure| failure.and(not_verity(hash.path()));
    if !options.hash_offset.is_multiple_of(devices::SECTOR) {
        return Err(refused(unsupported_hash_offset()));
    }
    Superblock::read(hash, options.hash_offset).map_err(|error| {
        let line = match &error {
            Error::Superblock(error) => unsupported(error),
            _ => None,
        };
        match line {
            Some(line) => refused(Failure::parameters(line)),
            None => Failure::parameters(not_verity(hash.path())),
        }
    })
}

/// What is said of a superblock beside that it is none. Nothing is said of bytes without its mark.
fn unsupported(error: &SuperblockError) -> Option<String> {
    Some(match error {
        SuperblockError::Magic | SuperblockError::Truncated { .. } => return None,
        SuperblockError::Version { version } => format!("Unsupported VERITY version {version}."),
        SuperblockError::Params(ParamsError::HashType { number }) => hash_type_words(*number),
        SuperblockError::Params(ParamsError::BlockSize { .. }) => BLOCK_SIZE.to_owned(),
        SuperblockError::Algorithm(error) => algorithm_words(&error.name),
        _ => "VERITY header corrupted.".to_owned(),
    })
}

fn not_verity(path: &Path) -> String {
    format!("Device {} is not a valid VERITY device.", Quoted(path))
}

/// The hash area that a superblock is the beginning of.
pub(super) fn superblock_area(options: &Options, params: &Params) -> Result<HashArea, Failure> {
    let area = HashArea::new(params, options.hash_offset, true);
    area.map_err(|_| offset_overflow())
}

/// The FEC device of an image that is there, if one is named. Where a superblock is read, it is
/// told to be none if there is no such device.
pub(super) fn open_fec(
    options: &Options,
    hash: &Input,
    with_superblock: bool,
) -> Result<Option<Input>, Failure> {
    let Some(path) = &options.fec_device else { return Ok(None) };
    devices::open(path).map(Some).map_err(|failure| match with_superblock {
        true => failure.and(not_verity(hash.path())),
        false => failure,
    })
}

/// Refuses parity in the data, where both are on one device.
pub(super) fn check_fec_behind_data(
    options: &Options,
    params: &Params,
    data: &Input,
    fec: &Input,
) -> Result<(), Failure> {
    let overlaps = match devices::sharing(data, fec) {
        Sharing::Nothing => false,
        Sharing::Same => params.data_size() > options.fec_offset,
        Sharing::Shifted => true,
    };
    if overlaps { Err(data_overlaps_fec()) } else { Ok(()) }
}

/// Where the parity lies, and what it covers: the hash device to its end, or to the parity that
/// is on it. `hash_size` is how long that is, or will be.
pub(super) fn fec_area(
    options: &Options,
    params: &Params,
    area: &HashArea,
    hash_size: u64,
    on_hash: Sharing,
) -> Result<FecArea, FecError> {
    let roots = options.fec_roots.unwrap_or(DEFAULT_ROOTS);
    let end = if on_hash == Sharing::Same { options.fec_offset } else { hash_size };
    FecArea::covering(params, area, roots, end.max(area.end()), options.fec_offset)
}

/// Where the parity of an image that is there lies.
pub(super) fn existing_fec_area(
    options: &Options,
    params: &Params,
    area: &HashArea,
    hash: &Input,
    fec: &Input,
) -> Result<FecArea, FecError> {
    fec_area(options, params, area, hash.size(), devices::sharing(hash, fec))
}

/// The parity that belongs to a superblock, wherever it lies: what is told of it does not depend on
/// that.
pub(super) fn described_fec_area(
    options: &Options,
    params: &Params,
    area: &HashArea,
    hash: &Input,
    on_hash: Sharing,
) -> Result<FecArea, FecError> {
    let roots = options.fec_roots.unwrap_or(DEFAULT_ROOTS);
    let end = if on_hash == Sharing::Same { options.fec_offset } else { hash.size() };
    FecArea::covering(params, area, roots, end.max(area.end()), 0)
}

/// The roots of parity unless another number is given.
const DEFAULT_ROOTS: u32 = 2;

/// What is wrong with parity, in the words of the original.
pub(super) fn fec_failure(error: &FecError) -> Failure {
    match error {
        FecError::BlockSizes { .. } => Failure::parameters("Block sizes must match for FEC."),
        FecError::Roots { .. } => Failure::parameters("Invalid number of parity bytes."),
        FecError::OverlapsData { .. } => data_overlaps_fec(),
        FecError::Unaligned { .. } => unsupported_fec_offset(),
        FecError::TooLarge { .. } => offset_overflow(),
        _ => hash_overlaps_fec(),
    }
}

/// The hash algorithm, sha256 unless given.
pub(super) fn algorithm(name: Option<&OsStr>) -> Result<Algorithm, Failure> {
    let Some(name) = name else { return Ok(Algorithm::default()) };
    let known = name.to_str().and_then(|name| name.parse().ok());
    let refused = || algorithm_words(&name.to_string_lossy());
    known.ok_or_else(|| Failure::parameters(refused()))
}

/// The bytes of the salt, if one is given: `-` and nothing are none.
pub(super) fn salt(options: &Options) -> Result<Option<Vec<u8>>, Failure> {
    let Some(text) = &options.salt else { return Ok(None) };
    if text == "-" {
        return Ok(Some(Vec::new()));
    }
    let bytes = text.to_str().and_then(|text| hex::decode(text).ok());
    bytes.map(Some).ok_or_else(|| Failure::parameters("Invalid salt string specified."))
}

/// A salt that fits a superblock. Of one that is too long nothing is said, as by the original.
pub(super) fn fitting(bytes: Vec<u8>) -> Result<Salt, Failure> {
    Salt::new(&bytes).map_err(|_| Failure::silent(Code::WrongParameters))
}

fn check_offsets(options: &Options) -> Result<(), Failure> {
    if !options.hash_offset.is_multiple_of(devices::SECTOR) {
        return Err(unsupported_hash_offset());
    }
    if !options.fec_offset.is_multiple_of(devices::SECTOR) {
        return Err(unsupported_fec_offset());
    }
    Ok(())
}

fn block_size(bytes: Option<u32>) -> Result<BlockSize, Failure> {
    let Some(bytes) = bytes else { return Ok(BlockSize::default()) };
    BlockSize::new(bytes).map_err(|_| Failure::parameters(BLOCK_SIZE))
}

const BLOCK_SIZE: &str = "Unsupported VERITY block size.";

fn unsupported_hash_type(number: u32) -> Failure {
    Failure::parameters(hash_type_words(number))
}

fn hash_type_words(number: u32) -> String {
    format!("Unsupported VERITY hash type {number}.")
}

fn algorithm_words(name: &str) -> String {
    format!("Hash algorithm {} not supported.", Plain(name))
}

fn unsupported_hash_offset() -> Failure {
    Failure::parameters("Unsupported VERITY hash offset.")
}

fn unsupported_fec_offset() -> Failure {
    Failure::parameters("Unsupported VERITY FEC offset.")
}

/// A hash area that lies in the data.
pub(super) fn data_overlaps_hash() -> Failure {
    Failure::parameters("Data area overlaps with hash area.")
}

/// Parity that lies in the data.
pub(super) fn data_overlaps_fec() -> Failure {
    Failure::parameters("Data area overlaps with FEC area.")
}

/// Parity that lies in the hash area, or in what it covers.
pub(super) fn hash_overlaps_fec() -> Failure {
    Failure::parameters("Hash area overlaps with FEC area.")
}

/// A place beyond 2^64 bytes.
pub(super) fn offset_overflow() -> Failure {
    Failure::parameters("Device offset overflow.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(result: Result<impl std::fmt::Debug, Failure>) -> String {
        result.unwrap_err().lines.join(" / ")
    }

    #[test]
    fn options_are_checked_in_the_order_of_the_original() {
        let mut options = Options {
            format: Some(7),
            data_block_size: Some(333),
            hash_offset: 100,
            fec_offset: 100,
            ..Options::default()
        };
        assert_eq!(words(Given::check(&options)), "Unsupported VERITY hash type 7.");
        options.format = Some(0);
        for size in [0, 256, 333, 1 << 20, u32::MAX] {
            options.data_block_size = Some(size);
            assert_eq!(words(Given::check(&options)), "Unsupported VERITY block size.");
        }
        options.data_block_size = Some(512);
        assert_eq!(words(Given::check(&options)), "Unsupported VERITY hash offset.");
        options.hash_offset = 512;
        assert_eq!(words(Given::check(&options)), "Unsupported VERITY FEC offset.");
        options.fec_offset = 0;
        assert_eq!(Given::check(&options).unwrap().data_block_size, BlockSize::MIN);
    }

    #[test]
    fn salts_are_hex_or_none() {
        let salt_of = |text: &str| salt(&Options { salt: Some(text.into()), ..Options::default() });
        assert_eq!(salt(&Options::default()).unwrap(), None);
        for none in ["", "-"] {
            assert_eq!(salt_of(none).unwrap(), Some(Vec::new()));
        }
        assert_eq!(salt_of("00Ff").unwrap().unwrap(), [0, 255]);
        assert_eq!(fitting(vec![7; 256]).unwrap().as_bytes().len(), 256);
        assert_eq!(fitting(vec![7; 257]).unwrap_err().lines, [""; 0]);
        for text in ["zz", "abc", "ab ", " ab", "0xab", "--"] {
            assert_eq!(words(salt_of(text)), "Invalid salt string specified.", "{text}");
        }
    }

    #[test]
    fn algorithms_are_those_of_the_kernel() {
        assert_eq!(algorithm(None).unwrap(), Algorithm::Sha256);
        assert_eq!(algorithm(Some("SHA512".as_ref())).unwrap(), Algorithm::Sha512);
        for name in ["foo", "", "md5", "sha-256"] {
            let said = words(algorithm(Some(name.as_ref())));
            assert_eq!(said, format!("Hash algorithm {name} not supported."));
        }
    }

    /// The original rounds it down, into the data.
    #[test]
    fn without_a_superblock_the_tree_begins_at_a_hash_block() {
        let params = Params::builder().data_blocks(1).build().unwrap();
        let options = |no_superblock, hash_offset| Options {
            no_superblock,
            hash_offset,
            ..Options::default()
        };
        assert!(hash_area(&options(false, 4608), &params).is_ok());
        assert!(hash_area(&options(true, 8192), &params).is_ok());
        let refused = words(hash_area(&options(true, 4608), &params));
        assert_eq!(refused, "Unsupported VERITY hash offset.");
        let refused = words(hash_area(&options(false, u64::MAX - 511), &params));
        assert_eq!(refused, "Device offset overflow.");
    }
}
