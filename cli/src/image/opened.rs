//! From what the caller trusts to an opened image: the one way for every command that reads one.
//!
//! A root hash, a manifest, pins and a superblock become [`TrustedParams`] here, with every check
//! that they allow; where they come from decides how much a success means.

use std::path::Path;
use std::sync::Arc;

use verity::{
    BlockRef, Error, FecArea, FecRepair, Report, RootHash, TrustedParams, Uuid, VerifiedReader,
};
use verity_sign::{Manifest, VerifiedManifest};

use super::device::{Device, Fetched, read_superblock};
use super::geometry;
use super::mounted;
use super::parity::ParityDevice;
use super::source::{ImageSource, Reading};
use super::vouching::{check_superblock, check_uuid, trusted_parameters, trusted_superblock};
use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::findings::Findings;
use crate::library_error::{class_of, from_library};
use crate::parameters::ParitySource;
use crate::places::Places;
use crate::progress::Stop;
use crate::signer::Signer;
use crate::trust::{self, RootHashSignature, Trusted};

/// A reader that serves any number of threads.
pub(crate) type ImageReader = VerifiedReader<Arc<Device>, Arc<Device>>;

/// An opened image, read-only, and what vouches for it.
#[derive(Debug)]
pub(crate) struct OpenedImage {
    trusted: TrustedParams,
    data: Arc<Device>,
    hash: Arc<Device>,
    parity: Option<ParityDevice>,
    signer: Option<Signer>,
    root_hash_signature: Option<RootHashSignature>,
    superblock: Result<(), CommandError>,
}

impl OpenedImage {
    /// Opens the devices of an image; the parameters are checked, no block is.
    pub(crate) fn open(
        source: &ImageSource,
        context: &Context,
    ) -> Result<OpenedImage, CommandError> {
        OpenedImage::open_for_repair(source, context)?.require_superblock()
    }

    /// Opens an image also where the superblock is not what the manifest states:
    /// [`OpenedImage::superblock_fault`] says so.
    pub(crate) fn open_for_repair(
        source: &ImageSource,
        context: &Context,
    ) -> Result<OpenedImage, CommandError> {
        OpenedImage::open_on(source, || open_devices(source), context)
    }

    /// Opens an image on devices that are opened otherwise than by the names of `source`, once who
    /// vouches for it is known.
    pub(crate) fn open_on(
        source: &ImageSource,
        devices: impl FnOnce() -> Result<[Arc<Device>; 2], CommandError>,
        context: &Context,
    ) -> Result<OpenedImage, CommandError> {
        source.parameters.check_uuid_has_a_place()?;
        let root_hash = source.root.read()?;
        if let Some(path) = &source.manifest {
            let trusted = source.trust.read()?;
            let image =
                OpenedImage::by_manifest(source, path, &trusted, root_hash, devices, context)?;
            let root_hash = image.trusted.root_hash();
            let root_hash_signature =
                check_root_hash_signature(source, &root_hash, || Ok(trusted))?;
            return Ok(OpenedImage { root_hash_signature, ..image });
        }
        source.trust.check_no_image_is_named()?;
        if source.root_hash_signature.is_none() {
            source.trust.check_nobody_is_named()?;
        }
        let root_hash = source.root.needed(root_hash)?;
        // Before the image is touched, which may be anybody's.
        let root_hash_signature =
            check_root_hash_signature(source, &root_hash, || source.trust.read())?;
        let image = OpenedImage::by_root_hash(source, root_hash, devices()?, context)?;
        Ok(OpenedImage { root_hash_signature, ..image })
    }

    fn by_root_hash(
        source: &ImageSource,
        root_hash: RootHash,
        [data, hash]: [Arc<Device>; 2],
        context: &Context,
    ) -> Result<OpenedImage, CommandError> {
        let trusted = if source.parameters.no_superblock {
            trusted_parameters(&source.parameters, root_hash, &data)?
        } else {
            trusted_superblock(&source.parameters, root_hash, &hash, context)?
        };
        let parity = open_parity(&trusted, &source.parity, None, [&data, &hash])?;
        Ok(OpenedImage {
            trusted,
            data,
            hash,
            parity,
            signer: None,
            root_hash_signature: None,
            superblock: Ok(()),
        })
    }

    fn by_manifest(
        source: &ImageSource,
        path: &Path,
        signers: &Trusted,
        root_hash: Option<RootHash>,
        devices: impl FnOnce() -> Result<[Arc<Device>; 2], CommandError>,
        context: &Context,
    ) -> Result<OpenedImage, CommandError> {
        let verified = trust::manifest(path, signers)?;
        let stated = verified.manifest();
        if let Some(given) = root_hash.filter(|given| *given != stated.root_hash()) {
            let stated = stated.root_hash();
            let words = format!("the manifest's root hash is {stated}, but {given} was given");
            return Err(CommandError::message(Class::Trust, words).at(path));
        }
        source.parameters.pins().check(stated.params()).or_fail(Class::Metadata, path)?;
        let [data, hash] = devices()?;
        if let Some(uuid) = source.parameters.uuid {
            let offset = stated.hash_area().offset();
            let superblock = read_superblock(&hash, offset, "", context)?;
            check_uuid(Some(uuid), &superblock, hash.path())?;
        }
        OpenedImage::of_manifest(&verified, data, hash, &source.parity)
    }

