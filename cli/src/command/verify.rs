//! `verity verify`: data and hash area against a root hash or a signed manifest.
//!
//! Everything is opened read-only. Where the parameters come from decides how much a success means; that is
//! the `geometry` of the result.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;
use verity::io::ReadAt;
use verity::publish::Input;
use verity::{
    Error, HashArea, Origin, Params, RootHash, Superblock, TrustError, TrustedParams, Uuid,
    Verifier,
};
use verity_sign::{
    Certificate, MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, Manifest, VerifiedManifest,
};

use super::{Context, Outcome, from_library, read_superblock, threads_or_all};
use crate::error::{Class, CommandError, Findings, OrFail};
use crate::parameters::Parameters;
use crate::progress::Meter;
use crate::quoted::Quoted;
use crate::storage::{self, Relation};
use crate::trust::{self, RootSource};

/// What to verify against what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) root: RootSource,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) certificates: Vec<PathBuf>,
    pub(crate) parameters: Parameters,
    pub(crate) effort: Effort,
}

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// Look for every corrupt block.
    pub(crate) all: bool,
    pub(crate) ignore_zero_blocks: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was verified. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Verification {
    pub(crate) verified: bool,
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    pub(crate) algorithm: &'static str,
    pub(crate) hash_type: u32,
    pub(crate) data_blocks: u64,
    /// Those whose bytes were compared to the tree.
    pub(crate) checked_data_blocks: u64,
    pub(crate) data_block_size: u32,
    pub(crate) hash_blocks: u64,
    pub(crate) hash_block_size: u32,
    pub(crate) salt: String,
    /// Data blocks that were not checked, as the tree says that they are zeros.
    pub(crate) zero_blocks: u64,
    /// Bytes of the data that the tree does not cover.
    pub(crate) uncovered_bytes: u64,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// Verifies.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    options.parameters.check_uuid_has_a_place()?;
    let root_hash = options.root.read()?;
    let verification = match &options.manifest {
        Some(path) => against_manifest(options, path, root_hash, context),
        None => against_root_hash(options, options.root.needed(root_hash)?, context),
    };
    verification.map(Outcome::Verified)
}

fn against_root_hash(
    options: &Options,
    root_hash: RootHash,
    context: &Context,
) -> Result<Verification, CommandError> {
    let (data, hash) = (trust::open(&options.data)?, trust::open(&options.hash)?);
    let trusted = if options.parameters.no_superblock {
        trusted_parameters(&options.parameters, root_hash, &data)?
    } else {
        trusted_superblock(&options.parameters, root_hash, &hash, context)?
    };
    image(trusted, &data, &hash, options.effort, context)
}

/// The parameters of the command line, without a superblock.
fn trusted_parameters(
    parameters: &Parameters,
    root_hash: RootHash,
    data: &Input,
) -> Result<TrustedParams, CommandError> {
    let pinned = parameters.pins().params().or_fail(Class::Metadata, data.path())?;
    let trusted = match pinned {
        Some(params) => {
            let area = parameters.hash_area(&params)?;
            TrustedParams::pinned(params, root_hash, area)
        }
        None => {
            let params = parameters.params(data.size()).map_err(|error| error.at(data.path()))?;
            let area = parameters.hash_area(&params)?;
            TrustedParams::from_unauthenticated_assumptions(params, root_hash, area)
        }
    };
    trusted.map_err(untrusted)
}

/// A root hash of the wrong length is the caller's mistake, everything else the metadata's.
fn untrusted(error: TrustError) -> CommandError {
    let class = match error {
        TrustError::RootHashSize { .. } => Class::Usage,
        _ => Class::Metadata,
    };
    CommandError::new(class, error)
}

/// The parameters of the superblock, compared to those of the command line.
fn trusted_superblock(
    parameters: &Parameters,
    root_hash: RootHash,
    hash: &Input,
    context: &Context,
) -> Result<TrustedParams, CommandError> {
    let offset = parameters.hash_area_offset();
    let superblock = read_superblock(hash, offset, context)?;
    let pins = parameters.pins();
    pins.check(superblock.params()).or_fail(Class::Metadata, hash.path())?;
    check_uuid(parameters.uuid, &superblock, hash.path())?;
    let trusted = match pins.params().or_fail(Class::Metadata, hash.path())? {
        Some(params) => {
            let area = parameters.hash_area(&params)?;
            TrustedParams::pinned(params, root_hash, area)
        }
        None => TrustedParams::from_unauthenticated_superblock(&superblock, offset, root_hash),
    };
    trusted.map_err(|error| untrusted(error).at(hash.path()))
}

