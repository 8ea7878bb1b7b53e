//! From what the caller trusts to an opened image: the one way for every command that reads one.
//!
//! A root hash, a manifest, pins and a superblock become [`TrustedParams`] here, with every check
//! that they allow; where they come from decides how much a success means.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::io::ReadAt;
use verity::{
    Error, FecRepair, Report, RootHash, Superblock, TrustError, TrustedParams, Uuid, VerifiedReader,
};
use verity_sign::VerifiedManifest;

use super::device::read_superblock;
use crate::context::Context;
use crate::error::{Class, CommandError, Findings, OrFail};
use crate::image::Device;
use crate::image::parity::{FecDevice, FecSource};
use crate::library_error::{class_of, from_library};
use crate::parameters::Parameters;
use crate::places::Places;
use crate::trust::{self, RootSource, TrustSource};

/// Which image, and what it is held against.
#[derive(Debug)]
pub(crate) struct ImageSource {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) root: RootSource,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) trust: TrustSource,
    pub(crate) parameters: Parameters,
    pub(crate) fec: FecSource,
}

/// How a verified reader goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// The bound of the cache of hash blocks, in bytes.
    pub(crate) cache_size: Option<u64>,
    /// Verify the whole tree before the first read.
    pub(crate) preload: bool,
    pub(crate) ignore_zero_blocks: bool,
    /// Trust a data block for good once it was checked.
    pub(crate) check_at_most_once: bool,
}

/// A reader that serves any number of threads.
pub(crate) type ImageReader = VerifiedReader<Arc<Device>, Arc<Device>>;

type ImageRepair = FecRepair<Arc<Device>, Arc<Device>, Arc<Device>>;

/// An opened image, read-only, and what vouches for it.
#[derive(Debug)]
pub(crate) struct Image {
    trusted: TrustedParams,
    data: Arc<Device>,
    hash: Arc<Device>,
    fec: Option<FecDevice>,
    signer: Option<String>,
    superblock: Result<(), CommandError>,
}

impl Image {
    /// Opens its devices; the parameters are checked, no block is.
    pub(crate) fn open(source: &ImageSource, context: &Context) -> Result<Image, CommandError> {
        Image::open_for_repair(source, context)?.with_its_superblock()
    }

    /// Does the same, also where the superblock is not what the manifest states:
    /// [`Image::superblock_fault`] says so.
    pub(crate) fn open_for_repair(
        source: &ImageSource,
        context: &Context,
    ) -> Result<Image, CommandError> {
        source.parameters.check_uuid_has_a_place()?;
        let root_hash = source.root.read()?;
        match &source.manifest {
            Some(path) => Image::by_manifest(source, path, root_hash, context),
            None => {
                source.trust.check_unused()?;
                Image::by_root_hash(source, source.root.needed(root_hash)?, context)
            }
        }
    }

    fn by_root_hash(
        source: &ImageSource,
        root_hash: RootHash,
        context: &Context,
    ) -> Result<Image, CommandError> {
        let (data, hash) = source.devices()?;
        let trusted = if source.parameters.no_superblock {
            trusted_parameters(&source.parameters, root_hash, &data)?
        } else {
            trusted_superblock(&source.parameters, root_hash, &hash, context)?
        };
        let (params, area) = (trusted.params(), trusted.hash_area());
        let fec = source.fec.open(None, params, &area, [&data, &hash])?;
        Ok(Image { trusted, data, hash, fec, signer: None, superblock: Ok(()) })
    }

    fn by_manifest(
        source: &ImageSource,
        path: &Path,
        root_hash: Option<RootHash>,
        context: &Context,
    ) -> Result<Image, CommandError> {
        let verified = trust::manifest(path, &source.trust.read()?)?;
        let stated = verified.manifest();
        if let Some(given) = root_hash.filter(|given| *given != stated.root_hash()) {
            return Err(CommandError::message(
                Class::Trust,
                format!(
                    "the manifest's root hash is {}, but {given} was given",
                    stated.root_hash()
                ),
            )
            .at(path));
        }
        source.parameters.pins().check(stated.params()).or_fail(Class::Metadata, path)?;
        let (data, hash) = source.devices()?;
        if let Some(uuid) = source.parameters.uuid {
            let offset = stated.hash_area().offset();
            let superblock = read_superblock(&hash, offset, context)?;
            check_uuid(Some(uuid), &superblock, hash.path())?;
        }
        Image::of_manifest(&verified, data, hash, &source.fec)
    }

    /// The image that a manifest is about, if its size and where its parity lies are what the
    /// manifest states.
    pub(crate) fn of_manifest(
        verified: &VerifiedManifest,
        data: Arc<Device>,
        hash: Arc<Device>,
        fec: &FecSource,
    ) -> Result<Image, CommandError> {
        let stated = verified.manifest().image().size_bytes();
        // A partition may be larger than the image in it.
        let fits = data.size() == stated || (data.is_block_device() && data.size() > stated);
        if !fits {
            let words =
                format!("the image has {} bytes, its manifest states {stated}", data.size());
            return Err(CommandError::message(Class::Metadata, words).at(data.path()));
        }
        let stated = verified.manifest();
        let area = stated.hash_area();
        let fec = fec.open(stated.fec_area(), stated.params(), &area, [&data, &hash])?;
        Ok(Image {
            superblock: check_superblock(verified, &hash),
            trusted: verified.trusted_params().clone(),
            data,
            hash,
            fec,
            signer: Some(trust::signer_words(verified.signer())),
        })
    }

