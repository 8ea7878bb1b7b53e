//! The files of a set beside an image: opened before the work begins, written, and published
//! together.
//!
//! The manifest's signature appears last; until then `check` refuses the set. What an earlier set
//! had and this one has not, such as signatures, is taken away.

use std::path::{Path, PathBuf};

use verity::RootHash;
use verity::publish::{Input, Output, OutputSet, Removal};
use verity_sign::{Manifest, Signatory, SignaturePartition, Signer};

use super::sidecars::SidecarSet;
use crate::error::CommandError;
use crate::outputs::write_bytes;

/// Which parts a set has that not every set has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetParts {
    pub(crate) signatures: bool,
    /// What systemd's signature partition holds; with the signatures only.
    pub(crate) partition: bool,
}

/// What the small files of a set hold.
#[derive(Debug)]
pub(crate) struct SetContent {
    pub(crate) root_hash: RootHash,
    pub(crate) manifest: Manifest,
    pub(crate) signatures: Option<SetSignatures>,
}

/// The signatures of a set.
#[derive(Debug)]
pub(crate) struct SetSignatures {
    root_hash: Vec<u8>,
    manifest: Vec<u8>,
    partition: Option<Vec<u8>>,
}

impl SetSignatures {
    /// Signs root hash and manifest; `partition` asks for what systemd's signature partition
    /// holds.
    pub(crate) fn make(
        signatory: &Signatory<Box<dyn Signer>>,
        root_hash: &RootHash,
        manifest: &Manifest,
        partition: bool,
    ) -> Result<SetSignatures, verity_sign::Error> {
        let signature = signatory.sign_root_hash(root_hash)?;
        let certificate = signatory.builder().certificate();
        let partition = match partition {
            true => {
                let partition = SignaturePartition::new(root_hash, signature.clone(), certificate)?;
                Some(partition.to_bytes())
            }
            false => None,
        };
        let manifest = signatory.sign_manifest(manifest)?;
        Ok(SetSignatures { root_hash: signature, manifest, partition })
    }
}

/// The files of a set, not yet published.
pub(crate) struct SetOutputs {
    hash: Output,
    root_hash: Output,
    manifest: Output,
    signatures: Option<SignatureOutputs>,
    /// What an earlier set had and this one does not.
    stale: Vec<Removal>,
}

struct SignatureOutputs {
    root_hash: Output,
    manifest: Output,
    partition: Option<Output>,
}

impl SetOutputs {
    /// Creates every file, so that an impossible one is found before the work begins. No file may
    /// be one of the inputs.
    pub(crate) fn create(
        set: &SidecarSet,
        inputs: &[Input],
        parts: SetParts,
    ) -> Result<SetOutputs, CommandError> {
        let hash = create(&set.hash, inputs)?;
        let root_hash = create(&set.root_hash, inputs)?;
        let manifest = create(&set.manifest, inputs)?;
        let mut stale = Vec::new();
        for path in &set.other_kind {
            stale.push(remove(path, inputs)?);
        }
        let partition = match parts.signatures && parts.partition {
            true => Some(create(&set.signature_partition, inputs)?),
            false => {
                stale.push(remove(&set.signature_partition, inputs)?);
                None
            }
        };
        let signatures = match parts.signatures {
            true => Some(SignatureOutputs {
                root_hash: create(&set.root_hash_signature, inputs)?,
                manifest: create(&set.manifest_signature, inputs)?,
                partition,
            }),
            false => {
                stale.push(remove(&set.root_hash_signature, inputs)?);
                stale.push(remove(&set.manifest_signature, inputs)?);
                None
            }
        };
        Ok(SetOutputs { hash, root_hash, manifest, signatures, stale })
    }

    /// The file that tree and parity are built into.
    pub(crate) fn hash(&self) -> &Output {
        &self.hash
    }

    /// Writes the small files.
    pub(crate) fn write(&self, content: &SetContent) -> Result<(), CommandError> {
        write_bytes(&self.root_hash, content.root_hash.to_string().as_bytes())?;
        write_bytes(&self.manifest, &content.manifest.to_bytes())?;
        match (&self.signatures, &content.signatures) {
            (Some(outputs), Some(signatures)) => outputs.write(signatures),
            _ => Ok(()),
        }
    }

    /// Makes the whole set appear, the manifest's signature last; returns the paths.
    pub(crate) fn publish(self) -> Result<Vec<PathBuf>, CommandError> {
        let mut outputs = vec![self.hash, self.root_hash];
        let mut last = None;
        if let Some(signatures) = self.signatures {
            outputs.push(signatures.root_hash);
            outputs.extend(signatures.partition);
            last = Some(signatures.manifest);
        }
        outputs.push(self.manifest);
        outputs.extend(last);
        let paths = outputs.iter().map(|output| output.path().to_owned()).collect();
        let set = self.stale.into_iter().fold(OutputSet::new(), OutputSet::removal);
        outputs.into_iter().fold(set, OutputSet::output).commit()?;
        Ok(paths)
    }
}

impl SignatureOutputs {
    fn write(&self, signatures: &SetSignatures) -> Result<(), CommandError> {
        write_bytes(&self.root_hash, &signatures.root_hash)?;
        if let (Some(output), Some(bytes)) = (&self.partition, &signatures.partition) {
            write_bytes(output, bytes)?;
        }
        write_bytes(&self.manifest, &signatures.manifest)
    }
}

fn create(path: &Path, inputs: &[Input]) -> Result<Output, CommandError> {
    let output = Output::create(path)?;
    inputs.iter().try_for_each(|input| output.check_distinct(input))?;
    Ok(output)
}

fn remove(path: &Path, inputs: &[Input]) -> Result<Removal, CommandError> {
    let removal = Removal::of(path)?;
    inputs.iter().try_for_each(|input| removal.check_distinct(input))?;
    Ok(removal)
}