fn check_uuid(
    pinned: Option<Uuid>,
    superblock: &Superblock,
    path: &Path,
) -> Result<(), CommandError> {
    match pinned {
        Some(pinned) if pinned != superblock.uuid() => Err(CommandError::message(
            Class::Metadata,
            format!("uuid is pinned to {pinned}, but {} is stated", superblock.uuid()),
        )
        .at(path)),
        _ => Ok(()),
    }
}

fn against_manifest(
    options: &Options,
    path: &Path,
    root_hash: Option<RootHash>,
    context: &Context,
) -> Result<Verification, CommandError> {
    let verified = manifest(path, &trust::certificates(&options.certificates)?)?;
    let stated = verified.manifest();
    if let Some(given) = root_hash.filter(|given| *given != stated.root_hash()) {
        return Err(CommandError::message(
            Class::Trust,
            format!("the manifest's root hash is {}, but {given} was given", stated.root_hash()),
        )
        .at(path));
    }
    options.parameters.pins().check(stated.params()).or_fail(Class::Metadata, path)?;
    let (data, hash) = (trust::open(&options.data)?, trust::open(&options.hash)?);
    if let Some(uuid) = options.parameters.uuid {
        let superblock = read_superblock(&hash, stated.hash_area().offset(), context)?;
        check_uuid(Some(uuid), &superblock, hash.path())?;
    }
    against_verified_manifest(&verified, &data, &hash, options.effort, context)
}

/// Reads a manifest and checks its signature, which lies beside it, and its end of validity.
pub(crate) fn manifest(
    path: &Path,
    trusted: &[Certificate],
) -> Result<VerifiedManifest, CommandError> {
    let bytes = trust::read_small(path, MAX_MANIFEST_BYTES)?;
    let signature_path = signature_path(path);
    let signature = trust::read_small(&signature_path, MAX_SIGNATURE_BYTES)
        .map_err(|error| missing_signature(error, &signature_path))?;
    let verified = Manifest::verify(&bytes, &signature, trusted).map_err(|error| {
        let culprit = match error {
            verity_sign::Error::Signature(_) => &*signature_path,
            _ => path,
        };
        CommandError::new(Class::Trust, error).at(culprit)
    })?;
    verified.check_not_after(trust::now()).or_fail(Class::Trust, path)?;
    Ok(verified)
}

/// A signature that is not there is a signature that does not verify.
pub(crate) fn missing_signature(error: CommandError, path: &Path) -> CommandError {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return CommandError::message(Class::Trust, "there is no signature").at(path);
    }
    error
}

/// Where the signature of a manifest lies.
pub(crate) fn signature_path(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".p7s");
    path.into()
}

/// Verifies an image against a manifest: its size, its superblock, its blocks.
pub(crate) fn against_verified_manifest(
    verified: &VerifiedManifest,
    data: &Input,
    hash: &Input,
    effort: Effort,
    context: &Context,
) -> Result<Verification, CommandError> {
    let manifest = verified.manifest();
    let stated = manifest.image().size_bytes();
    // A partition may be larger than the image in it.
    let fits = data.size() == stated || (data.is_block_device() && data.size() > stated);
    if !fits {
        let words = format!("the image has {} bytes, its manifest states {stated}", data.size());
        return Err(CommandError::message(Class::Metadata, words).at(data.path()));
    }
    check_superblock(verified, hash)?;
    let mut verification = image(verified.trusted_params().clone(), data, hash, effort, context)?;
    verification.signer = Some(trust::signer_words(verified.signer()));
    Ok(verification)
}

fn check_superblock(verified: &VerifiedManifest, hash: &Input) -> Result<(), CommandError> {
    let Some(region) = verified.manifest().superblock_region() else { return Ok(()) };
    if region.end > hash.size() {
        let words =
            format!("the hash device has {} bytes, but {} are needed", hash.size(), region.end);
        return Err(CommandError::message(Class::Metadata, words).at(hash.path()));
    }
    // At most one hash block.
    let size = usize::try_from(region.end - region.start).or_fail(Class::Metadata, hash.path())?;
    let mut bytes = vec![0; size];
    hash.file().read_exact_at(&mut bytes, region.start).or_fail(Class::Io, hash.path())?;
    verified.check_superblock(&bytes).or_fail(Class::NotVerified, hash.path())
}

