//! `verity open`: a device over an image, which the kernel verifies block by block.
//!
//! What can be checked is checked before the kernel sees anything: who signed, the geometry, and
//! the first block with the hash blocks above it. Then that block is read through the device. A
//! device that shows corruption is closed again.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use verity::TrustedParams;
use verity::internals::to_len;
use verity::table::TableOptions;
use verity_dm::{
    Close, DeviceMapper, Difference, MapperName, Note, Open, Opened, Place, Reason, Run, Status,
    make_node,
};

use crate::context::Context;
use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, ImageSource, OpenedImage, Reading};
use crate::live::{self, Live};
use crate::making::SidecarSet;
use crate::parameters::{Parameters, ParitySource};
use crate::roles;
use crate::signer::Signer;
use crate::table_options;
use crate::trust::{self, RootHashSource};

/// What to open, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: OpenSource,
    /// The name of the device.
    pub(crate) name: OsString,
    /// A signature of the root hash, for the kernel.
    pub(crate) signature: Option<SignatureSource>,
    /// `NAME` or `NAME=VALUE`.
    pub(crate) options: Vec<String>,
    /// Take data that another mapping or a mount has too.
    pub(crate) is_shared: bool,
    /// Read the first block, before and through the device.
    pub(crate) probes: bool,
    /// How long udev is waited for.
    pub(crate) udev_timeout: Option<Duration>,
    /// Check what is checked here, and open nothing.
    pub(crate) is_dry_run: bool,
}

/// Where the image is, and what vouches for it.
#[derive(Debug)]
pub(crate) enum OpenSource {
    /// Devices or files.
    Devices(Box<ImageSource>),
    /// What `build` has made: the manifest beside the image says everything. Of the source, only
    /// the data and whom to trust count.
    Sidecars { source: Box<ImageSource>, output_dir: Option<PathBuf>, usr: bool },
}

/// Where the signature of the root hash is.
#[derive(Debug)]
pub(crate) enum SignatureSource {
    /// Beside the image, where `build` puts it.
    Auto,
    File(PathBuf),
}

/// A device that is open.
#[derive(Debug)]
pub(crate) struct OpenedDevice {
    /// What is known of it; nothing if it was not to be opened.
    pub(crate) status: Option<Status>,
    pub(crate) node: PathBuf,
    pub(crate) trusted: TrustedParams,
    /// Who signed the manifest.
    pub(crate) signer: Option<Signer>,
    /// Who signed the root hash, if that was checked here.
    pub(crate) root_hash_signer: Option<Signer>,
    /// Whether it was open before, and is the same.
    pub(crate) was_open: bool,
    /// Blocks on the way to the first one that are corrupt and were recovered from parity; `None`
    /// if it was not read.
    pub(crate) repaired_blocks: Option<u64>,
    pub(crate) notes: Vec<Note>,
}

/// Opens the device.
pub(crate) fn run(options: &Options, context: &Context) -> Result<OpenedDevice, CommandError> {
    let name = live::new_name(&options.name)?;
    let table_options = read_table_options(&options.options)?;
    let (image, signature) = open_image(options, context)?;
    image.devices().try_for_each(|device| place(device).map(drop))?;
    let repaired_blocks = match options.probes {
        true => Some(image.unless_changed(read_first_block(&image, context))?),
        false => None,
    };
    let open = describe(&image, name, table_options, signature, options, context)?;
    if options.is_dry_run {
        return Ok(facts(&open, &image, repaired_blocks, None, Some(Vec::new())));
    }
    let live = Live::connect(&context.signals)?;
    let (status, notes) = match active(&open, &live)? {
        Some(status) => (status, None),
        None => match live.try_run(|device_mapper, run| open.run(device_mapper, run)) {
            Ok(opened) => probed(opened, options, &image, &live, context)?,
            // Somebody else was quicker.
            Err(error) if error.reason() == Reason::NameInUse => match active(&open, &live)? {
                Some(status) => (status, None),
                None => return Err(live.failed(error)),
            },
            Err(error) => return Err(live.failed(error)),
        },
    };
    Ok(facts(&open, &image, repaired_blocks, Some(status), notes))
}

/// What is told; a device without notes was open before.
fn facts(
    open: &Open,
    image: &OpenedImage,
    repaired_blocks: Option<u64>,
    status: Option<Status>,
    notes: Option<Vec<Note>>,
) -> OpenedDevice {
    OpenedDevice {
        node: open.name().node(),
        status,
        trusted: image.trusted().clone(),
        signer: image.signer(),
        root_hash_signer: image.root_hash_signer(),
        was_open: notes.is_none(),
        repaired_blocks,
        notes: notes.unwrap_or_default(),
    }
}

