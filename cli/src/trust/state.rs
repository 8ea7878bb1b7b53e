//! The file in which `check` remembers the newest accepted version of each image.
//!
//! It is locked while it is open, as every output is, and written as a whole or not at all. One
//! that cannot be read, or is damaged, is an error: to begin anew would be to forget.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use verity::publish::{Input, Output};
use verity_sign::{
    AcceptedImages, Error, MAX_STATE_BYTES, Manifest, PolicyError, VerifiedManifest,
};

use crate::error::{Class, CommandError, OrFail};
use crate::inputs;
use crate::outputs::{self, write_bytes};

/// A state file that nobody else can change meanwhile.
#[derive(Debug)]
pub(crate) struct StateFile {
    accepted: AcceptedImages,
    output: Output,
    first_use: bool,
}

/// What the state file said of an image that was accepted.
#[derive(Debug)]
pub(crate) struct Acceptance {
    pub(crate) path: PathBuf,
    pub(crate) first_use: bool,
    pub(crate) previous_version: Option<u64>,
}

impl StateFile {
    /// Locks and reads the file. If there is no file, nothing was accepted yet.
    pub(crate) fn open(path: &Path) -> Result<StateFile, CommandError> {
        let output = outputs::create(path)?;
        let first_use = match path.symlink_metadata() {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(CommandError::new(Class::Io, error).at(path)),
        };
        let accepted = match first_use {
            true => AcceptedImages::new(),
            false => {
                // The one file that is read and written: it is no input of its own.
                let input = Input::open(path)?;
                let bytes = inputs::read_whole(&input, MAX_STATE_BYTES, Class::Trust)?;
                AcceptedImages::parse(&bytes).or_fail(Class::Trust, path)?
            }
        };
        Ok(StateFile { accepted, output, first_use })
    }

    /// Refuses an image that may not follow what was accepted before. A name that is not in the
    /// file yet must be expected.
    pub(crate) fn check(
        &self,
        manifest: &Manifest,
        expected_name: Option<&str>,
    ) -> Result<(), CommandError> {
        let checked = match expected_name {
            Some(name) => self.accepted.check_named(manifest, name),
            None => self.accepted.check(manifest),
        };
        checked.map_err(|error| refused(error, self.output.path()))
    }

    /// Remembers an image about which everything was found good.
    pub(crate) fn accept(
        mut self,
        verified: &VerifiedManifest,
        expected_name: Option<&str>,
    ) -> Result<Acceptance, CommandError> {
        let path = self.output.path().to_owned();
        let previous_version = self.accepted.version(verified.manifest().image().name());
        let changed = match expected_name {
            Some(name) => self.accepted.accept_named(verified, name),
            None => self.accepted.accept(verified),
        };
        if changed.map_err(|error| refused(error, &path))? {
            write_bytes(&self.output, &self.accepted.to_bytes())?;
            self.output.commit()?;
        }
        Ok(Acceptance { path, first_use: self.first_use, previous_version })
    }
}

fn refused(error: Error, path: &Path) -> CommandError {
    let hint = match error {
        Error::Policy(PolicyError::UnknownName { .. }) => {
            "; if it is the image that belongs here, --image-name with its name adds it"
        }
        _ => "",
    };
    CommandError::new(Class::Trust, error).adding(hint).at(path)
}
