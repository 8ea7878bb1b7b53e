//! Sizes and counts as users write them.
//!
//! Byte sizes take K, M, G or T (powers of 1024); counts do not. Both are plain decimal: a sign, an
//! exponent, a hex prefix, a blank or nothing at all is refused rather than guessed at.

use verity::{BlockSize, ParamsError};

/// A number of bytes, such as `4096`, `4K` or `2G`.
pub(crate) fn bytes(text: &str) -> Result<u64, SizeError> {
    let (digits, factor) = match text.as_bytes() {
        [digits @ .., b'K' | b'k'] => (digits, 1 << 10),
        [digits @ .., b'M' | b'm'] => (digits, 1 << 20),
        [digits @ .., b'G' | b'g'] => (digits, 1 << 30),
        [digits @ .., b'T' | b't'] => (digits, 1 << 40),
        digits => (digits, 1),
    };
    let number = decimal(digits).map_err(|kind| {
        kind.error(
            text,
            "a size is a plain decimal number of bytes, with K, M, G or T behind it for powers of \
             1024",
        )
    })?;
    number.checked_mul(factor).ok_or_else(|| Kind::TooLarge.error(text, ""))
}

/// A number of blocks, or of anything else that is counted.
pub(crate) fn count(text: &str) -> Result<u64, SizeError> {
    decimal(text.as_bytes()).map_err(|kind| {
        kind.error(text, "a plain decimal number is needed: digits alone, no suffix")
    })
}

/// The size of a data block or a hash block.
pub(crate) fn block_size(text: &str) -> Result<BlockSize, anyhow::Error> {
    let bytes = u32::try_from(bytes(text)?);
    let bytes =
        bytes.map_err(|_| anyhow::anyhow!("a block has at most {} bytes", BlockSize::MAX.bytes()));
    BlockSize::new(bytes?).map_err(|error: ParamsError| error.into())
}

/// Text that is no size or no count.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SizeError {
    #[error("{rule}")]
    NotANumber { rule: &'static str },
    #[error("{text} is beyond 64 bits: at most 18446744073709551615")]
    TooLarge { text: String },
}

enum Kind {
    NotANumber,
    TooLarge,
}

impl Kind {
    fn error(self, text: &str, rule: &'static str) -> SizeError {
        match self {
            Kind::NotANumber => SizeError::NotANumber { rule },
            Kind::TooLarge => SizeError::TooLarge { text: text.chars().take(64).collect() },
        }
    }
}

fn decimal(digits: &[u8]) -> Result<u64, Kind> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Kind::NotANumber);
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let next = number.checked_mul(10).ok_or(Kind::TooLarge)?;
        next.checked_add(u64::from(digit - b'0')).ok_or(Kind::TooLarge)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        let sizes = ["0", "4096", "4K", "4k", "3M", "2G", "1T", "18446744073709551615"].map(bytes);
        let expected = [0, 4096, 4096, 4096, 3 << 20, 2 << 30, 1 << 40, u64::MAX];
        assert_eq!(sizes, expected.map(Ok));
    }

    #[test]
    fn c20_signs_exponents_prefixes_and_overflow_are_refused() {
        for text in
            ["", "-1", "+1", "1e3", "0x10", " 1", "1 ", "1KB", "K", "4Ki", "1.5G", "1P", "\u{0661}"]
        {
            assert!(matches!(bytes(text), Err(SizeError::NotANumber { .. })), "{text:?}");
        }
        for text in ["18446744073709551616", "16777216T", "99999999999999999999999999999"] {
            assert!(matches!(bytes(text), Err(SizeError::TooLarge { .. })), "{text:?}");
        }
        for text in ["", "4K", "-1", "1e3", "0x10", "18446744073709551616"] {
            assert!(count(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn block_sizes_are_checked_when_they_are_read() {
        assert_eq!(block_size("4K").unwrap(), BlockSize::default());
        for text in ["0", "511", "3072", "1M", "4294967296", "5G"] {
            assert!(block_size(text).is_err(), "{text:?}");
        }
    }
}
