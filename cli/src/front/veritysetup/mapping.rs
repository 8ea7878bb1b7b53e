//! A live mapping, and the lines that `status` prints of it.

use std::fmt;

/// A mapping that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Inactive,
    /// There is one without a table.
    WithoutTable,
    /// It is one of another target.
    Foreign {
        in_use: bool,
    },
    Verity(Box<Mapping>),
}

/// A live mapping, as its table and its status tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) in_use: bool,
    /// Whether no corruption was seen yet.
    pub(super) verified: bool,
    pub(super) signed: bool,
    pub(super) hash_type: u32,
    /// In bytes, as are all sizes here.
    pub(super) data_block_size: u32,
    pub(super) hash_block_size: u32,
    pub(super) algorithm: String,
    /// Hex, or `-`.
    pub(super) salt: String,
    pub(super) root_hash: String,
    pub(super) size: u64,
    pub(super) read_only: bool,
    pub(super) data: Device,
    pub(super) hash: Device,
    /// Where the tree begins.
    pub(super) hash_offset: u64,
    pub(super) parity: Option<MappedParity>,
    /// The kernel's words, in the order of the original.
    pub(super) flags: Vec<String>,
}

/// Parity of a live mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappedParity {
    pub(super) device: Device,
    pub(super) offset: u64,
    pub(super) roots: u32,
    /// How often it was used, where the kernel counts that.
    pub(super) repaired: Option<u64>,
}

/// A device under a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) path: String,
    /// The file of a loop device.
    pub(super) file: Option<String>,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.verified { "verified" } else { "corrupted" };
        let signed = if self.signed { " (with signature)" } else { "" };
        let mode = if self.read_only { "readonly" } else { "read/write" };
        writeln!(f, "  type:        VERITY")?;
        writeln!(f, "  status:      {verdict}{signed}")?;
        writeln!(f, "  hash type:   {}", self.hash_type)?;
        writeln!(f, "  data block:  {} [bytes]", self.data_block_size)?;
        writeln!(f, "  hash block:  {} [bytes]", self.hash_block_size)?;
        writeln!(f, "  hash name:   {}", self.algorithm)?;
        writeln!(f, "  salt:        {}", self.salt)?;
        writeln!(f, "  data device: {}", self.data.path)?;
        if let Some(file) = &self.data.file {
            writeln!(f, "  data loop:   {file}")?;
        }
        writeln!(f, "  size:        {}", Sectors(self.size))?;
        writeln!(f, "  mode:        {mode}")?;
        writeln!(f, "  hash device: {}", self.hash.path)?;
        if let Some(file) = &self.hash.file {
            writeln!(f, "  hash loop:   {file}")?;
        }
        writeln!(f, "  hash offset: {}", Sectors(self.hash_offset))?;
        if let Some(parity) = &self.parity {
            writeln!(f, "  FEC device:  {}", parity.device.path)?;
            if let Some(file) = &parity.device.file {
                writeln!(f, "  FEC loop:    {file}")?;
            }
            writeln!(f, "  FEC offset:  {}", Sectors(parity.offset))?;
            writeln!(f, "  FEC roots:   {}", parity.roots)?;
            if let Some(repaired) = parity.repaired {
                writeln!(f, "  FEC repaired: {repaired} [events]")?;
            }
        }
        writeln!(f, "  root hash:   {}", self.root_hash)?;
        match self.flags.is_empty() {
            true => Ok(()),
            false => writeln!(f, "  flags:       {}", self.flags.join(" ")),
        }
    }
}

/// A number of bytes, as sectors and as bytes.
struct Sectors(u64);

impl fmt::Display for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [512-byte units] ({} [bytes])", self.0 / 512, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(path: &str, file: Option<&str>) -> Device {
        Device { path: path.to_owned(), file: file.map(str::to_owned) }
    }

    fn mapping() -> Mapping {
        Mapping {
            in_use: true,
            verified: true,
            signed: false,
            hash_type: 1,
            data_block_size: 4096,
            hash_block_size: 4096,
            algorithm: "sha256".to_owned(),
            salt: "-".to_owned(),
            root_hash: "ab".repeat(32),
            size: 8_388_608,
            read_only: true,
            data: device("/dev/loop0", Some("/srv/img")),
            hash: device("/dev/loop1", Some("/srv/h4")),
            hash_offset: 4096,
            parity: None,
            flags: Vec::new(),
        }
    }

    #[test]
    fn the_lines_are_those_of_the_original() {
        let expected = format!(
            "  type:        VERITY\n\
             \u{20} status:      verified\n\
             \u{20} hash type:   1\n\
             \u{20} data block:  4096 [bytes]\n\
             \u{20} hash block:  4096 [bytes]\n\
             \u{20} hash name:   sha256\n\
             \u{20} salt:        -\n\
             \u{20} data device: /dev/loop0\n\
             \u{20} data loop:   /srv/img\n\
             \u{20} size:        16384 [512-byte units] (8388608 [bytes])\n\
             \u{20} mode:        readonly\n\
             \u{20} hash device: /dev/loop1\n\
             \u{20} hash loop:   /srv/h4\n\
             \u{20} hash offset: 8 [512-byte units] (4096 [bytes])\n\
             \u{20} root hash:   {}\n",
            "ab".repeat(32)
        );
        assert_eq!(mapping().to_string(), expected);
    }

    #[test]
    fn parity_flags_and_a_bad_verdict_are_told() {
        let parity = MappedParity {
            device: device("/dev/loop3", Some("/srv/f")),
            offset: 0,
            roots: 2,
            repaired: Some(3),
        };
        let flags = ["panic_on_corruption", "panic_on_error", "check_at_most_once"];
        let flags = flags.map(str::to_owned).to_vec();
        let (data, hash) = (device("/dev/sda1", None), device("/dev/sda2", None));
        let text = Mapping {
            verified: false,
            signed: true,
            parity: Some(parity),
            flags,
            data,
            hash,
            ..mapping()
        }
        .to_string();
        for line in [
            "  status:      corrupted (with signature)",
            "  FEC device:  /dev/loop3",
            "  FEC loop:    /srv/f",
            "  FEC offset:  0 [512-byte units] (0 [bytes])",
            "  FEC roots:   2",
            "  FEC repaired: 3 [events]",
            "  flags:       panic_on_corruption panic_on_error check_at_most_once",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("data loop") && !text.contains("hash loop"));
    }
}
