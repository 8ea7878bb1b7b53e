//! The name of a partition in its table.

use std::fmt;
use std::str::FromStr;

/// How many units of UTF-16 a label has at the most.
const UNITS: usize = 36;

/// The name of a partition: 36 units of UTF-16, of which those behind the first NUL are kept and
/// not shown. `Display` shows what is no text as U+FFFD.
///
/// ```
/// use verity::disk::Label;
///
/// let label: Label = "fedora_41_verity".parse()?;
/// assert_eq!(label.to_string(), "fedora_41_verity");
/// assert!("x".repeat(37).parse::<Label>().is_err());
/// # Ok::<(), verity::disk::LabelError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label([u8; 2 * UNITS]);

impl Label {
    /// The label as a table holds it.
    pub fn from_bytes(bytes: [u8; 72]) -> Label {
        Label(bytes)
    }

    /// The bytes as a table holds them.
    pub fn as_bytes(&self) -> &[u8; 72] {
        &self.0
    }

    /// Whether it begins with a NUL.
    pub fn is_empty(&self) -> bool {
        self.units().next().is_none()
    }

    /// Whether all of it is text: no surrogate without its partner, and nothing behind the NUL.
    pub fn is_text(&self) -> bool {
        let end = self.units().count().saturating_mul(2);
        char::decode_utf16(self.units()).all(|unit| unit.is_ok())
            && self.0[end..].iter().all(|byte| *byte == 0)
    }

    fn units(&self) -> impl Iterator<Item = u16> {
        let units = self.0.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        units.take_while(|unit| *unit != 0)
    }
}

impl Default for Label {
    fn default() -> Label {
        Label([0; 2 * UNITS])
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Label, LabelError> {
        let units: Vec<u16> = text.encode_utf16().collect();
        if units.len() > UNITS {
            return Err(LabelError::Long { units: units.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(LabelError::Control);
        }
        let mut label = Label::default();
        for (place, unit) in label.0.chunks_exact_mut(2).zip(units) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        Ok(label)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars = char::decode_utf16(self.units()).map(|unit| unit.unwrap_or('\u{fffd}'));
        f.pad(&chars.collect::<String>())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Text that cannot be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A control character, such as a NUL or a line end.
    #[error("a label has no control characters")]
    Control,
    /// More units of UTF-16 than there is room for.
    #[error("a label has at most {UNITS} units of UTF-16, not {units}")]
    Long {
        /// How many there are.
        units: usize,
    },
}
