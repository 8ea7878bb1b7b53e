//! What is wrong with a table, or with text that should be one.

use std::ops::Range;

use super::limits::MAX_DEVICES;
use super::names::{KEY, OPTIONS};
use crate::{
    Algorithm, AlgorithmError, DigestError, FecError, HashAreaError, ParamsError, SaltError,
};

/// A table that no verity device can have, or text that is no table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The algorithm is unknown, or not spelled as the kernel does.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// A character that ends a field of `dm-mod.create=` or its quotes.
    #[error("{text:?} cannot stand in dm-mod.create=: no commas, semicolons or quotes")]
    Character {
        /// The text.
        text: String,
    },
    /// Two options of which the kernel takes one.
    #[error("the options {first} and {second} contradict each other")]
    ConflictingOptions {
        /// The one that came first.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// A device name that device-mapper does not take.
    #[error(
        "{name:?} is no device-mapper name: 1 to 127 bytes of printable ASCII without slash, \
         backslash, comma, semicolon or quotes"
    )]
    DmName {
        /// The name.
        name: String,
    },
    /// An option given twice.
    #[error("the option {name} is given twice")]
    DuplicateOption {
        /// The option.
        name: &'static str,
    },
    /// Parity that cannot be.
    #[error(transparent)]
    Fec(#[from] FecError),
    /// Flags of `dm-mod.create=` other than `ro`.
    #[error("a verity device must be read-only (ro), not {flags:?}")]
    Flags {
        /// The flags.
        flags: String,
    },
    /// A value that GRUB would not take over as it is.
    #[error("{text:?} cannot stand between double quotes in a GRUB configuration")]
    GrubValue {
        /// The text.
        text: String,
    },
    /// A name that no GRUB variable can have.
    #[error("{name:?} is no name of a GRUB variable: letters, digits and _, no digit first")]
    GrubVariable {
        /// The name.
        name: String,
    },
    /// The tree cannot lie there.
    #[error(transparent)]
    HashArea(HashAreaError),
    /// The tree would begin beyond 64 bits.
    #[error("hash start {hash_start} is beyond 2^64 bytes")]
    HashStartTooLarge {
        /// The hash start, in hash blocks.
        hash_start: u64,
    },
    /// Some words about error correction without the others.
    #[error("error correction is described in part: {missing} is missing")]
    IncompleteFec {
        /// The first missing option.
        missing: &'static str,
    },
    /// A signature in `dm-mod.create=`.
    #[error("root_hash_sig_key_desc cannot stand in dm-mod.create=: there are no keys that early")]
    KeyTooEarly,
    /// The text ends too early.
    #[error("the table ends before its {what}")]
    Missing {
        /// What should follow.
        what: &'static str,
    },
    /// An option without its value.
    #[error("the option {option} needs a value")]
    MissingValue {
        /// The option.
        option: &'static str,
    },
    /// A word that should be a number.
    #[error("{text:?} is no {what}: decimal digits are needed, and a value within the limits")]
    Number {
        /// Which number.
        what: &'static str,
        /// What stood there.
        text: String,
    },
    /// The count of option words does not match.
    #[error("{stated} option words are announced, {actual} follow")]
    OptionCount {
        /// The number before the options.
        stated: u64,
        /// How many words follow it.
        actual: u64,
    },
    /// Sizes or counts that no tree can have.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The root hash is no digest.
    #[error("root hash: {0}")]
    RootHash(DigestError),
    /// The root hash is not a digest of the algorithm.
    #[error("a root hash of {algorithm} has {expected} bytes, this one has {actual}")]
    RootHashSize {
        /// The algorithm.
        algorithm: Algorithm,
        /// The digest size of the algorithm, in bytes.
        expected: u32,
        /// The size of the root hash, in bytes.
        actual: u32,
    },
    /// The salt is no salt.
    #[error("salt: {0}")]
    Salt(SaltError),
    /// The length is not that of the data.
    #[error("the length is {actual} sectors, but the data blocks have {expected}")]
    Sectors {
        /// What the data blocks amount to, in sectors of 512 bytes.
        expected: u64,
        /// What stood there.
        actual: u64,
    },
    /// The table begins elsewhere than at 0.
    #[error("a verity table starts at sector 0, not at {start}")]
    Start {
        /// The start, in sectors of 512 bytes.
        start: u64,
    },
    /// A device name that systemd would take apart.
    #[error("{text:?} cannot stand among systemd's options: no commas or quotes")]
    SystemdCharacter {
        /// The name.
        text: String,
    },
    /// A device name that the kernel takes, or a boot loader, but not systemd.
    #[error(
        "systemd does not count partitions from another one, as {name:?} does: the partition's own \
         PARTUUID= is needed, or its path"
    )]
    SystemdDevice {
        /// The name.
        name: String,
    },
    /// A hash area that does not hold the table's tree.
    #[error(
        "the table's tree lies at the bytes {table:?} of the hash device, the hash area has one at \
         {area:?}"
    )]
    SystemdHashArea {
        /// Where the table has it, in bytes.
        table: Range<u64>,
        /// Where the hash area has it, in bytes.
        area: Range<u64>,
    },
    /// A name that systemd has no parameters for.
    #[error(
        "systemd has kernel parameters for the devices root and usr alone, not for {name:?}; \
         a line of veritytab can name any"
    )]
    SystemdName {
        /// The name.
        name: String,
    },
    /// An option that systemd has no word for.
    #[error("systemd has no option that sets {option}{}", systemd_instead(option))]
    SystemdOption {
        /// The option.
        option: &'static str,
    },
    /// Parity over other blocks than systemd would say.
    #[error("systemd takes parity at this place to cover {implied} blocks, but it covers {blocks}")]
    SystemdParity {
        /// How many it covers.
        blocks: u64,
        /// How many systemd would say.
        implied: u64,
    },
    /// Another target type.
    #[error("the target type is {target:?}, not verity")]
    Target {
        /// The type.
        target: String,
    },
    /// The text is longer than its reader allows.
    #[error("{len} bytes are too long: at most {max}")]
    TooLong {
        /// The length of the text, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// More devices than the kernel takes.
    #[error("{count} devices are too many: at most {MAX_DEVICES}")]
    TooManyDevices {
        /// How many there are.
        count: usize,
    },
    /// More tables than a verity device can have.
    #[error("a verity device has one table; {name:?} has more")]
    TooManyTables {
        /// The device's name.
        name: String,
    },
    /// A value for an option that has none.
    #[error("the option {option} takes no value")]
    UnexpectedValue {
        /// The option.
        option: &'static str,
    },
    /// An option that is not known.
    #[error("the option {name:?} is not known; known ones: {known}", known = OPTIONS.join(", "))]
    UnknownOption {
        /// The option.
        name: String,
    },
    /// Text that would not be one word of a table.
    #[error("{text:?} is no {what}: one word of printable ASCII without backslash is needed")]
    Word {
        /// What it should be.
        what: &'static str,
        /// The text.
        text: String,
    },
}

fn systemd_instead(option: &str) -> &'static str {
    match option {
        KEY => ": it makes the key itself, of root-hash-signature=FILE",
        _ => "",
    }
}