/// Verifies every block, and that nothing changed meanwhile.
pub(crate) fn image(
    trusted: TrustedParams,
    data: &Input,
    hash: &Input,
    effort: Effort,
    context: &Context,
) -> Result<Verification, CommandError> {
    let (params, area) = (trusted.params().clone(), trusted.hash_area());
    let (origin, root_hash) = (trusted.origin(), trusted.root_hash());
    let checked = {
        let tree = area.tree_range();
        let meter =
            Meter::new(params.data_size().saturating_add(tree.end - tree.start), &context.signals);
        let verifier = Verifier::new(trusted)
            .threads(threads_or_all(effort.threads))
            .platform(context.platform(params.algorithm()))
            .ignore_zero_blocks(effort.ignore_zero_blocks)
            .progress(&meter);
        if effort.all {
            verifier.verify_all(data.file(), hash.file())
        } else {
            verifier.verify(data.file(), hash.file())
        }
    };
    // A change explains everything else that may have gone wrong.
    data.check()?;
    hash.check()?;
    let checked = checked.map_err(|error| match error {
        Error::Corrupt(report) => corrupt(findings(report, origin, &params, &area, data, hash)),
        error => from_library(error, data.path(), hash.path(), context),
    })?;
    warn_of_padding(&area, hash)?;
    let uncovered_bytes = uncovered(&params, &area, data, hash)?;
    Ok(Verification {
        verified: true,
        geometry: origin.to_string(),
        root_hash: root_hash.to_string(),
        algorithm: params.algorithm().name(),
        hash_type: params.hash_type().number(),
        data_blocks: params.data_blocks(),
        checked_data_blocks: checked.data_blocks,
        data_block_size: params.data_block_size().bytes(),
        hash_blocks: checked.hash_blocks,
        hash_block_size: params.hash_block_size().bytes(),
        salt: params.salt().to_string(),
        zero_blocks: checked.zero_blocks,
        uncovered_bytes,
        signer: None,
    })
}

fn findings(
    report: verity::Report,
    origin: Origin,
    params: &Params,
    area: &HashArea,
    data: &Input,
    hash: &Input,
) -> Findings {
    let hash_block_size = u64::from(params.hash_block_size());
    let levels = params.geometry().levels().iter();
    Findings {
        report,
        origin,
        data_block_size: u64::from(params.data_block_size()),
        hash_block_size,
        level_offsets: levels
            .map(|level| area.tree_range().start + level.start * hash_block_size)
            .collect(),
        data: data.path().to_owned(),
        hash: hash.path().to_owned(),
    }
}

fn corrupt(findings: Findings) -> CommandError {
    let first = findings.report.corruptions.first().map(|range| range.first);
    let path = first.map(|block| findings.place(block).1.to_owned());
    let top = findings.level_offsets.len().checked_sub(1);
    let is_top = first.is_some_and(|block| block.level().map(usize::from) == top);
    let or = if is_top { " (or the root hash is that of another image)" } else { "" };
    let error = CommandError::message(Class::NotVerified, format!("{}{or}", findings.report));
    let error = match path {
        Some(path) => error.at(&path),
        None => error,
    };
    error.with_findings(findings)
}

/// Bytes between superblock and tree are hashed by nobody; veritysetup leaves old ones there.
fn warn_of_padding(area: &HashArea, hash: &Input) -> Result<(), CommandError> {
    let range = area.padding_range();
    let end = range.end.min(hash.size());
    let size = usize::try_from(end.saturating_sub(range.start)).or_fail(Class::Io, hash.path())?;
    let mut bytes = vec![0; size];
    hash.file().read_exact_at(&mut bytes, range.start).or_fail(Class::Io, hash.path())?;
    if bytes.iter().any(|&byte| byte != 0) {
        tracing::warn!(
            "{}: the bytes {}..{end} between superblock and hash tree are not zero, and nothing vouches for them",
            Quoted(hash.path()),
            range.start,
        );
    }
    Ok(())
}

/// How many of `data_size` bytes no hash covers; a hash area among them does not count.
pub(crate) fn uncovered_bytes(
    params: &Params,
    area: &HashArea,
    data_size: u64,
    relation: Relation,
) -> u64 {
    let own = match relation {
        Relation::Same => {
            let behind = area.offset().max(params.data_size());
            area.end().min(data_size).saturating_sub(behind)
        }
        _ => 0,
    };
    data_size.saturating_sub(params.data_size()).saturating_sub(own)
}

/// Warns of bytes of the data that no hash covers.
fn uncovered(
    params: &Params,
    area: &HashArea,
    data: &Input,
    hash: &Input,
) -> Result<u64, CommandError> {
    let relation = storage::relation(data.file(), hash.file()).or_fail(Class::Io, data.path())?;
    let uncovered = uncovered_bytes(params, area, data.size(), relation);
    if uncovered > 0 {
        tracing::warn!(
            "{}: {uncovered} bytes are not covered by the hash tree, so that nothing is known of them",
            Quoted(data.path()),
        );
    }
    Ok(uncovered)
}
