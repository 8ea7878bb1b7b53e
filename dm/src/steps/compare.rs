//! Whether a device that exists is the one that is wanted.

use std::fmt;

use crate::device::{Backing, State, Status, VerityStatus};
use crate::error::{Error, Role};

use super::below::{Identity, Wanted};
use super::plan::Plan;

/// A device of the wanted name, and in what it differs from the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Existing {
    /// The device.
    pub status: Status,
    /// In what it differs, in the order of [`Difference`].
    pub differences: Vec<Difference>,
}

impl Existing {
    /// Whether the device is the wanted one: of the same backing files or devices, length,
    /// parameters, root hash and options, and signed or not as wanted.
    ///
    /// A device that is suspended, or will be removed when it is closed last, counts as well: its
    /// `status` says so.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Something in which two devices differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// It has no live table.
    NoTable,
    /// It has other targets.
    Target,
    /// Its data are on another device, or in another file or another part of it.
    Data,
    /// Its tree is.
    Hash,
    /// Its parity is, or covers something else, or one of the two has none.
    Fec,
    /// A parameter of the tree: hash type, block sizes, number of data blocks, place, algorithm,
    /// salt. Or the device is shorter than the data that the tree covers.
    Parameters,
    /// The root hash.
    RootHash,
    /// An option of the table.
    Options,
    /// One of the two is signed.
    Signature,
}

impl Difference {
    /// What differs, in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Difference::NoTable => "it has no table",
            Difference::Target => "it is no verity device",
            Difference::Data => Role::Data.name(),
            Difference::Hash => Role::Hash.name(),
            Difference::Fec => "forward error correction",
            Difference::Parameters => "parameters of the tree",
            Difference::RootHash => "root hash",
            Difference::Options => "options",
            Difference::Signature => "signature",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Compares the device with the wanted one. No loop device is made for it.
pub(super) fn compare(plan: &Plan, status: Status) -> Result<Existing, Error> {
    let differences = match &status.state {
        State::NoTable => vec![Difference::NoTable],
        State::Other { .. } => vec![Difference::Target],
        State::Verity(verity) => differences(plan, verity)?,
    };
    Ok(Existing { status, differences })
}

fn differences(plan: &Plan, verity: &VerityStatus) -> Result<Vec<Difference>, Error> {
    // The kernel also takes a table over the first of the blocks alone.
    let is_whole = verity.sectors == plan.params.data_size() / 512;
    let has_params = verity.line.has_params(&plan.params, plan.hash_start);
    let mut equal = vec![
        (Difference::Parameters, is_whole && has_params),
        (Difference::RootHash, verity.line.has_root_hash(plan.root_hash)),
        (Difference::Options, has_options(plan, verity)),
        (Difference::Signature, verity.line.is_signed() == plan.signature.is_some()),
    ];
    let mut fec = has_parity(plan, verity);
    for wanted in plan.wanted()? {
        let backing = match wanted.role {
            Role::Data => Some(&verity.data),
            Role::Hash => Some(&verity.hash),
            Role::Fec => verity.fec.as_ref(),
        };
        let is_same = is_same(backing, &wanted)?;
        match wanted.role {
            Role::Data => equal.push((Difference::Data, is_same)),
            Role::Hash => equal.push((Difference::Hash, is_same)),
            Role::Fec => fec &= is_same,
        }
    }
    equal.push((Difference::Fec, fec));
    let mut differences: Vec<_> =
        equal.into_iter().filter(|(_, is_equal)| !is_equal).map(|(what, _)| what).collect();
    differences.sort();
    Ok(differences)
}

fn has_options(plan: &Plan, verity: &VerityStatus) -> bool {
    let options = &verity.line.options;
    options.unknown.is_empty() && options.flag_words() == plan.options.words()
}

/// Whether both have parity that covers and lies alike, on whatever device.
fn has_parity(plan: &Plan, verity: &VerityStatus) -> bool {
    let wanted = plan.fec.as_ref().map(|fec| (fec.start, fec.blocks, fec.roots));
    verity.line.parity() == wanted
}

fn is_same(backing: Option<&Backing>, wanted: &Wanted) -> Result<bool, Error> {
    let Some(backing) = backing else { return Ok(false) };
    Ok(match wanted.identity()? {
        Identity::Device(number) => backing.number == Some(number),
        Identity::File(device, inode) => {
            let info = backing.loop_file.as_ref().and_then(|file| file.info.as_ref());
            info.is_some_and(|info| {
                (info.device, info.inode) == (device, inode)
                    && (info.offset, info.size_limit) == wanted.place.limits()
            })
        }
    })
}
