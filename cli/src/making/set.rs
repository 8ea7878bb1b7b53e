//! The files of a set beside an image: opened before the work begins, written, and published
//! together.
//!
//! The manifest's signature appears last; until then `check` refuses the set. What an earlier set
//! had and this one has not, such as signatures, is taken away.

use std::path::PathBuf;

use verity::RootHash;
use verity::publish::{InPlace, Output, OutputSet, Removal};
use verity_sign::{Manifest, Signatory, SignaturePartition, Signer};

use super::guests::Guests;
use super::sidecars::SidecarSet;
use crate::error::{Class, CommandError, OrFail};
use crate::outputs::{self, write_bytes};

/// Which parts a set has that not every set has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetParts {
    pub(crate) signatures: bool,
    /// What systemd's signature partition holds; with the signatures only.
    pub(crate) partition: bool,
    /// The permission bits of the file with the hash area; what the umask leaves, unless given.
    pub(crate) hash_mode: Option<u32>,
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

impl SetSignatures {
    /// The signature of the manifest.
    pub(crate) fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// What systemd's signature partition holds, if that was asked for.
    pub(crate) fn partition(&self) -> Option<&[u8]> {
        self.partition.as_deref()
    }
}

/// What became of the files of a set.
#[derive(Debug)]
pub(crate) struct PublishedSet {
    pub(crate) written: Vec<SetFile>,
    /// Files of an earlier set that are gone.
    pub(crate) removed: Vec<PathBuf>,
}

/// A file of a set that has been published.
#[derive(Clone, Debug)]
pub(crate) struct SetFile {
    pub(crate) role: FileRole,
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
}

/// What a file of a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileRole {
    /// The hash area, with the parity behind it if there is any, and the data before it in a single
    /// file.
    Hash,
    RootHash,
    RootHashSignature,
    /// What systemd's signature partition holds.
    SignaturePartition,
    Manifest,
    ManifestSignature,
}

impl FileRole {
    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileRole::Hash => "hash",
            FileRole::RootHash => "root-hash",
            FileRole::RootHashSignature => "root-hash-signature",
            FileRole::SignaturePartition => "signature-partition",
            FileRole::Manifest => "manifest",
            FileRole::ManifestSignature => "manifest-signature",
        }
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
    /// Creates every file, so that an impossible one is found before the work begins.
    pub(crate) fn create(set: &SidecarSet, parts: SetParts) -> Result<SetOutputs, CommandError> {
        let hash = match parts.hash_mode {
            Some(mode) => outputs::create_with_mode(&set.hash, mode)?,
            None => outputs::create(&set.hash)?,
        };
        let root_hash = outputs::create(&set.root_hash)?;
        let manifest = outputs::create(&set.manifest)?;
        let mut stale = Vec::new();
        for path in &set.others {
            stale.push(outputs::removal(path)?);
        }
        let partition = match parts.signatures && parts.partition {
            true => Some(outputs::create(&set.signature_partition)?),
            false => {
                stale.push(outputs::removal(&set.signature_partition)?);
                None
            }
        };
        let signatures = match parts.signatures {
            true => Some(SignatureOutputs {
                root_hash: outputs::create(&set.root_hash_signature)?,
                manifest: outputs::create(&set.manifest_signature)?,
                partition,
            }),
            false => {
                stale.push(outputs::removal(&set.root_hash_signature)?);
                stale.push(outputs::removal(&set.manifest_signature)?);
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

    /// Makes the whole set appear, the manifest's signature last. With it the image keeps the zeros
    /// that it was padded with, if it was.
    pub(crate) fn publish(
        self,
        padded: Option<InPlace>,
        guests: Guests,
    ) -> Result<PublishedSet, CommandError> {
        let mut outputs = vec![(FileRole::Hash, self.hash), (FileRole::RootHash, self.root_hash)];
        let mut last = None;
        if let Some(signatures) = self.signatures {
            outputs.push((FileRole::RootHashSignature, signatures.root_hash));
            outputs.extend(signatures.partition.map(|it| (FileRole::SignaturePartition, it)));
            last = Some((FileRole::ManifestSignature, signatures.manifest));
        }
        outputs.push((FileRole::Manifest, self.manifest));
        outputs.extend(last);
        let written = outputs.iter().map(|(role, output)| SetFile::new(*role, output));
        let written = written.collect::<Result<_, _>>()?;
        let set = self.stale.into_iter().fold(OutputSet::new(), OutputSet::removal);
        let set = guests.finish(set)?;
        let outputs = outputs.into_iter().map(|(_, output)| output);
        let set = padded.into_iter().fold(set, OutputSet::keeping);
        let removed = outputs.fold(set, OutputSet::output).commit()?;
        Ok(PublishedSet { written, removed })
    }
}

impl SetFile {
    /// What becomes of an output that is written.
    fn new(role: FileRole, output: &Output) -> Result<SetFile, CommandError> {
        let path = output.path().to_owned();
        let size_bytes = output.file().metadata().or_fail(Class::Io, &path)?.len();
        Ok(SetFile { role, path, size_bytes })
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
