//! The files of a set beside an image: opened before the work begins, written, and published
//! together.
//!
//! The manifest's signature appears last; until then `check` refuses the set. What an earlier set
//! had and this one has not, such as signatures, is taken away.

use std::path::PathBuf;

use verity::publish::{InPlace, Output, OutputSet, Removal};
use verity_sign::{Sidecar, Sidecars};

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

impl SetParts {
    fn has(self, part: Sidecar) -> bool {
        match part {
            Sidecar::RootHash | Sidecar::Manifest => true,
            Sidecar::RootHashSignature | Sidecar::ManifestSignature => self.signatures,
            Sidecar::SignaturePartition => self.signatures && self.partition,
        }
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
    /// What lies beside.
    Sidecar(Sidecar),
}

impl FileRole {
    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileRole::Hash => "hash",
            FileRole::Sidecar(part) => part.name(),
        }
    }
}

/// The files of a set, not yet published.
pub(crate) struct SetOutputs {
    hash: Output,
    /// In the order in which they are to appear.
    sidecars: Vec<(Sidecar, Output)>,
    /// What an earlier set had and this one does not.
    stale: Vec<Removal>,
}

impl SetOutputs {
    /// Creates every file, so that an impossible one is found before the work begins.
    pub(crate) fn create(set: &SidecarSet, parts: SetParts) -> Result<SetOutputs, CommandError> {
        let hash = match parts.hash_mode {
            Some(mode) => outputs::create_with_mode(&set.hash, mode)?,
            None => outputs::create(&set.hash)?,
        };
        let mut sidecars = Vec::new();
        for part in Sidecar::ALL.iter().filter(|part| parts.has(**part)) {
            sidecars.push((*part, outputs::create(set.path(*part))?));
        }
        let unsigned =
            [Sidecar::SignaturePartition, Sidecar::RootHashSignature, Sidecar::ManifestSignature];
        let unsigned = unsigned.iter().filter(|part| !parts.has(**part));
        let others = set.others.iter().map(PathBuf::as_path);
        let mut stale = Vec::new();
        for path in others.chain(unsigned.map(|part| set.path(*part))) {
            stale.push(outputs::removal(path)?);
        }
        Ok(SetOutputs { hash, sidecars, stale })
    }

    /// The file that tree and parity are built into.
    pub(crate) fn hash(&self) -> &Output {
        &self.hash
    }

    /// Writes the small files.
    pub(crate) fn write(&self, content: &Sidecars) -> Result<(), CommandError> {
        for (part, output) in &self.sidecars {
            if let Some(bytes) = content.content(*part) {
                write_bytes(output, &bytes)?;
            }
        }
        Ok(())
    }

    /// Makes the whole set appear, the manifest's signature last. With it the image keeps the zeros
    /// that it was padded with, if it was.
    pub(crate) fn publish(
        self,
        padded: Option<InPlace>,
        guests: Guests,
    ) -> Result<PublishedSet, CommandError> {
        let sidecars = self.sidecars.into_iter();
        let sidecars = sidecars.map(|(part, output)| (FileRole::Sidecar(part), output));
        let outputs: Vec<_> = [(FileRole::Hash, self.hash)].into_iter().chain(sidecars).collect();
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