/// Parity and signature have options of their own, by which this command finds and checks them.
fn read_table_options(options: &[String]) -> Result<TableOptions, CommandError> {
    let read = table_options::read(options)?;
    match (&read.fec, &read.root_hash_sig_key_desc) {
        (None, None) => Ok(read),
        (Some(_), _) => Err(CommandError::usage("parity is given by --fec-device, not --option")),
        (_, Some(_)) => {
            Err(CommandError::usage("a signature is given by --root-hash-signature, not --option"))
        }
    }
}

/// Opens the image, and reads the signature for the kernel.
fn open_image(
    options: &Options,
    context: &Context,
) -> Result<(OpenedImage, Option<Vec<u8>>), CommandError> {
    match (&options.source, &options.signature) {
        (OpenSource::Sidecars { source, output_dir, usr }, signature) => {
            let set = SidecarSet::new(&source.data, output_dir.as_deref(), *usr)?;
            open_set(source, &set, signature.as_ref())
        }
        (OpenSource::Devices(_), Some(SignatureSource::Auto)) => Err(CommandError::usage(
            "--root-hash-signature auto is the one beside an image that build has made: \
             with HASH name the file",
        )),
        (OpenSource::Devices(source), Some(SignatureSource::File(path)))
            if source.trust.is_empty() =>
        {
            let signature = trust::unchecked_signature(path)?;
            Ok((OpenedImage::open(source, context)?, Some(signature)))
        }
        (OpenSource::Devices(source), signature) => {
            let file = signature.as_ref().and_then(|signature| match signature {
                SignatureSource::Auto => None,
                SignatureSource::File(path) => Some(path.clone()),
            });
            let source = ImageSource { root_hash_signature: file, ..ImageSource::clone(source) };
            let image = OpenedImage::open(&source, context)?;
            let signature = image.root_hash_signature().map(<[u8]>::to_vec);
            Ok((image, signature))
        }
    }
}

/// Opens what `build` has made, as its manifest states it.
fn open_set(
    source: &ImageSource,
    set: &SidecarSet,
    signature: Option<&SignatureSource>,
) -> Result<(OpenedImage, Option<Vec<u8>>), CommandError> {
    refuse_unused(source)?;
    set.files().chain([&*source.data]).try_for_each(roles::uses)?;
    let trusted = source.trust.read()?;
    let data = Arc::new(Device::open(&source.data)?);
    let verified = trust::manifest(&set.manifest, &trusted)
        .map_err(|error| missing_manifest(error, &set.manifest))?;
    let file = match signature {
        None => None,
        Some(SignatureSource::Auto) => Some(&set.root_hash_signature),
        Some(SignatureSource::File(path)) => Some(path),
    };
    let root_hash = verified.manifest().root_hash();
    let signature =
        file.map(|file| trust::root_hash_signature(file, &root_hash, &trusted)).transpose()?;
    let image = OpenedImage::with_sidecars(data, &set.hash, &verified)?;
    let bytes = signature.as_ref().map(|signature| signature.bytes.clone());
    Ok((image.with_root_hash_signature(signature), bytes))
}

/// The manifest beside the image says what would otherwise be given, and pins nothing.
fn refuse_unused(source: &ImageSource) -> Result<(), CommandError> {
    let is_all = source.root == RootHashSource::default()
        && source.manifest.is_none()
        && source.parameters == Parameters::default()
        && source.parity == ParitySource::default();
    match is_all {
        true => Ok(()),
        false => Err(CommandError::usage(
            "without HASH the manifest beside the image says everything: root hash, parameters \
             and parity are given with HASH only",
        )),
    }
}

fn missing_manifest(error: CommandError, path: &Path) -> CommandError {
    match path.try_exists().is_ok_and(|exists| !exists) {
        true => CommandError::message(
            Class::Trust,
            "there is no manifest, as build makes it: HASH and a root hash open an image without",
        )
        .at(path),
        false => error,
    }
}

/// The kernel reads devices, and files and parts of files by loop devices.
fn place(device: &Device) -> Result<Place, CommandError> {
    match device.input() {
        Some(input) => disks::place_of(input),
        None => Err(CommandError::usage(
            "the kernel reads no URL: verity serve makes a network block device of it",
        )
        .at(device.path())),
    }
}

/// Reads the first block as the kernel would, and tells how many blocks on the way to it are
/// corrupt and were recovered.
fn read_first_block(image: &OpenedImage, context: &Context) -> Result<u64, CommandError> {
    let reader = image.reader(Reading::default(), context)?;
    let mut block = vec![0; first_block_len(image)];
    match reader.read_at(&mut block, 0) {
        Ok(_) => Ok(reader.counters().repairs),
        Err(failure) => Err(image.error(failure.error, context)),
    }
}

