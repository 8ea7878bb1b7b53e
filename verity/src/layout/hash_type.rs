//! The two ways of salting blocks and packing digests.

use std::fmt;

use super::ParamsError;

/// How blocks are salted and digests are packed: `version` in a device-mapper table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashType {
    /// Type 0, Chrome OS: the salt follows the block, digests are packed back to back. Legacy.
    ChromeOs,
    /// Type 1: the salt precedes the block, digests are padded to a power of two.
    #[default]
    Normal,
}

impl HashType {
    /// 0 or 1, as superblocks and tables write it.
    pub fn number(self) -> u32 {
        match self {
            HashType::ChromeOs => 0,
            HashType::Normal => 1,
        }
    }

    /// Whether new images should avoid it.
    pub fn is_legacy(self) -> bool {
        self == HashType::ChromeOs
    }
}

impl TryFrom<u32> for HashType {
    type Error = ParamsError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(HashType::ChromeOs),
            1 => Ok(HashType::Normal),
            number => Err(ParamsError::HashType { number }),
        }
    }
}

impl fmt::Display for HashType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_old_type_is_to_be_avoided() {
        assert!(HashType::ChromeOs.is_legacy());
        assert!(!HashType::Normal.is_legacy());
    }
}
