//! `verity check`: everything that `build` has made, against trusted certificates, and what was
//! accepted before.
//!
//! Every part must be there and agree with the others; nothing is skipped, and nothing weaker
//! stands in.

mod checked;
mod disk;
mod policy;

use std::path::Path;
use std::sync::Arc;

use verity::RootHash;
use verity_sign::{MAX_SIGNATURE_PARTITION_BYTES, Manifest, SignaturePartition, root_hash_content};

use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{self, Device, Effort, ImageSource, OpenedImage, Verification};
use crate::inputs;
use crate::making::SidecarSet;
use crate::parameters::{Parameters, ParitySource};
use crate::quoted::Quoted;
use crate::roles;
use crate::signer::Signer;
use crate::trust::{self, MAX_ROOT_HASH_FILE, RootHashSource, StateFile, TrustSource, Trusted};

pub(crate) use self::checked::{Checked, Options};
pub(crate) use self::disk::CheckedDisk;
pub(crate) use self::policy::ImagePolicy;

/// A set beside an image, or a whole disk image.
#[derive(Debug)]
pub(crate) enum Found {
    Set(Box<Checked>),
    Disk(CheckedDisk),
}

/// Checks the set, or the disk image.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Found, CommandError> {
    if options.no_manifest {
        refuse_what_needs_a_manifest(options)?;
    }
    // What says where a set lies is not about a disk.
    let is_set = options.usr || options.output_dir.is_some();
    let table = if is_set { None } else { disk::table_of(&options.image)? };
    match table {
        Some(table) => disk::check(&table, options, context).map(Found::Disk),
        None if options.policy.is_some() => {
            let words = "--policy is about the partitions of a disk, and this is none";
            Err(CommandError::usage(words).at(&options.image))
        }
        None => check_set(options, context).map(|set| Found::Set(Box::new(set))),
    }
}

fn check_set(options: &Options, context: &Context) -> Result<Checked, CommandError> {
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
    let path = match options.manifests.as_slice() {
        [] => &set.manifest,
        [path] => path,
        _ => return Err(CommandError::usage("several --manifest are for disks: an image has one")),
    };
    let verified =
        trust::manifest(path, &trusted).map_err(|error| missing_manifest(error, path))?;
    let manifest = verified.manifest();
    if let Some(state) = &state {
        state.check(manifest, trusted.image_name())?;
    }
    let root_hash_signer = check_root_hash(&set, manifest, &trusted)?;
    let signature_partition_signer =
        check_signature_partition(&set.signature_partition, &manifest.root_hash(), &trusted)?;
    let image = OpenedImage::with_sidecars(data, &set.hash, &verified)?;
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
    let signature = trust::root_hash_signature(&set.root_hash_signature, &root_hash, &trusted)?;
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
    let verification = Verification { root_hash_signer: Some(signature.signer), ..verification };
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
    let signature = trust::root_hash_signature(&set.root_hash_signature, &root_hash, trusted)?;
    Ok(signature.signer)
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
