//! `verity table`: the text that makes the kernel activate an image.
//!
//! The one place where an unsigned manifest is accepted, with a warning: what the table says is
//! reviewed or authenticated by whatever carries it.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use verity::table::{
    DeviceName, DmModCreate, FecOptions, Table, TableOptions, grub_set, systemd_parameters,
    veritytab_line,
};
use verity::{BlockSize, Devices, FecArea, HashArea, Origin, Params, RootHash, Sharing};
use verity_sign::{MAX_MANIFEST_BYTES, Manifest};

use crate::context::Context;
use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, check_parity_pins, stated_parameters, trusted_superblock};
use crate::inputs;
use crate::library_error::refused_place;
use crate::parameters::{Parameters, ParitySource};
use crate::quoted::Quoted;
use crate::storage;
use crate::table_options::{self, unusable};
use crate::trust::{self, RootHashSource, TrustSource};

/// What to print a table of, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: TableSource,
    /// Pins, or all there is if there is no superblock.
    pub(crate) parameters: Parameters,
    pub(crate) data_device: String,
    pub(crate) hash_device: String,
    pub(crate) fec: TableFec,
    /// `NAME` or `NAME=VALUE`.
    pub(crate) options: Vec<String>,
    pub(crate) emit: Emit,
    pub(crate) name: Option<String>,
}

/// Where root hash and parameters come from.
#[derive(Debug)]
pub(crate) enum TableSource {
    Manifest {
        manifest: PathBuf,
        trust: TrustSource,
    },
    /// A superblock, or the parameters without one.
    HashDevice {
        hash: PathBuf,
        root: RootHashSource,
        trust: TrustSource,
    },
}

/// What the table shall say of parity, which a manifest may state and a superblock cannot.
#[derive(Debug, Default)]
pub(crate) struct TableFec {
    /// Leave out what the manifest states.
    pub(crate) none: bool,
    /// The device that holds it. With a manifest that is the hash device unless given; without one
    /// there is no parity unless given.
    pub(crate) device: Option<String>,
    /// Where it begins there, in bytes.
    pub(crate) offset: Option<u64>,
    pub(crate) roots: Option<u32>,
    /// How many blocks it covers.
    pub(crate) blocks: Option<u64>,
}

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emit {
    /// One line for `dmsetup create --readonly --table`.
    Dm,
    /// The kernel parameter `dm-mod.create=`.
    DmModCreate,
    /// A GRUB command that sets a variable to the value of that parameter.
    Grub,
    /// The kernel parameters that systemd reads.
    Systemd,
    /// A line of `/etc/veritytab`.
    Veritytab,
}

/// The text, and what it says.
#[derive(Debug)]
pub(crate) struct TableText {
    /// What vouches for the parameters.
    pub(crate) geometry: String,
    pub(crate) is_authenticated: bool,
    pub(crate) root_hash: RootHash,
    pub(crate) text: String,
    /// The parity that the text names.
    pub(crate) parity: Option<FecOptions>,
}

/// The device's name unless another is given: the root file system is what this is mostly for.
const DEFAULT_NAME: &str = "root";

/// Makes the text.
pub(crate) fn run(options: &Options, context: &Context) -> Result<TableText, CommandError> {
    if options.emit == Emit::Dm && options.name.is_some() {
        return Err(CommandError::usage(
            "--name has no effect with --emit dm: a table has no name",
        ));
    }
    let stated = Stated::read(options, context)?;
    refuse_large_sectors(&options.data_device, "data", stated.params.data_block_size())?;
    refuse_large_sectors(&options.hash_device, "hash", stated.params.hash_block_size())?;
    let wanted = wanted_options(options, stated.parity.as_ref())?;
    let parity = wanted.fec.clone();
    let table = Table::new(
        stated.params,
        stated.root_hash,
        device(&options.data_device)?,
        device(&options.hash_device)?,
        stated.area.hash_start(),
    );
    let table = table.and_then(|table| table.with_options(wanted)).map_err(unusable)?;
    let text = emit(options, table, &stated.area)?;
    let geometry = geometry(stated.origin);
    let is_authenticated = stated.origin.is_some_and(|origin| origin.is_authenticated());
    Ok(TableText { geometry, is_authenticated, root_hash: stated.root_hash, text, parity })
}