    /// The image that a manifest is about, if its size and where its parity lies are what the
    /// manifest states.
    pub(crate) fn of_manifest(
        verified: &VerifiedManifest,
        data: Arc<Device>,
        hash: Arc<Device>,
        parity: &ParitySource,
    ) -> Result<OpenedImage, CommandError> {
        let manifest = verified.manifest();
        check_size(&data, manifest.image().size_bytes())?;
        let trusted = verified.trusted_params().clone();
        let parity = open_parity(&trusted, parity, manifest.fec_area(), [&data, &hash])?;
        Ok(OpenedImage {
            superblock: check_superblock(verified, &hash),
            trusted,
            data,
            hash,
            parity,
            signer: Some(verified.signer().into()),
            root_hash_signature: None,
        })
    }

    /// The image that `build` has made and a manifest is about: with the hash area in this file, or
    /// in the image itself, and nothing else there.
    pub(crate) fn with_sidecars(
        data: Arc<Device>,
        hash: &Path,
        verified: &VerifiedManifest,
    ) -> Result<OpenedImage, CommandError> {
        let manifest = verified.manifest();
        let hash = match holds_its_hash_area(manifest, hash) {
            // The manifest states the size of that file itself.
            true => Arc::clone(&data),
            false => {
                let hash = Arc::new(Device::open(hash)?);
                check_hash_file(manifest, &hash)?;
                hash
            }
        };
        let parity = ParitySource::default();
        OpenedImage::of_manifest(verified, data, hash, &parity)?.require_superblock()
    }

    /// The image, unless its superblock is not what the manifest states.
    pub(crate) fn require_superblock(mut self) -> Result<OpenedImage, CommandError> {
        std::mem::replace(&mut self.superblock, Ok(()))?;
        Ok(self)
    }

    /// Why the superblock is not what the manifest states, if that is so.
    pub(crate) fn superblock_fault(&self) -> Option<&CommandError> {
        self.superblock.as_ref().err()
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

    /// The device with the parity, if there is any.
    pub(crate) fn parity(&self) -> Option<&ParityDevice> {
        self.parity.as_ref()
    }

    /// Who signed the manifest, if there is one.
    pub(crate) fn signer(&self) -> Option<Signer> {
        self.signer.clone()
    }

    /// Who signed the root hash, if a signature of it was given.
    pub(crate) fn root_hash_signer(&self) -> Option<Signer> {
        self.root_hash_signature.as_ref().map(|signature| signature.signer.clone())
    }

    /// The image, with a signature of its root hash that was checked.
    pub(crate) fn with_root_hash_signature(
        self,
        root_hash_signature: Option<RootHashSignature>,
    ) -> OpenedImage {
        OpenedImage { root_hash_signature, ..self }
    }

    /// The signature of the root hash, if one was given and is right.
    pub(crate) fn root_hash_signature(&self) -> Option<&[u8]> {
        self.root_hash_signature.as_ref().map(|signature| &*signature.bytes)
    }

    /// The devices of the image, each once unless it was opened twice.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        let parity = self.parity.as_ref().map(ParityDevice::device);
        let parity = parity.filter(|device| !Arc::ptr_eq(device, &self.hash));
        [&self.data, &self.hash].into_iter().chain(parity).map(|device| &**device)
    }

