//! Where the parameters of a verification come from, and whether anything vouches for them.
//!
//! A root hash binds the bytes of the tree but not its geometry: hash blocks can be passed off as
//! data blocks under the same root hash. So a verification takes a [`TrustedParams`], which
//! remembers its [`Origin`], and reports can say `geometry: not authenticated`.

use std::fmt;

use crate::{
    Algorithm, BlockSize, Digest, HashArea, HashType, Params, ParamsError, RootHash, Salt,
    Superblock,
};

/// Parameters together with the root hash to verify against, the place of the hash area, and the
/// origin of all three.
///
/// ```
/// use verity::{HashArea, Origin, Params, RootHash, TrustedParams};
///
/// let params = Params::builder().data_blocks(300).build()?;
/// let root_hash: RootHash = "ab".repeat(32).parse()?;
/// let area = HashArea::new(&params, 0, true)?;
/// let trusted = TrustedParams::pinned(params, root_hash, area)?;
/// assert_eq!(trusted.origin(), Origin::Pinned);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedParams {
    params: Params,
    root_hash: RootHash,
    hash_area: HashArea,
    origin: Origin,
}

/// What vouches for the parameters of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A manifest whose signature was verified.
    Manifest,
    /// The caller stated every one of them.
    Pinned,
    /// Nothing: some were stated, the rest was assumed or measured.
    Assumed,
    /// Nothing: they were read from the superblock, which is under the control of the image's
    /// author.
    Superblock,
}

impl Origin {
    /// Whether the geometry is authenticated.
    pub fn is_authenticated(self) -> bool {
        matches!(self, Origin::Manifest | Origin::Pinned)
    }
}

impl fmt::Display for Origin {
    /// `manifest`, `pinned`, `not authenticated (assumed)` or `not authenticated (superblock)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Origin::Manifest => "manifest",
            Origin::Pinned => "pinned",
            Origin::Assumed => "not authenticated (assumed)",
            Origin::Superblock => "not authenticated (superblock)",
        })
    }
}

impl TrustedParams {
    /// Parameters that the caller knows by itself, every one of them.
    ///
    /// # Errors
    /// When the root hash is not a digest of the parameters' algorithm.
    pub fn pinned(
        params: Params,
        root_hash: RootHash,
        hash_area: HashArea,
    ) -> Result<TrustedParams, TrustError> {
        Self::new(params, root_hash, hash_area, Origin::Pinned)
    }

    /// Parameters as a superblock at `hash_area_offset` bytes of the hash device states them.
    ///
    /// **Nothing authenticates them**: who controls the superblock can present hash blocks as data,
    /// or hide the end of the data, under the right root hash. Prefer a manifest or pins.
    ///
    /// # Errors
    /// When the root hash is not a digest of the superblock's algorithm, or the hash area cannot
    /// lie there.
    pub fn from_unauthenticated_superblock(
        superblock: &Superblock,
        hash_area_offset: u64,
        root_hash: RootHash,
    ) -> Result<TrustedParams, TrustError> {
        let params = superblock.params().clone();
        let hash_area = HashArea::new(&params, hash_area_offset, true)?;
        Self::new(params, root_hash, hash_area, Origin::Superblock)
    }

    /// Parameters of which some are assumptions: defaults, or counted
    /// from the size of the data.
    ///
    /// **Nothing authenticates them**, as with a superblock.
    ///
    /// # Errors
    /// When the root hash is not a digest of the parameters' algorithm.
    pub fn from_unauthenticated_assumptions(
        params: Params,
        root_hash: RootHash,
        hash_area: HashArea,
    ) -> Result<TrustedParams, TrustError> {
        Self::new(params, root_hash, hash_area, Origin::Assumed)
    }

    /// Parameters from a manifest **whose signature the caller has verified**; `dm-verity-sign` is
    /// that caller.
    ///
    /// # Errors
    /// When the root hash is not a digest of the parameters' algorithm.
    #[doc(hidden)]
    pub fn from_verified_manifest(
        params: Params,
        root_hash: RootHash,
        hash_area: HashArea,
    ) -> Result<TrustedParams, TrustError> {
        Self::new(params, root_hash, hash_area, Origin::Manifest)
    }

