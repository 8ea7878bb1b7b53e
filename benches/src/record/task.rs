//! What is measured, and what belongs together.

use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A command makes a hash file, its data in the page cache.
    Format,
    /// A command verifies data and hash file, both in the page cache.
    Verify,
    /// A command reads and verifies an image from start to end, everything in the page cache.
    ReadImage,
    /// As [`Task::Format`], the data not in the page cache.
    FormatCold,
    /// An image is copied, and a hash file made of it, everything in the page cache.
    OnePass,
    /// As [`Task::OnePass`], with the SHA-256 of the image as a file.
    OnePassDigest,
    /// As [`Task::OnePassDigest`], the image not in the page cache, before each tool.
    OnePassCold,
    /// A release is put into a slot, up to the last sync; nothing is in the page cache.
    Install,
    /// What was put there is read back, and verified.
    InstallReadBack,
    /// Blocks to sha256 digests, the blocks in the level-2 cache.
    Sha256L2,
    /// Blocks to sha256 digests, the blocks in memory.
    Sha256Memory,
    /// Blocks to sha512 digests, the blocks in the level-2 cache.
    Sha512L2,
    /// Blocks to sha512 digests, the blocks in memory.
    Sha512Memory,
    /// Reads of 4 KiB, uniform over the image.
    ReadRandom,
    /// Reads of 128 KiB, one after the other.
    ReadSequential,
    /// As [`Task::Format`], with parity of 2 roots.
    FormatFec2,
    /// As [`Task::Format`], with parity of 24 roots.
    FormatFec24,
    /// A command repairs an image in place, 2 roots; everything is in the page cache.
    RepairFec2,
    /// A command repairs an image in place, 24 roots.
    RepairFec24,
    /// Blocks in memory to parity, 2 roots.
    EncodeFec2,
    /// Blocks in memory to parity, 24 roots.
    EncodeFec24,
    /// 2 lost blocks of each round, out of the others and the parity in memory, 2 roots.
    RecoverFec2,
    /// 24 lost blocks of each round, out of the others and the parity in memory, 24 roots.
    RecoverFec24,
}

/// Tasks of one kind are drawn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole commands, on some threads.
    Command,
    /// Hashing on one thread.
    Kernel,
    /// Reads in this process, on some threads, the image in the page cache.
    Read,
    /// Whole commands that make or use parity, on some threads.
    Parity,
    /// Making parity, or recovering lost blocks, on one thread.
    ParityKernel,
}

impl Task {
    /// The task in words.
    pub fn title(self) -> &'static str {
        match self {
            Task::Format => "format",
            Task::Verify => "verify",
            Task::ReadImage => "read",
            Task::FormatCold => "format, cold file",
            Task::OnePass => "copy and format",
            Task::OnePassDigest => "copy, format and sha256 of the file",
            Task::OnePassCold => "copy, format and sha256 of the file, cold file",
            Task::Install => "install into a slot, up to the last sync",
            Task::InstallReadBack => "read back and verify a slot",
            Task::Sha256L2 => "sha256, blocks in L2",
            Task::Sha256Memory => "sha256, blocks in memory",
            Task::Sha512L2 => "sha512, blocks in L2",
            Task::Sha512Memory => "sha512, blocks in memory",
            Task::ReadRandom => "reads of 4 KiB at random",
            Task::ReadSequential => "reads of 128 KiB in order",
            Task::FormatFec2 => "format with parity, 2 roots",
            Task::FormatFec24 => "format with parity, 24 roots",
            Task::RepairFec2 => "repair of 0.1 % of all blocks, 2 roots",
            Task::RepairFec24 => "repair of 1 % of all blocks, 24 roots",
            Task::EncodeFec2 => "parity of blocks in memory, 2 roots",
            Task::EncodeFec24 => "parity of blocks in memory, 24 roots",
            Task::RecoverFec2 => "2 lost blocks of each round out of memory, 2 roots",
            Task::RecoverFec24 => "24 lost blocks of each round out of memory, 24 roots",
        }
    }

    /// What it is a task for.
    pub fn kind(self) -> Kind {
        match self {
            Task::Format
            | Task::Verify
            | Task::ReadImage
            | Task::FormatCold
            | Task::OnePass
            | Task::OnePassDigest
            | Task::OnePassCold
            | Task::Install
            | Task::InstallReadBack => Kind::Command,
            Task::Sha256L2 | Task::Sha256Memory | Task::Sha512L2 | Task::Sha512Memory => {
                Kind::Kernel
            }
            Task::ReadRandom | Task::ReadSequential => Kind::Read,
            Task::FormatFec2 | Task::FormatFec24 | Task::RepairFec2 | Task::RepairFec24 => {
                Kind::Parity
            }
            Task::EncodeFec2 | Task::EncodeFec24 | Task::RecoverFec2 | Task::RecoverFec24 => {
                Kind::ParityKernel
            }
        }
    }
}

impl Kind {
    /// Whether it is about one thread alone.
    pub(super) fn is_of_one_thread(self) -> bool {
        matches!(self, Kind::Kernel | Kind::ParityKernel)
    }
}
