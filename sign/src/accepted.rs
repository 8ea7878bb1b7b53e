//! The newest accepted version of each image name. A machine remembers it, so that nobody can hand
//! it an older image that was validly signed.
//!
//! The file is one line of JSON in exactly one form (docs/FORMAT.md), like a manifest. A damaged
//! file is an error and never taken for an empty one. The caller decides where the file lies, and
//! writes it as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use verity::RootHash;
use verity::internals::to_u64;

use crate::canonical::first_difference;
use crate::error::{Error, PolicyError, StateError, quoted};
use crate::manifest::{Image, Manifest, VerifiedManifest};

/// State files are at most this long, in bytes.
pub const MAX_STATE_BYTES: u64 = to_u64(MAX);

/// The newest accepted version of each image name.
///
/// ```
/// let accepted = verity_sign::AcceptedImages::new();
/// assert_eq!(accepted.to_bytes(), br#"{"state_version":1,"images":[]}"#);
/// assert!(verity_sign::AcceptedImages::parse(b"").is_err());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AcceptedImages {
    images: BTreeMap<String, Newest>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Newest {
    version: u64,
    root_hash: RootHash,
}

// The order of the fields is the order in the file.

#[derive(Deserialize, Serialize)]
#[serde(expecting = "an object that is a state", deny_unknown_fields)]
struct WireState {
    state_version: u64,
    images: Vec<WireImage>,
}

#[derive(Deserialize, Serialize)]
#[serde(expecting = "an object that is an image", deny_unknown_fields)]
struct WireImage {
    name: String,
    version: u64,
    root_hash: String,
}

impl AcceptedImages {
    /// A state in which nothing was accepted yet.
    pub fn new() -> AcceptedImages {
        AcceptedImages::default()
    }

    /// Reads a state file.
    ///
    /// # Errors
    ///
    /// [`Error::State`] when the bytes are not the one canonical form: also when they are empty.
    pub fn parse(bytes: &[u8]) -> Result<AcceptedImages, Error> {
        if bytes.len() > MAX {
            return Err(malformed(format!("longer than {MAX} bytes")).into());
        }
        let wire: WireState =
            serde_json::from_slice(bytes).map_err(|error| malformed(quoted(error)))?;
        if wire.state_version != VERSION {
            return Err(StateError::Version { actual: wire.state_version }.into());
        }
        let mut images = BTreeMap::new();
        for image in wire.images {
            let named = Image::new(image.name, image.version, "", 0)
                .map_err(|error| malformed(error.to_string()))?;
            let root_hash = image
                .root_hash
                .parse()
                .map_err(|error| malformed(format!("root hash of {}: {error}", named.name())))?;
            images.insert(named.name().to_owned(), Newest { version: image.version, root_hash });
        }
        let state = AcceptedImages { images };
        match first_difference(&state.to_bytes(), bytes) {
            Some(offset) => Err(StateError::NotCanonical { offset }.into()),
            None => Ok(state),
        }
    }

    /// The one form: what the file holds.
    pub fn to_bytes(&self) -> Vec<u8> {
        let images = self.images.iter().map(|(name, newest)| WireImage {
            name: name.clone(),
            version: newest.version,
            root_hash: newest.root_hash.to_string(),
        });
        encode(&WireState { state_version: VERSION, images: images.collect() })
    }

    /// The newest accepted version of an image name.
    pub fn version(&self, name: &str) -> Option<u64> {
        self.images.get(name).map(|newest| newest.version)
    }

    /// Checks that an image may be accepted after those that were accepted before. An image that
    /// was accepted may be accepted again.
    ///
    /// Who signs several images signs older ones of other names too, so a name that was never
    /// accepted is taken only if nothing was: [`AcceptedImages::check_named`] takes it if it is the
    /// expected one.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] when the image is older than the newest accepted one of its name, when it
    /// has that one's version and another root hash, when its version is 2^64 - 1, as no newer one
    /// could follow it, and when only images of other names were accepted.
    pub fn check(&self, manifest: &Manifest) -> Result<(), Error> {
        let name = manifest.image().name();
        if !self.images.is_empty() && !self.images.contains_key(name) {
            return Err(PolicyError::UnknownName { name: name.to_owned() }.into());
        }
        self.check_version(manifest)
    }

    /// Does [`AcceptedImages::check`] for the image that the caller expects, whose name may be new.
    ///
    /// # Errors
    ///
    /// As [`AcceptedImages::check`], and [`Error::Policy`] when the image has another name.
    pub fn check_named(&self, manifest: &Manifest, expected: &str) -> Result<(), Error> {
        manifest.check_image_name(expected)?;
        self.check_version(manifest)
    }

    fn check_version(&self, manifest: &Manifest) -> Result<(), Error> {
        let (name, version) = (manifest.image().name(), manifest.image().version());
        if version == u64::MAX {
            return Err(PolicyError::LastVersion { name: name.to_owned() }.into());
        }
        match self.images.get(name) {
            Some(newest) if version < newest.version => Err(PolicyError::Rollback {
                name: name.to_owned(),
                version,
                newest: newest.version,
            }
            .into()),
            Some(newest)
                if version == newest.version && manifest.root_hash() != newest.root_hash =>
            {
                Err(PolicyError::SameVersion { name: name.to_owned(), version }.into())
            }
            _ => Ok(()),
        }
    }

    /// Remembers an image, once everything about it was found good. Returns whether that changed
    /// anything.
    ///
    /// # Errors
    ///
    /// As [`AcceptedImages::check`], and [`Error::State`] when there are more names than a file
    /// holds.
    pub fn accept(&mut self, verified: &VerifiedManifest) -> Result<bool, Error> {
        self.check(verified.manifest())?;
        self.remember(verified.manifest())
    }

    /// Does [`AcceptedImages::accept`] for the image that the caller expects, whose name may be
    /// new.
    ///
    /// # Errors
    ///
    /// As [`AcceptedImages::check_named`], and [`Error::State`] when there are more names than a
    /// file holds.
    pub fn accept_named(
        &mut self,
        verified: &VerifiedManifest,
        expected: &str,
    ) -> Result<bool, Error> {
        self.check_named(verified.manifest(), expected)?;
        self.remember(verified.manifest())
    }

    fn remember(&mut self, manifest: &Manifest) -> Result<bool, Error> {
        let newest =
            Newest { version: manifest.image().version(), root_hash: manifest.root_hash() };
        let name = manifest.image().name().to_owned();
        let before = self.images.insert(name.clone(), newest);
        if self.to_bytes().len() > MAX {
            match before {
                Some(before) => self.images.insert(name, before),
                None => self.images.remove(&name),
            };
            return Err(malformed(format!("it would be longer than {MAX} bytes")).into());
        }
        Ok(before != Some(newest))
    }
}

fn encode(wire: &WireState) -> Vec<u8> {
    serde_json::to_vec(wire).expect("strings and integers always serialise")
}

fn malformed(reason: String) -> StateError {
    StateError::Malformed { reason }
}

const MAX: usize = 1_048_576;

/// The version of the form that this file reads and writes.
const VERSION: u64 = 1;
