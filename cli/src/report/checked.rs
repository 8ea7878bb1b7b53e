//! `verity check`: what of a set was found good.

use std::fmt;

use serde::Serialize;
use verity_sign::{Image, Manifest};

use super::parity::FecEntry;
use super::signer::SignerEntry;
use super::verified::VerifiedDocument;
use crate::command::check::{Checked, CheckedDisk};
use crate::quoted::{Plain, Quoted};
use crate::trust::Acceptance;

/// What was found good. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct CheckedDocument {
    #[serde(flatten)]
    verification: VerifiedDocument,
    /// What only a manifest says; without one it is not known.
    image_name: Option<String>,
    image_version: Option<u64>,
    label: Option<String>,
    not_after: Option<u64>,
    /// Who signed what systemd's signature partition holds, if the set has that.
    signature_partition_signer: Option<SignerEntry>,
    /// The parity in the hash file, compared too.
    fec: Option<FecEntry>,
    state: Option<StateEntry>,
}

impl From<&Checked> for CheckedDocument {
    fn from(facts: &Checked) -> CheckedDocument {
        let manifest = facts.manifest.as_ref();
        let image = manifest.map(Manifest::image);
        let partition_signer = facts.signature_partition_signer.as_deref();
        CheckedDocument {
            verification: VerifiedDocument::from(&facts.verification),
            image_name: image.map(|image| image.name().to_owned()),
            image_version: image.map(Image::version),
            label: image.map(|image| image.label().to_owned()),
            not_after: manifest.and_then(Manifest::not_after),
            signature_partition_signer: partition_signer.map(SignerEntry::from),
            fec: manifest.and_then(Manifest::fec_area).as_ref().map(FecEntry::from),
            state: facts.state.as_ref().map(StateEntry::from),
        }
    }
}

/// A disk image all of which is good. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct CheckedDiskDocument {
    disk: String,
    images: Vec<CheckedImageEntry>,
    /// What the disk was held against beside, in systemd's words.
    policy: Option<String>,
}

#[derive(Serialize)]
struct CheckedImageEntry {
    /// `root` or `usr`.
    mount_point: &'static str,
    /// Whether its partitions are found by the root hash.
    discoverable: bool,
    /// The number of the partition with the data.
    partition: u32,
    #[serde(flatten)]
    checked: CheckedDocument,
}

impl From<&CheckedDisk> for CheckedDiskDocument {
    fn from(facts: &CheckedDisk) -> CheckedDiskDocument {
        let images = facts.images.iter().map(|image| CheckedImageEntry {
            mount_point: image.mount_point.name(),
            discoverable: image.is_discoverable,
            partition: image.data,
            checked: CheckedDocument::from(&image.checked),
        });
        CheckedDiskDocument {
            disk: Quoted(&facts.disk).to_string(),
            images: images.collect(),
            policy: facts.policy.clone(),
        }
    }
}

impl fmt::Display for CheckedDiskDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for image in &self.images {
            let hidden = if image.discoverable { "" } else { " (not discoverable)" };
            writeln!(f, "{} of {}{hidden}", image.mount_point, self.disk)?;
            image.checked.fmt(f)?;
        }
        if let Some(policy) = &self.policy {
            writeln!(f, "policy: {policy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CheckedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.image_name, self.image_version) {
            (Some(name), Some(version)) => writeln!(f, "image: {} version {version}", Plain(name))?,
            _ => writeln!(f, "image: not known, no manifest names it")?,
        }
        if let Some(signer) = &self.signature_partition_signer {
            writeln!(f, "signature partition: signed by {signer}")?;
        }
        if let Some(state) = &self.state {
            writeln!(f, "state: {state}")?;
        }
        self.verification.fmt(f)?;
        if let Some(fec) = &self.fec {
            writeln!(f, "parity: {fec} of the hash file")?;
        }
        Ok(())
    }
}

/// What the state file said. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct StateEntry {
    path: String,
    first_use: bool,
    previous_version: Option<u64>,
}

impl From<&Acceptance> for StateEntry {
    fn from(facts: &Acceptance) -> StateEntry {
        StateEntry {
            path: Quoted(&facts.path).to_string(),
            first_use: facts.first_use,
            previous_version: facts.previous_version,
        }
    }
}

impl fmt::Display for StateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (self.first_use, self.previous_version) {
            (true, _) => write!(f, "first use, {path} made"),
            (false, None) => write!(f, "first image of this name in {path}"),
            (false, Some(version)) => write!(f, "version {version} was accepted before ({path})"),
        }
    }
}