/// Refuses a device whose sectors are larger than the blocks on it, as the kernel does. A name that
/// is no block device here is one elsewhere, and nothing is known of it.
fn refuse_large_sectors(name: &str, kind: &str, block_size: BlockSize) -> Result<(), CommandError> {
    let path = Path::new(name);
    let is_block_device =
        fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
    if !is_block_device {
        return Ok(());
    }
    // A device that cannot be opened is the kernel's to refuse.
    let sector_size = File::open(path).ok().as_ref().and_then(storage::sector_size);
    let Some(sector_size) = sector_size.filter(|size| *size > block_size.bytes()) else {
        return Ok(());
    };
    let words = format!(
        "the {kind} blocks of {block_size} bytes are smaller than the sectors of {sector_size} \
         bytes here, so that the kernel refuses this table: build the image with blocks of at \
         least {sector_size} bytes, or put it on a device with smaller sectors"
    );
    Err(CommandError::message(Class::Metadata, words).at(path))
}

fn device(name: &str) -> Result<DeviceName, CommandError> {
    let known = disks::kernel_name(name)?;
    DeviceName::new(known.as_deref().unwrap_or(name)).map_err(unusable)
}

/// The options that were given, and the parity.
fn wanted_options(
    options: &Options,
    parity: Option<&FecArea>,
) -> Result<TableOptions, CommandError> {
    let given = table_options::read(&options.options)?;
    let Some(area) = parity else { return Ok(given) };
    if given.fec.is_some() {
        return Err(CommandError::usage(
            "--option use_fec_from_device, where there is parity already: \
             --no-fec leaves that of the manifest out",
        ));
    }
    let name = options.fec.device.as_ref().unwrap_or(&options.hash_device);
    Ok(TableOptions { fec: Some(FecOptions::new(device(name)?, area)), ..given })
}

fn emit(options: &Options, table: Table, area: &HashArea) -> Result<String, CommandError> {
    let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
    match options.emit {
        Emit::Dm => return Ok(table.to_string()),
        Emit::Systemd => return systemd_parameters(name, &table, area).map_err(unusable),
        Emit::Veritytab => return veritytab_line(name, &table, area).map_err(unusable),
        Emit::DmModCreate | Emit::Grub => {}
    }
    let value = DmModCreate::new(name, table).map_err(unusable)?;
    if value.exceeds_command_line() {
        tracing::warn!(
            "the value is longer than the {} bytes that most kernels take as their command line",
            DmModCreate::COMMAND_LINE_SIZE,
        );
    }
    if options.emit == Emit::DmModCreate {
        return Ok(format!("dm-mod.create=\"{value}\""));
    }
    grub_set(&format!("dm_verity_{name}"), &value.to_string()).map_err(unusable)
}

/// What a table needs to know.
struct Stated {
    params: Params,
    root_hash: RootHash,
    area: HashArea,
    /// `None` for a manifest that nobody vouches for.
    origin: Option<Origin>,
    parity: Option<FecArea>,
}

impl Stated {
    fn read(options: &Options, context: &Context) -> Result<Stated, CommandError> {
        match &options.source {
            TableSource::Manifest { manifest, trust } if trust.is_empty() => {
                trust.check_nobody_is_named()?;
                Self::unsigned_manifest(manifest, trust.image_name.as_deref(), options)
            }
            TableSource::Manifest { manifest, trust } => {
                let verified = trust::manifest(manifest, &trust.read()?)?;
                Self::of_manifest(verified.manifest(), Some(Origin::Manifest), manifest, options)
            }
            TableSource::HashDevice { hash, root, trust } => {
                trust.check_unused()?;
                Self::of_hash_device(hash, root.require()?, options, context)
            }
        }
    }

    fn unsigned_manifest(
        path: &Path,
        image_name: Option<&str>,
        options: &Options,
    ) -> Result<Stated, CommandError> {
        let bytes = inputs::read_small(path, MAX_MANIFEST_BYTES, Class::Metadata)?;
        let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
        trust::check_image_name(&manifest, image_name, path)?;
        warn_of(None, path);
        Self::of_manifest(&manifest, None, path, options)
    }

    fn of_manifest(
        manifest: &Manifest,
        origin: Option<Origin>,
        path: &Path,
        options: &Options,
    ) -> Result<Stated, CommandError> {
        let (params, area) = (manifest.params().clone(), manifest.hash_area());
        options.parameters.pins().check(&params).or_fail(Class::Metadata, path)?;
        let parity = options.fec.of_manifest(manifest, path)?;
        Ok(Stated { params, root_hash: manifest.root_hash(), area, origin, parity })
    }

