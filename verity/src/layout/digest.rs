//! Digests, root hashes and salts: short byte strings with their text forms.
//!
//! All three live inline (no allocation) and are written in lower-case hex everywhere.

use std::fmt;
use std::str::FromStr;

use super::Algorithm;

/// The digest of one block: 20 to 64 bytes, by the algorithm.
///
/// ```
/// let digest = verity::Digest::new(&[0xab; 32])?;
/// assert_eq!(digest.to_string(), "ab".repeat(32));
/// # Ok::<(), verity::DigestError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    len: u8,
    bytes: [u8; Digest::MAX_SIZE],
}

impl Digest {
    /// The longest digest of any algorithm, in bytes.
    pub const MAX_SIZE: usize = 64;

    /// A digest of these bytes.
    ///
    /// # Errors
    /// When no known algorithm makes digests of that length.
    pub fn new(bytes: &[u8]) -> Result<Digest, DigestError> {
        let wrong_size = || DigestError::Size { size: bytes.len() };
        let len = u8::try_from(bytes.len()).map_err(|_| wrong_size())?;
        if !Algorithm::ALL.iter().any(|algorithm| algorithm.digest_size() == u32::from(len)) {
            return Err(wrong_size());
        }
        let mut digest = Digest { len, bytes: [0; Digest::MAX_SIZE] };
        digest.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(digest)
    }

    /// The bytes, as many as the algorithm's digest size.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The size in bytes.
    pub fn size(&self) -> u32 {
        u32::from(self.len)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads hex of either case: nothing but hex digits, exactly one digest's worth.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 2 * Digest::MAX_SIZE {
            return Err(DigestError::Size { size: text.len() / 2 });
        }
        let bytes = hex::decode(text);
        Digest::new(&bytes.map_err(|error| DigestError::Hex { reason: error.to_string() })?)
    }
}

/// Bytes or text that are no digest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The text is not hex.
    #[error("not a hex digest: {reason}")]
    Hex {
        /// What is wrong with the text.
        reason: String,
    },
    /// No known algorithm has digests of this length.
    #[error("{size} bytes are not the digest of any known algorithm")]
    Size {
        /// The length, in bytes.
        size: usize,
    },
}

/// The root hash: the digest of the top hash block, or of the only data block.
///
/// Everything that is verified is verified against it; where it comes from is the caller's trust.
/// It is written in lower-case hex, the text that root hash signatures cover.
///
/// ```
/// let root_hash: verity::RootHash = "AB".repeat(32).parse()?;
/// assert_eq!(root_hash.to_string(), "ab".repeat(32));
/// # Ok::<(), verity::DigestError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootHash(Digest);

impl RootHash {
    /// The root hash with this digest.
    pub fn new(digest: Digest) -> RootHash {
        RootHash(digest)
    }

    /// The digest itself.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl From<Digest> for RootHash {
    fn from(digest: Digest) -> RootHash {
        RootHash(digest)
    }
}

impl TryFrom<&[u8]> for RootHash {
    type Error = DigestError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Digest::new(bytes).map(RootHash)
    }
}

impl AsRef<[u8]> for RootHash {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RootHash {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(RootHash)
    }
}

/// The salt: 0 to 256 bytes hashed with every block.
///
/// The text form is lower-case hex, or `-` when it is empty (as in device-mapper tables).
///
/// ```
/// let salt: verity::Salt = "00ff".parse()?;
/// assert_eq!(salt.as_bytes(), [0x00, 0xff]);
/// assert_eq!(verity::Salt::empty().to_string(), "-");
/// # Ok::<(), verity::SaltError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Salt(Box<[u8]>);

impl Salt {
    /// The longest salt a superblock can hold, in bytes (cryptsetup's on-disk format).
    pub const MAX_SIZE: usize = 256;

    /// A salt of these bytes.
    ///
    /// # Errors
    /// When there are more than [`Salt::MAX_SIZE`].
    pub fn new(bytes: &[u8]) -> Result<Salt, SaltError> {
        if bytes.len() > Self::MAX_SIZE {
            return Err(SaltError::Size { size: bytes.len() });
        }
        Ok(Salt(bytes.into()))
    }

    /// No salt.
    pub fn empty() -> Salt {
        Salt::default()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.pad("-") } else { f.pad(&hex::encode(&self.0)) }
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({self})")
    }
}

impl FromStr for Salt {
    type Err = SaltError;

    /// Reads hex of either case; `-` or nothing is the empty salt.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "-" {
            return Ok(Salt::empty());
        }
        if text.len() > 2 * Self::MAX_SIZE {
            return Err(SaltError::Size { size: text.len().div_ceil(2) });
        }
        let bytes = hex::decode(text);
        Salt::new(&bytes.map_err(|error| SaltError::Hex { reason: error.to_string() })?)
    }
}

/// Bytes or text that are no salt.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SaltError {
    /// The text is not hex.
    #[error("not a hex salt: {reason}")]
    Hex {
        /// What is wrong with the text.
        reason: String,
    },
    /// More bytes than a superblock can hold.
    #[error("a salt of {size} bytes is too long: at most {max} bytes", max = Salt::MAX_SIZE)]
    Size {
        /// The length, in bytes.
        size: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t13_root_hash_text_is_hex_of_a_digest_and_nothing_else() {
        let good = "ab".repeat(32);
        assert_eq!(good.to_uppercase().parse::<RootHash>().unwrap().to_string(), good);
        for bad in [
            "",
            "ab",
            &good[1..],
            &format!("{good}a"),
            &format!("0x{good}"),
            &format!("{good}\n"),
            &format!(" {good}"),
            &format!("{good}\0"),
            &"zz".repeat(32),
            &"ab".repeat(33),
            &"ab".repeat(1 << 16),
        ] {
            assert!(bad.parse::<RootHash>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn digests_and_salts_are_told_as_hex_in_debug_output() {
        let (digest, salt) = (Digest::new(&[0xab; 32]).unwrap(), Salt::new(&[1, 0xfe]).unwrap());
        assert_eq!(format!("{digest:?}"), format!("Digest({})", "ab".repeat(32)));
        assert_eq!(format!("{salt:?}"), "Salt(01fe)");
    }

    #[test]
    fn salts_hold_up_to_256_bytes() {
        assert_eq!(Salt::new(&[7; 256]).unwrap().to_string().parse(), Salt::new(&[7; 256]));
        assert_eq!(Salt::new(&[7; 257]), Err(SaltError::Size { size: 257 }));
        assert_eq!("ab".repeat(257).parse::<Salt>(), Err(SaltError::Size { size: 257 }));
        assert_eq!("".parse::<Salt>(), Ok(Salt::empty()));
        assert_eq!("-".parse::<Salt>(), Ok(Salt::empty()));
        assert!("abc".parse::<Salt>().is_err());
        assert!("--".parse::<Salt>().is_err());
    }
}