    /// What was asked of servers, if the image lies on any.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        self.devices().filter_map(Device::fetched).reduce(Fetched::plus)
    }

    /// The UUID of the superblock, if there is one.
    pub(crate) fn uuid(&self, context: &Context) -> Result<Option<Uuid>, CommandError> {
        let area = self.trusted.hash_area();
        if !area.has_superblock() {
            return Ok(None);
        }
        let superblock = read_superblock(&self.hash, area.offset(), "", context)?;
        Ok(Some(superblock.uuid()))
    }

    /// Where the blocks of the image lie.
    pub(crate) fn places(&self) -> Places {
        Places::new(&self.trusted, self.data.path(), self.hash.path())
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
            .kernels(context.kernels(params.algorithm()))
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
        let Some(parity) = &self.parity else { return Ok(None) };
        let (data, hash) = (Arc::clone(&self.data), Arc::clone(&self.hash));
        let device = Arc::clone(parity.device());
        FecRepair::new(self.trusted.clone(), *parity.area(), data, hash, device)
            .map(|repair| repair.kernels(context.kernels(self.trusted.params().algorithm())))
            .map(|repair| Some(repair.progress(Arc::new(Stop::new(&context.signals)))))
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
        match (error, &self.parity) {
            (Error::Corrupt(report), _) => self.corrupt(report),
            (Error::Unreadable(report), _) => self.unreadable(report),
            (
                error @ (Error::ReadParity { .. } | Error::ShortParity { .. } | Error::Fec(_)),
                Some(parity),
            ) => CommandError::new(class_of(&error), error).at(parity.device().path()),
            // Blocks that no number names lie behind the tree.
            (error @ Error::Io(_), _) => {
                CommandError::new(class_of(&error), error).at(self.hash.path())
            }
            (error, _) => {
                let hint = geometry::packed_hint(&error, &self.data, &self.hash);
                from_library(error, self.data.path(), self.hash.path(), &context.signals)
                    .adding(&hint)
            }
        }
    }

    fn corrupt(&self, report: Report) -> CommandError {
        let words = format!("{report}{}{}", self.other_cause(&report), self.mount_hint(&report));
        self.failure(
            Class::NotVerified,
            words,
            Findings { report: Some(report), ..self.findings() },
        )
    }

    /// All that could be read is right.
    fn unreadable(&self, report: Report) -> CommandError {
        let words = format!("{report}; nothing that could be checked is corrupt");
        self.failure(Class::Io, words, Findings { report: Some(report), ..self.findings() })
    }

    /// What a report of nothing but a file system's superblock says, for the end of a message.
    fn mount_hint(&self, report: &Report) -> &'static str {
        let [range] = report.corruptions.as_slice() else { return "" };
        let is_all = !report.truncated && report.unchecked_data_blocks == 0;
        self.mount_hint_of(range.first, range.blocks, is_all)
    }

    /// What corrupt blocks say that may be a file system's superblock, for the end of a message;
    /// `is_all` if all others are right.
    pub(super) fn mount_hint_of(&self, first: BlockRef, blocks: u64, is_all: bool) -> &'static str {
        mounted::hint(&self.data, self.trusted.params(), first, blocks, is_all)
    }

    /// A failure with its findings, about the device of the first block that they name.
    pub(crate) fn failure(&self, class: Class, words: String, findings: Findings) -> CommandError {
        let error = CommandError::message(class, words);
        let error = match findings.first_block() {
            Some(block) => {
                let device = if block.level().is_none() { &self.data } else { &self.hash };
                error.adding(&device.packed_hint()).at(findings.places.path(block))
            }
            None => error,
        };
        error.with_findings(findings)
    }

    /// What else the report may come from, for the end of a message.
    pub(crate) fn other_cause(&self, report: &Report) -> &'static str {
        let places = self.places();
        match report.corruptions.first() {
            Some(range) if !places.is_top(range.first) => "",
            None => "",
            Some(_) if self.trusted.origin().is_authenticated() => {
                " (or the root hash is that of another image)"
            }
            Some(_) => {
                " (or the root hash is that of another image, or the parameters are wrong: \
                 nothing vouches for them)"
            }
        }
    }

    /// What is known of the image, for findings to be added to.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            report: None,
            recovery: None,
            parity: None,
            origin: self.trusted.origin(),
            places: self.places(),
        }
    }
}

/// Opens the FEC device, if there is parity. With it the geometry is complete, and is checked: what
/// `format` refuses is no image.
fn open_parity(
    trusted: &TrustedParams,
    source: &ParitySource,
    stated: Option<FecArea>,
    [data, hash]: [&Arc<Device>; 2],
) -> Result<Option<ParityDevice>, CommandError> {
    geometry::check(trusted, data, hash, None)?;
    let (params, area) = (trusted.params(), trusted.hash_area());
    let parity = ParityDevice::open(source, stated, params, &area, hash)?;
    if parity.is_some() {
        geometry::check(trusted, data, hash, parity.as_ref())?;
    }
    geometry::warn_of_sectors(trusted, data, hash);
    Ok(parity)
}

/// Checks the signature of the root hash, if one was given; returns who signed. Whom to trust is
/// read only then, and once in a run: it may come from standard input.
fn check_root_hash_signature(
    source: &ImageSource,
    root_hash: &RootHash,
    signers: impl FnOnce() -> Result<Trusted, CommandError>,
) -> Result<Option<RootHashSignature>, CommandError> {
    let Some(path) = &source.root_hash_signature else { return Ok(None) };
    trust::root_hash_signature(path, root_hash, &signers()?).map(Some)
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

type ImageRepair = FecRepair<Arc<Device>, Arc<Device>, Arc<Device>>;

fn open_devices(source: &ImageSource) -> Result<[Arc<Device>; 2], CommandError> {
    Ok([Arc::new(Device::open(&source.data)?), Arc::new(Device::open(&source.hash)?)])
}

/// Refuses data of another size than the stated one. A partition may be larger than the image in
/// it.
fn check_size(data: &Device, stated: u64) -> Result<(), CommandError> {
    let size = data.size();
    if size == stated || (data.is_fixed() && size > stated) {
        return Ok(());
    }
    let hint = data.packed_hint();
    let words = format!("the image has {size} bytes, its manifest states {stated}{hint}");
    Err(CommandError::message(Class::Metadata, words).at(data.path()))
}
