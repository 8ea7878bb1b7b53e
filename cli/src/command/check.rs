//! `verity check`: everything that `build` has made, against trusted certificates, and what was
//! accepted before.
//!
//! Every part must be there and agree with the others; nothing is skipped, and nothing weaker
//! stands in.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::RootHash;
use verity_sign::{
    MAX_SIGNATURE_PARTITION_BYTES, Manifest, SignaturePartition, VerifiedManifest,
    root_hash_content,
};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{self, Device, Effort, ImageSource, OpenedImage, Verification};
use crate::inputs;
use crate::making::SidecarSet;
use crate::parameters::{Parameters, ParitySource};
use crate::quoted::Quoted;
use crate::roles;
use crate::signer::Signer;
use crate::trust::{
    self, Acceptance, MAX_ROOT_HASH_FILE, RootHashSource, StateFile, TrustSource, Trusted,
};

/// What to check.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: PathBuf,
    pub(crate) trust: TrustSource,
    /// Where accepted versions are remembered.
    pub(crate) state: Option<PathBuf>,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) usr: bool,
    /// There is no manifest: the root hash signature vouches for the root hash, and nothing for the
    /// geometry.
    pub(crate) no_manifest: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was found good.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) verification: Verification,
    pub(crate) manifest: Option<Manifest>,
    /// Who signed what systemd's signature partition holds, if the set has that.
    pub(crate) signature_partition_signer: Option<Box<Signer>>,
    pub(crate) state: Option<Acceptance>,
}

/// Checks the set.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Checked, CommandError> {
    let set = SidecarSet::new(&options.image, options.output_dir.as_deref(), options.usr)?;
    set.files().chain([options.image.as_path()]).try_for_each(roles::uses)?;
    if options.no_manifest {
        return without_manifest(options, &set, context);
    }
    let trusted = options.trust.read()?;
    // First, so that a mistyped name is not taken for a missing manifest.
    let data = Arc::new(Device::open(&options.image)?);
    // Taken first and held to the end: no other run can accept an image meanwhile.
    let state = options.state.as_deref().map(StateFile::open).transpose()?;
    let verified = trust::manifest(&set.manifest, &trusted)
        .map_err(|error| missing_manifest(error, &set.manifest))?;
    let manifest = verified.manifest();
    if let Some(state) = &state {
        state.check(manifest, trusted.image_name())?;
    }
    let root_hash_signer = check_root_hash(&set, manifest, &trusted)?;
    let signature_partition_signer =
        check_signature_partition(&set.signature_partition, &manifest.root_hash(), &trusted)?;
    let image = open_image(data, &set, &verified)?;
    let effort = Effort { parity: true, threads: options.threads, ..Effort::default() };
    let verification = image::verify(&image, effort, context)?;
    let verification = Verification { root_hash_signer: Some(root_hash_signer), ..verification };
    let state = state.map(|state| state.accept(&verified, trusted.image_name())).transpose()?;
    Ok(Checked {
        verification,
        manifest: Some(manifest.clone()),
        signature_partition_signer,
        state,
    })
}

/// Checks a set that others have made, which has no manifest: the signature of the root hash, and
/// every block against it, for the geometry that the superblock states.
fn without_manifest(
    options: &Options,
    set: &SidecarSet,
    context: &Context,
) -> Result<Checked, CommandError> {
    refuse_what_needs_a_manifest(options)?;
    if set.manifest.try_exists().is_ok_and(|exists| exists) {
        tracing::warn!(
            "{}: the manifest is not looked at, because of --no-manifest",
            Quoted(&set.manifest)
        );
    }
    let trusted = options.trust.read()?;
    let root = RootHashSource { text: None, file: Some(set.root_hash.clone()) };
    let root_hash = root.require()?;
    // Before the image is touched, which may be anybody's.
    let signer = trust::root_hash_signer(&set.root_hash_signature, &root_hash, &trusted)?;
    let signature_partition_signer =
        check_signature_partition(&set.signature_partition, &root_hash, &trusted)?;
    let source = ImageSource {
        data: options.image.clone(),
        hash: set.hash.clone(),
        // As it was read: the file may be another one by now.
        root: RootHashSource { text: Some(root_hash.to_string()), file: None },
        manifest: None,
        trust: TrustSource::default(),
        parameters: Parameters::default(),
        parity: ParitySource::default(),
        root_hash_signature: None,
    };
    let image = OpenedImage::open(&source, context)?;
    let effort = Effort { threads: options.threads, ..Effort::default() };
    let verification = image::verify(&image, effort, context)?;
    let verification = Verification { root_hash_signer: Some(signer), ..verification };
    Ok(Checked { verification, manifest: None, signature_partition_signer, state: None })
}