fn first_block_len(image: &OpenedImage) -> usize {
    to_len(image.trusted().params().data_block_size().bytes().into())
}

/// The device that is to be.
fn describe(
    image: &OpenedImage,
    name: MapperName,
    table_options: TableOptions,
    signature: Option<Vec<u8>>,
    options: &Options,
    context: &Context,
) -> Result<Open, CommandError> {
    let trusted = image.trusted();
    let (params, area) = (trusted.params().clone(), trusted.hash_area());
    let (data, hash) = (place(image.data())?, place(image.hash())?);
    let open = Open::new(name, params, trusted.root_hash(), &area, data, hash);
    let mut open = open.options(table_options).udev(live::udev(options.udev_timeout));
    if let Some(uuid) = image.uuid(context)? {
        open = open.uuid(uuid);
    }
    if let Some(parity) = image.parity() {
        open = open.fec(place(parity.device())?, parity.area());
    }
    if let Some(signature) = signature {
        open = open.signature(signature);
    }
    Ok(if options.is_shared { open.shared() } else { open })
}

/// The device, if it is open already and is the wanted one; an error if it is another one.
fn active(open: &Open, live: &Live<'_>) -> Result<Option<Status>, CommandError> {
    let existing = open.existing(&live.device_mapper).map_err(|error| live.failed(error))?;
    let Some(existing) = existing else { return Ok(None) };
    // Whoever makes it may be about to load its table: that is waited for.
    if existing.differences == [Difference::NoTable] {
        return Ok(None);
    }
    let name = open.name();
    let refuse = |class, words: String| {
        let words = format!("device {name} is open already, {words}; verity close closes it");
        Err(CommandError::message(class, words))
    };
    if !existing.is_equal() {
        let differences: Vec<_> = existing.differences.iter().map(ToString::to_string).collect();
        return refuse(Class::Busy, format!("and is another one by: {}", differences.join(", ")));
    }
    let status = existing.status;
    if status.verity().is_none_or(|verity| !verity.health.is_uncorrupted()) {
        return refuse(Class::NotVerified, "and the kernel has met a corrupt block in it".into());
    }
    if status.is_deferred {
        return refuse(Class::Busy, "and goes when it is closed last".into());
    }
    if status.is_suspended {
        tracing::warn!("device {name} is suspended: reads wait until it is resumed");
    }
    if status.node.is_none() {
        make_node(&status).map_err(|error| live.failed(error))?;
    }
    Ok(Some(status))
}

/// Reads the first block through the device, unless that is not wanted. A device that shows
/// corruption is closed again, and so is one that a signal ends the command for.
fn probed(
    opened: Opened,
    options: &Options,
    image: &OpenedImage,
    live: &Live<'_>,
    context: &Context,
) -> Result<(Status, Option<Vec<Note>>), CommandError> {
    if !options.probes {
        return Ok((opened.status, Some(opened.notes)));
    }
    let probe = || {
        let read = read_block(&opened.node, first_block_len(image));
        context.signals.check()?;
        let status = live.verity_status(&opened.status.name)?;
        if status.verity().is_none_or(|verity| !verity.health.is_uncorrupted()) {
            let words = "the kernel has met a corrupt block; verity verify names it";
            return Err(CommandError::message(Class::NotVerified, words).at(&opened.node));
        }
        read.or_fail(Class::Io, &opened.node)?;
        Ok(status)
    };
    match probe() {
        Ok(status) => Ok((status, Some(opened.notes.clone()))),
        Err(error) => Err(closed_again(error, &opened.status, options)),
    }
}

fn read_block(node: &Path, len: usize) -> io::Result<()> {
    File::open(node)?.read_exact_at(&mut vec![0; len], 0)
}

/// Closes the device that is not to be, whatever signal has come; another one that has its name by
/// now is not ours to close.
fn closed_again(error: CommandError, made: &Status, options: &Options) -> CommandError {
    let close = Close::new(made.name.clone()).udev(live::udev(options.udev_timeout));
    let closed = DeviceMapper::open().and_then(|device_mapper| {
        let is_made = |now: &Status| (now.number, &now.uuid) == (made.number, &made.uuid);
        match device_mapper.status(&made.name)?.filter(is_made) {
            Some(_) => close.run(&device_mapper, Run::default()).map(drop),
            None => Ok(()),
        }
    });
    match closed {
        Ok(()) => error.adding("; the device was closed again"),
        Err(failure) => error.adding(&format!("; the device is still there: {failure}")),
    }
}
