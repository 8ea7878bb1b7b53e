//! Records of the kernel's log, as `/dev/kmsg` gives them one by one.

use super::DeviceNumber;

/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 512;

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord {
    /// The number of the record; they are counted from the boot on.
    pub sequence: u64,
    /// The text, without control characters, and cut if it is very long.
    pub text: String,
}

impl LogRecord {
    /// Reads `priority,sequence,time,flags;text` and the lines about the record, which are left
    /// out. `None` if it is no such record.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<LogRecord> {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let line = String::from_utf8_lossy(&bytes[..end]);
        let (prefix, text) = line.split_once(';')?;
        let sequence = prefix.split(',').nth(1)?.parse().ok()?;
        let mut text: String = text.chars().filter(|char| !char.is_control()).collect();
        let end = (0..=MAX_LINE.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        Some(LogRecord { sequence, text })
    }

    /// Whether the text is device-mapper's and names this device, as in
    /// `device-mapper: table: 253:0: verity: Root hash verification failed (-ENOKEY)`.
    #[must_use]
    pub fn is_about(&self, number: DeviceNumber) -> bool {
        let name = number.to_string();
        let mut words = self.text.split_ascii_whitespace();
        words.next() == Some("device-mapper:")
            && words.any(|word| word.strip_suffix(':').unwrap_or(word) == name)
    }

    /// What a target said about a table that it refused, without what comes before.
    #[must_use]
    pub fn refusal(&self) -> &str {
        self.text.split_once("verity: ").map_or(&self.text, |(_, refusal)| refusal)
    }
}
