//! The superblock: 512 bytes that describe a hash tree, written and read exactly.
//!
//! It carries no root hash and nothing authenticates it: what it says is a hint until a manifest or
//! pins confirm it (see [`TrustedParams`](crate::TrustedParams)). Source: cryptsetup's on-disk
//! format, version 1; `docs/FORMAT.md` has the table of fields.

use byteorder::{ByteOrder, LittleEndian};
pub use uuid::Uuid;

use super::hash_area::SUPERBLOCK_SIZE;
use super::{Algorithm, AlgorithmError, BlockSize, HashType, Params, ParamsError, Salt};

const MAGIC: &[u8; 8] = b"verity\0\0";
const VERSION: u32 = 1;
const ALGORITHM: std::ops::Range<usize> = 32..64;
const SALT: std::ops::Range<usize> = 88..344;
/// `SIZE` as a buffer length.
const LEN: usize = 512;

/// The superblock of a hash area.
///
/// ```
/// use verity::{Params, Superblock, Uuid};
///
/// let params = Params::builder().data_blocks(300).build()?;
/// let superblock = Superblock::new(params, Uuid::nil());
/// assert_eq!(Superblock::parse(&superblock.to_bytes())?, superblock);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    params: Params,
    uuid: Uuid,
}

impl Superblock {
    /// The size of a superblock, in bytes.
    pub const SIZE: u64 = SUPERBLOCK_SIZE;

    /// The size as the length of a buffer.
    pub(crate) const LEN: usize = LEN;

    /// The superblock for a tree with these parameters.
    pub fn new(params: Params, uuid: Uuid) -> Superblock {
        Superblock { params, uuid }
    }

    /// The parameters it states.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The UUID it states; nothing depends on it.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The superblock as bytes.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0..8].copy_from_slice(MAGIC);
        LittleEndian::write_u32(&mut bytes[8..12], VERSION);
        LittleEndian::write_u32(&mut bytes[12..16], self.params.hash_type().number());
        bytes[16..32].copy_from_slice(self.uuid.as_bytes());
        let name = self.params.algorithm().name().as_bytes();
        bytes[ALGORITHM][..name.len()].copy_from_slice(name);
        LittleEndian::write_u32(&mut bytes[64..68], self.params.data_block_size().bytes());
        LittleEndian::write_u32(&mut bytes[68..72], self.params.hash_block_size().bytes());
        LittleEndian::write_u64(&mut bytes[72..80], self.params.data_blocks());
        let salt = self.params.salt().as_bytes();
        // A salt has at most 256 bytes.
        LittleEndian::write_u16(&mut bytes[80..82], u16::try_from(salt.len()).unwrap_or(u16::MAX));
        bytes[SALT][..salt.len()].copy_from_slice(salt);
        bytes
    }

    /// Reads a superblock from the first 512 of these bytes.
    ///
    /// # Errors
    /// When they are no superblock that veritysetup would write: see [`SuperblockError`]. Unlike
    /// veritysetup, which ignores them, non-zero pads are refused.
    pub fn parse(bytes: &[u8]) -> Result<Superblock, SuperblockError> {
        let Some(bytes) = bytes.first_chunk::<LEN>() else {
            return Err(SuperblockError::Truncated { size: bytes.len() });
        };
        if &bytes[0..8] != MAGIC {
            return Err(SuperblockError::Magic);
        }
        match LittleEndian::read_u32(&bytes[8..12]) {
            VERSION => {}
            version => return Err(SuperblockError::Version { version }),
        }
        let params = Params::builder()
            .hash_type(HashType::try_from(LittleEndian::read_u32(&bytes[12..16]))?)
            .algorithm(parse_algorithm(&bytes[ALGORITHM])?)
            .data_block_size(BlockSize::new(LittleEndian::read_u32(&bytes[64..68]))?)
            .hash_block_size(BlockSize::new(LittleEndian::read_u32(&bytes[68..72]))?)
            .data_blocks(LittleEndian::read_u64(&bytes[72..80]))
            .salt(parse_salt(bytes)?)
            .build()?;
        check_zero(bytes, 82..88)?;
        check_zero(bytes, 344..LEN)?;
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        Ok(Superblock { params, uuid: Uuid::from_bytes(uuid) })
    }
}

fn parse_algorithm(field: &[u8]) -> Result<Algorithm, SuperblockError> {
    let malformed = || SuperblockError::AlgorithmField;
    let end = field.iter().position(|&byte| byte == 0).ok_or_else(malformed)?;
    let name = str::from_utf8(&field[..end]).map_err(|_| malformed())?;
    if field[end..].iter().any(|&byte| byte != 0) {
        return Err(malformed());
    }
    let algorithm: Algorithm = name.parse()?;
    // The kernel looks the name up as written, so `SHA256` is another name.
    if algorithm.name() != name {
        return Err(AlgorithmError { name: name.to_owned() }.into());
    }
    Ok(algorithm)
}

fn parse_salt(bytes: &[u8; LEN]) -> Result<Salt, SuperblockError> {
    let salt_size = LittleEndian::read_u16(&bytes[80..82]);
    let size = usize::from(salt_size);
    let too_long = SuperblockError::SaltSize { salt_size };
    let salt = bytes[SALT].get(..size).ok_or_else(|| too_long.clone())?;
    check_zero(bytes, SALT.start + size..SALT.end)?;
    Salt::new(salt).map_err(|_| too_long)
}

fn check_zero(bytes: &[u8; LEN], range: std::ops::Range<usize>) -> Result<(), SuperblockError> {
    match bytes[range.clone()].iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(index) => {
            Err(SuperblockError::NonZeroPad { position: range.start.saturating_add(index) })
        }
    }
}

/// Bytes that are no superblock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuperblockError {
    /// The algorithm's name is unknown.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// The algorithm field is not a name padded with NUL bytes.
    #[error("superblock: the hash algorithm is not a name padded with NUL bytes")]
    AlgorithmField,
    /// No superblock here.
    #[error("no verity superblock here: it does not begin with the magic bytes of one")]
    Magic,
    /// A byte that must be zero is not.
    #[error("superblock: byte {position} belongs to the padding and is not zero")]
    NonZeroPad {
        /// Where the byte lies in the superblock.
        position: usize,
    },
    /// Sizes or counts that no tree can have.
    #[error("superblock: {0}")]
    Params(ParamsError),
    /// A salt size beyond the field.
    #[error("superblock: a salt of {salt_size} bytes is too long: at most 256 bytes")]
    SaltSize {
        /// The size it states, in bytes.
        salt_size: u16,
    },
    /// Fewer than 512 bytes.
    #[error("no verity superblock here: only {size} of 512 bytes")]
    Truncated {
        /// How many bytes there were.
        size: usize,
    },
    /// The place is not on the 512-byte grid.
    #[error("the superblock offset {offset} is not a multiple of 512 bytes")]
    Unaligned {
        /// The offset, in bytes.
        offset: u64,
    },
    /// Another version of the format.
    #[error("superblock version {version} is not supported; the known one is 1")]
    Version {
        /// The version it states.
        version: u32,
    },
}

impl From<ParamsError> for SuperblockError {
    fn from(error: ParamsError) -> SuperblockError {
        SuperblockError::Params(error)
    }
}