/// Only a manifest says which image it is, and which version of it.
fn refuse_what_needs_a_manifest(options: &Options) -> Result<(), CommandError> {
    let needing = [
        ("--state", options.state.is_some()),
        ("--image-name", options.trust.image_name.is_some()),
    ];
    match needing.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(CommandError::usage(format!(
            "{option} needs the manifest, which alone says which image and version it is: \
             leave out --no-manifest"
        ))),
        None => Ok(()),
    }
}

/// Opens image and hash file, which must be what the manifest states.
fn open_image(
    data: Arc<Device>,
    set: &SidecarSet,
    verified: &VerifiedManifest,
) -> Result<OpenedImage, CommandError> {
    let manifest = verified.manifest();
    let hash = match holds_its_hash_area(manifest, &set.hash) {
        // The manifest states the size of that file itself.
        true => Arc::clone(&data),
        false => {
            let hash = Arc::new(Device::open(&set.hash)?);
            check_hash_file(manifest, &hash)?;
            hash
        }
    };
    let parity = ParitySource::default();
    OpenedImage::of_manifest(verified, data, hash, &parity)?.require_superblock()
}

/// Whether the image is a single file with data and hash area: no hash file lies beside it, and the
/// hash area that the manifest states lies in the image, behind the data. Wherever hash blocks come
/// from, they must be those of the root hash.
fn holds_its_hash_area(manifest: &Manifest, hash: &Path) -> bool {
    let area = manifest.hash_area();
    hash.try_exists().is_ok_and(|exists| !exists)
        && area.check_behind_data(manifest.params()).is_ok()
        && area.file_size() <= manifest.image().size_bytes()
}

/// The hash file ends with the tree, or with the parity if there is any: every byte of it belongs
/// to the superblock, the tree or the parity.
fn check_hash_file(manifest: &Manifest, hash: &Device) -> Result<(), CommandError> {
    let area = manifest.hash_area();
    let stated = match manifest.fec_area() {
        Some(fec) => fec.range().end,
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
        let words = "there is no manifest; --no-manifest checks an image that others have signed \
                     without one, and then nothing says which image it is and how large";
        return CommandError::message(Class::Trust, words).at(path);
    }
    error
}

/// Checks the root hash file and its signature, which is the one the kernel checks; returns who
/// signed.
fn check_root_hash(
    set: &SidecarSet,
    manifest: &Manifest,
    trusted: &Trusted,
) -> Result<Signer, CommandError> {
    let root_hash = manifest.root_hash();
    let path = &set.root_hash;
    // These very bytes are what a script puts into a table, and what the kernel holds against the
    // signature.
    if inputs::read_small(path, MAX_ROOT_HASH_FILE, Class::Trust)?
        != root_hash_content(&root_hash).as_bytes()
    {
        let words =
            format!("does not hold the manifest's root hash, {root_hash}, and nothing else");
        return Err(CommandError::message(Class::Trust, words).at(path));
    }
    trust::root_hash_signer(&set.root_hash_signature, &root_hash, trusted)
}

/// Checks what systemd's signature partition holds, unless the set was made without; returns who
/// signed.
fn check_signature_partition(
    path: &Path,
    root_hash: &RootHash,
    trusted: &Trusted,
) -> Result<Option<Box<Signer>>, CommandError> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return Ok(None);
    }
    let bytes = inputs::read_small(path, MAX_SIGNATURE_PARTITION_BYTES, Class::Trust)?;
    let signed_by = SignaturePartition::parse(&bytes)
        .and_then(|partition| partition.verify(root_hash, trusted.trust()))
        .or_fail(Class::Trust, path)?;
    Ok(Some(Box::new((&signed_by).into())))
}
