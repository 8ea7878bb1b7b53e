//! `verity check`: everything that `build` has made, against trusted certificates, and what was
//! accepted before.
//!
//! Every part must be there and agree with the others; nothing is skipped, and nothing weaker
//! stands in.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use verity::RootHash;
use verity_sign::{
    MAX_SIGNATURE_PARTITION_BYTES, Manifest, SignaturePartition, VerifiedManifest,
    root_hash_content,
};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::Device;
use crate::image::Image;
use crate::image::parity::FecSource;
use crate::image::verification::{Effort, Verification, blocks};
use crate::inputs;
use crate::making::SideCars;
use crate::report::Outcome;
use crate::report::header::Fec;
use crate::trust::{self, TrustSource, Trusted};
use crate::trust::{State, StateFacts};

/// What to check.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: PathBuf,
    pub(crate) trust: TrustSource,
    /// Where accepted versions are remembered.
    pub(crate) state: Option<PathBuf>,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) usr: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was found good. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    #[serde(flatten)]
    pub(crate) verification: Verification,
    pub(crate) image_name: String,
    pub(crate) image_version: u64,
    pub(crate) label: String,
    pub(crate) not_after: Option<u64>,
    pub(crate) root_hash_signer: String,
    /// Of what systemd's signature partition holds, if the set has that.
    pub(crate) signature_partition_signer: Option<String>,
    /// The parity in the hash file, compared too.
    pub(crate) fec: Option<Fec>,
    pub(crate) state: Option<StateFacts>,
}

/// Checks the set.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let cars = SideCars::new(&options.image, options.output_dir.as_deref(), options.usr)?;
    let trusted = options.trust.read()?;
    // Taken first and held to the end: no other run can accept an image meanwhile.
    let state = options.state.as_deref().map(State::open).transpose()?;
    let verified = trust::manifest(&cars.manifest, &trusted)
        .map_err(|error| missing_manifest(error, &cars.manifest))?;
    if let Some(state) = &state {
        state.check(verified.manifest())?;
    }
    let root_hash_signer = root_hash(&cars, &verified, &trusted)?;
    let signature_partition_signer =
        signature_partition(&cars.signature_partition, &verified.manifest().root_hash(), &trusted)?;
    let data = Arc::new(Device::open(&options.image)?);
    let hash = Arc::new(Device::open(&cars.hash)?);
    hash_file(verified.manifest(), &hash)?;
    let effort = Effort { parity: true, threads: options.threads, ..Effort::default() };
    let image =
        Image::of_manifest(&verified, data, hash, &FecSource::default())?.with_its_superblock()?;
    let verification = blocks(&image, effort, context)?;
    let state = state.map(|state| state.accept(&verified)).transpose()?;
    let image = verified.manifest().image();
    Ok(Outcome::Checked(Checked {
        verification,
        image_name: image.name().to_owned(),
        image_version: image.version(),
        label: image.label().to_owned(),
        not_after: verified.manifest().not_after(),
        root_hash_signer,
        signature_partition_signer,
        fec: verified.manifest().fec_area().as_ref().map(Fec::from),
        state,
    }))
}

/// The hash file ends with the tree, or with the parity if there is any: no byte is there that
/// nothing is about.
fn hash_file(manifest: &Manifest, hash: &Device) -> Result<(), CommandError> {
    let area = manifest.hash_area();
    let stated = match manifest.fec_area() {
        Some(fec) => {
            fec.check_behind_hash_area(manifest.params(), &area)
                .or_fail(Class::Metadata, hash.path())?;
            fec.range().end
        }
        None => area.file_size(),
    };
    if hash.size() != stated {
        let words =
            format!("the hash file has {} bytes, its manifest states {stated}", hash.size());
        return Err(CommandError::message(Class::Metadata, words).at(hash.path()));
    }
    Ok(())
}

fn missing_manifest(error: CommandError, path: &Path) -> CommandError {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return CommandError::message(Class::Trust, "there is no manifest").at(path);
    }
    error
}

/// The longest root hash file that is read: two hex digits for each of 64 bytes, and a line end.
const MAX_ROOT_HASH_FILE: u64 = 130;

/// The root hash file and its signature, which is the one the kernel checks.
fn root_hash(
    cars: &SideCars,
    verified: &VerifiedManifest,
    trusted: &Trusted,
) -> Result<String, CommandError> {
    let root_hash = verified.manifest().root_hash();
    let path = &cars.root_hash;
    // These very bytes are what a script puts into a table, and what the kernel holds against the
    // signature.
    if inputs::read_small(path, MAX_ROOT_HASH_FILE, Class::Trust)?
        != root_hash_content(&root_hash).as_bytes()
    {
        let words =
            format!("does not hold the manifest's root hash, {root_hash}, and nothing else");
        return Err(CommandError::message(Class::Trust, words).at(path));
    }
    let path = &cars.root_hash_signature;
    let signature = trust::signature(path)?;
    let signed_by = verity_sign::verify_root_hash(&signature, &root_hash, trusted.trust())
        .or_fail(Class::Trust, path)?;
    Ok(trust::signer_words(&signed_by))
}

/// What systemd's signature partition holds, unless the set was made without.
fn signature_partition(
    path: &Path,
    root_hash: &RootHash,
    trusted: &Trusted,
) -> Result<Option<String>, CommandError> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return Ok(None);
    }
    let bytes = inputs::read_small(path, MAX_SIGNATURE_PARTITION_BYTES, Class::Trust)?;
    let signed_by = SignaturePartition::parse(&bytes)
        .and_then(|partition| partition.verify(root_hash, trusted.trust()))
        .or_fail(Class::Trust, path)?;
    Ok(Some(trust::signer_words(&signed_by)))
}