    fn new(
        params: Params,
        root_hash: RootHash,
        hash_area: HashArea,
        origin: Origin,
    ) -> Result<TrustedParams, TrustError> {
        check_root_hash_size(root_hash.digest(), params.algorithm())?;
        hash_area.check_belongs_to(&params)?;
        Ok(TrustedParams { params, root_hash, hash_area, origin })
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The root hash to verify against.
    pub fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// The bytes of the root hash.
    pub(crate) fn root_hash_bytes(&self) -> &[u8] {
        self.root_hash.as_ref()
    }

    /// Where the hash area lies on the hash device.
    pub fn hash_area(&self) -> HashArea {
        self.hash_area
    }

    /// What vouches for them.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

fn check_root_hash_size(digest: Digest, algorithm: Algorithm) -> Result<(), TrustError> {
    let (actual, expected) = (digest.size(), algorithm.digest_size());
    if actual == expected {
        return Ok(());
    }
    Err(TrustError::RootHashSize { algorithm, expected, actual })
}

/// Parameters that a caller expects, any number of them.
///
/// With a superblock they are compared to what it states; [`Pins::params`] makes parameters of them
/// that need no superblock, once all are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// The hash algorithm.
    pub algorithm: Option<Algorithm>,
    /// The hash type.
    pub hash_type: Option<HashType>,
    /// The size of a data block.
    pub data_block_size: Option<BlockSize>,
    /// The size of a hash block.
    pub hash_block_size: Option<BlockSize>,
    /// How many data blocks the tree covers.
    pub data_blocks: Option<u64>,
    /// The salt.
    pub salt: Option<Salt>,
}

impl Pins {
    /// The parameters, if every one is pinned; `None` if one is missing.
    ///
    /// # Errors
    /// When no hash tree can have these parameters.
    pub fn params(&self) -> Result<Option<Params>, ParamsError> {
        let Pins {
            algorithm: Some(algorithm),
            hash_type: Some(hash_type),
            data_block_size: Some(data_block_size),
            hash_block_size: Some(hash_block_size),
            data_blocks: Some(data_blocks),
            salt: Some(salt),
        } = self
        else {
            return Ok(None);
        };
        let params = Params::builder()
            .algorithm(*algorithm)
            .hash_type(*hash_type)
            .data_block_size(*data_block_size)
            .hash_block_size(*hash_block_size)
            .data_blocks(*data_blocks)
            .salt(salt.clone());
        params.build().map(Some)
    }

    /// Compares every given pin to the parameters that something else states.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check(&self, stated: &Params) -> Result<(), PinMismatch> {
        pin("hash", self.algorithm.as_ref(), &stated.algorithm())?;
        pin("format", self.hash_type.as_ref(), &stated.hash_type())?;
        pin("data block size", self.data_block_size.as_ref(), &stated.data_block_size())?;
        pin("hash block size", self.hash_block_size.as_ref(), &stated.hash_block_size())?;
        pin("data blocks", self.data_blocks.as_ref(), &stated.data_blocks())?;
        pin("salt", self.salt.as_ref(), stated.salt())
    }
}

fn pin<T: PartialEq + fmt::Display>(
    name: &'static str,
    pinned: Option<&T>,
    stated: &T,
) -> Result<(), PinMismatch> {
    match pinned {
        Some(pinned) if pinned != stated => {
            Err(PinMismatch { name, pinned: pinned.to_string(), stated: stated.to_string() })
        }
        _ => Ok(()),
    }
}

/// A pinned parameter that is not what the superblock or the manifest states.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{name} is pinned to {pinned}, but {stated} is stated")]
pub struct PinMismatch {
    /// Which parameter, in the words of the command line.
    pub name: &'static str,
    /// The value the caller expects.
    pub pinned: String,
    /// The value that is stated.
    pub stated: String,
}

/// Parameters, root hash and hash area that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The hash area cannot lie there, or is that of other parameters.
    #[error(transparent)]
    HashArea(#[from] crate::HashAreaError),
    /// The root hash is no digest of the algorithm.
    #[error("a root hash of {algorithm} has {expected} bytes, this one has {actual}")]
    RootHashSize {
        /// The algorithm.
        algorithm: Algorithm,
        /// The digest size of the algorithm, in bytes.
        expected: u32,
        /// The size of the root hash, in bytes.
        actual: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Pins {
        Pins {
            algorithm: Some(Algorithm::Sha256),
            hash_type: Some(HashType::Normal),
            data_block_size: Some(BlockSize::default()),
            hash_block_size: Some(BlockSize::default()),
            data_blocks: Some(300),
            salt: Some(Salt::new(&[1]).unwrap()),
        }
    }

    #[test]
    fn pins_are_parameters_only_when_all_are_given() {
        assert_eq!(pins().params().unwrap().unwrap().data_blocks(), 300);
        for missing in [
            Pins { algorithm: None, ..pins() },
            Pins { hash_type: None, ..pins() },
            Pins { data_block_size: None, ..pins() },
            Pins { hash_block_size: None, ..pins() },
            Pins { data_blocks: None, ..pins() },
            Pins { salt: None, ..pins() },
        ] {
            assert_eq!(missing.params(), Ok(None));
        }
    }

    #[test]
    fn a_pin_that_differs_is_named() {
        let stated = pins().params().unwrap().unwrap();
        assert_eq!(pins().check(&stated), Ok(()));
        assert_eq!(Pins::default().check(&stated), Ok(()));
        for (wrong, name) in [
            (Pins { algorithm: Some(Algorithm::Sm3), ..pins() }, "hash"),
            (Pins { hash_type: Some(HashType::ChromeOs), ..pins() }, "format"),
            (Pins { data_block_size: Some(BlockSize::MIN), ..pins() }, "data block size"),
            (Pins { hash_block_size: Some(BlockSize::MIN), ..pins() }, "hash block size"),
            (Pins { data_blocks: Some(299), ..pins() }, "data blocks"),
            (Pins { salt: Some(Salt::empty()), ..pins() }, "salt"),
        ] {
            assert_eq!(wrong.check(&stated).unwrap_err().name, name);
        }
    }

    #[test]
    fn a_root_hash_of_another_length_is_refused() {
        let params = pins().params().unwrap().unwrap();
        let area = HashArea::new(&params, 0, true).unwrap();
        let short = "ab".repeat(20).parse().unwrap();
        assert!(matches!(
            TrustedParams::pinned(params, short, area),
            Err(TrustError::RootHashSize { expected: 32, actual: 20, .. })
        ));
    }
}