    /// What is verified against, and what vouches for it.
    pub(crate) fn trusted(&self) -> &TrustedParams {
        &self.trusted
    }

    pub(crate) fn data(&self) -> &Device {
        &self.data
    }

    pub(crate) fn hash(&self) -> &Device {
        &self.hash
    }

    /// The device with its parity, if there is one.
    pub(crate) fn fec(&self) -> Option<&FecDevice> {
        self.fec.as_ref()
    }

    /// The devices that it lies on, each once unless it was opened twice.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        let fec = self.fec.as_ref().map(FecDevice::device);
        let fec = fec.filter(|device| !Arc::ptr_eq(device, &self.hash));
        [&self.data, &self.hash].into_iter().chain(fec).map(|device| &**device)
    }

    /// The same image, unless its superblock is not what the manifest states.
    pub(crate) fn with_its_superblock(mut self) -> Result<Image, CommandError> {
        mem::replace(&mut self.superblock, Ok(()))?;
        Ok(self)
    }

    /// Why the superblock is not what the manifest states, if that is so.
    pub(crate) fn superblock_fault(&self) -> Option<&CommandError> {
        self.superblock.as_ref().err()
    }

    /// Who signed the manifest, if there is one.
    pub(crate) fn signer(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// A reader of the data, every byte proved.
    pub(crate) fn reader(
        &self,
        reading: Reading,
        context: &Context,
    ) -> Result<ImageReader, CommandError> {
        let params = self.trusted.params();
        let (data, hash) = (Arc::clone(&self.data), Arc::clone(&self.hash));
        let mut reader = VerifiedReader::new(self.trusted.clone(), data, hash)
            .map_err(|error| self.error(error, context))?
            .platform(context.platform(params.algorithm()))
            .ignore_zero_blocks(reading.ignore_zero_blocks)
            .check_at_most_once(reading.check_at_most_once);
        if let Some(repair) = self.repair(context)? {
            reader = reader.repair(Arc::new(repair));
        }
        let whole_tree = reading.preload.then(|| ImageReader::cache_size_for(params));
        if let Some(bytes) = reading.cache_size.or(whole_tree) {
            reader = reader.cache_size(bytes);
        }
        if reading.preload {
            reader.preload().map_err(|error| self.error(error, context))?;
        }
        Ok(reader)
    }

    /// Other bytes for corrupt blocks, if there is parity.
    fn repair(&self, context: &Context) -> Result<Option<ImageRepair>, CommandError> {
        let Some(fec) = &self.fec else { return Ok(None) };
        let (data, hash) = (Arc::clone(&self.data), Arc::clone(&self.hash));
        let parity = Arc::clone(fec.device());
        FecRepair::new(self.trusted.clone(), *fec.area(), data, hash, parity)
            .map(Some)
            .map_err(|error| self.error(error, context))
    }

    /// What came of reading the image, unless it changed meanwhile: that explains everything else.
    pub(crate) fn unless_changed<T>(
        &self,
        result: Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        self.devices().try_for_each(Device::check)?;
        result
    }

    /// A library error about this image.
    pub(crate) fn error(&self, error: Error, context: &Context) -> CommandError {
        match (error, &self.fec) {
            (Error::Corrupt(report), _) => corrupt(report, self),
            (error @ (Error::ReadParity { .. } | Error::Fec(_)), Some(fec)) => {
                CommandError::new(class_of(&error), error).at(fec.device().path())
            }
            (error, _) => from_library(error, self.data.path(), self.hash.path(), &context.signals),
        }
    }

    /// What is known of it, for findings to be added to.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            report: None,
            recovery: None,
            parity: None,
            origin: self.trusted.origin(),
            places: self.places(),
        }
    }

    /// Where its blocks lie.
    pub(crate) fn places(&self) -> Places {
        Places::new(&self.trusted, self.data.path(), self.hash.path())
    }
}

impl ImageSource {
    fn devices(&self) -> Result<(Arc<Device>, Arc<Device>), CommandError> {
        Ok((Arc::new(Device::open(&self.data)?), Arc::new(Device::open(&self.hash)?)))
    }
}

/// The parameters of the command line, without a superblock.
fn trusted_parameters(
    parameters: &Parameters,
    root_hash: RootHash,
    data: &Device,
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
    hash: &Device,
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

fn check_superblock(verified: &VerifiedManifest, hash: &Device) -> Result<(), CommandError> {
    let Some(region) = verified.manifest().superblock_region() else { return Ok(()) };
    if region.end > hash.size() {
        let words =
            format!("the hash device has {} bytes, but {} are needed", hash.size(), region.end);
        return Err(CommandError::message(Class::Metadata, words).at(hash.path()));
    }
    // At most one hash block.
    let size = usize::try_from(region.end - region.start).or_fail(Class::Metadata, hash.path())?;
    let mut bytes = vec![0; size];
    hash.read_exact_at(&mut bytes, region.start).or_fail(Class::Io, hash.path())?;
    verified.check_superblock(&bytes).or_fail(Class::NotVerified, hash.path())
}

fn corrupt(report: Report, image: &Image) -> CommandError {
    let places = image.places();
    let first = report.corruptions.first().map(|range| range.first);
    let is_top = first.is_some_and(|block| places.is_top(block));
    let or = if is_top { " (or the root hash is that of another image)" } else { "" };
    let error = CommandError::message(Class::NotVerified, format!("{report}{or}"));
    let error = match first {
        Some(block) => error.at(places.path(block)),
        None => error,
    };
    error.with_findings(Findings { report: Some(report), ..image.findings() })
}