    fn of_hash_device(
        path: &Path,
        root_hash: RootHash,
        options: &Options,
        context: &Context,
    ) -> Result<Stated, CommandError> {
        let parameters = &options.parameters;
        parameters.check_uuid_has_a_place()?;
        let hash = Device::open(path)?;
        let trusted = match parameters.no_superblock {
            true => stated_parameters(parameters, root_hash)?,
            false => trusted_superblock(parameters, root_hash, &hash, context)?,
        };
        let (params, area) = (trusted.params().clone(), trusted.hash_area());
        let origin = Some(trusted.origin());
        if !trusted.origin().is_authenticated() {
            warn_of(origin, path);
        }
        let fec_device = options.fec.device.as_deref();
        // The devices are elsewhere: which of them are one, their names say.
        let is_with_hash = fec_device == Some(options.hash_device.as_str());
        let sharing = |is_same| if is_same { Sharing::Same } else { Sharing::Nothing };
        let devices = Devices {
            data_size: None,
            hash_size: Some(hash.size()),
            fec_size: is_with_hash.then(|| hash.size()),
            hash_on_data: sharing(options.data_device == options.hash_device),
            fec_on_data: sharing(fec_device == Some(options.data_device.as_str())),
            fec_on_hash: sharing(is_with_hash),
        };
        let refused = |error| refused_place(error, [path; 3], None);
        // What the parity covers follows from the size of the hash device: is it one?
        devices.check(&params, &area, None).map_err(refused)?;
        let parity = match options.fec.beside()? {
            Some(source) => Some(source.area(&params, &area, path, hash.size(), is_with_hash)?),
            None => None,
        };
        devices.check(&params, &area, parity.as_ref()).map_err(refused)?;
        Ok(Stated { params, root_hash, area, origin, parity })
    }
}

impl TableFec {
    /// The parity that a manifest states, on the device and at the place that were named.
    fn of_manifest(
        &self,
        manifest: &Manifest,
        path: &Path,
    ) -> Result<Option<FecArea>, CommandError> {
        let fec_area = match manifest.fec_area() {
            None if self.device.is_some() => {
                return Err(CommandError::usage("the manifest states no parity for --fec-dev"));
            }
            None if self.none => {
                return Err(CommandError::usage(
                    "--no-fec has no effect: the manifest states no parity",
                ));
            }
            None if self.roots.is_some() || self.blocks.is_some() => {
                return Err(CommandError::usage(
                    "--fec-roots and --fec-blocks have no effect: the manifest states no parity",
                ));
            }
            None => return Ok(None),
            Some(_) if self.none => return Ok(None),
            Some(fec_area) => fec_area,
        };
        let pins =
            ParitySource { roots: self.roots, blocks: self.blocks, ..ParitySource::default() };
        check_parity_pins(&pins, &fec_area).map_err(|error| error.at(path))?;
        let offset = self.offset.unwrap_or(fec_area.range().start);
        let (params, area) = (manifest.params(), manifest.hash_area());
        FecArea::new(params, &area, fec_area.roots(), fec_area.blocks(), offset)
            .map(Some)
            .map_err(unusable)
    }

    /// The parity that was described, if any was.
    fn beside(&self) -> Result<Option<ParitySource>, CommandError> {
        match (&self.device, self.roots, self.blocks) {
            (Some(device), roots, blocks) => Ok(Some(ParitySource {
                device: Some(device.into()),
                offset: self.offset,
                roots,
                blocks,
            })),
            (None, None, None) => Ok(None),
            (None, ..) => Err(CommandError::usage(
                "--fec-roots and --fec-blocks say nothing without --fec-dev, \
                 or a manifest that states parity",
            )),
        }
    }
}

/// What vouches for the parameters, in words.
fn geometry(origin: Option<Origin>) -> String {
    match origin {
        Some(origin) => origin.to_string(),
        None => "not authenticated (manifest without --certificate)".to_owned(),
    }
}

fn warn_of(origin: Option<Origin>, path: &Path) {
    tracing::warn!("{}: geometry: {}", Quoted(path), geometry(origin));
}
