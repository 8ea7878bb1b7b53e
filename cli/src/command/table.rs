//! `verity table`: the text that makes the kernel activate an image.
//!
//! The one place where an unsigned manifest is accepted, with a warning: what the table says is reviewed or
//! authenticated by whatever carries it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use verity::table::{DeviceName, DmModCreate, Table, TableError, TableOptions, grub_set};
use verity::{HashArea, Params, RootHash};
use verity_sign::{MAX_MANIFEST_BYTES, Manifest};

use super::{Context, Outcome, read_superblock};
use crate::device::Device;
use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;
use crate::trust::{self, RootSource, TrustSource};

/// What to print a table of, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) origin: Origin,
    pub(crate) data_device: String,
    pub(crate) hash_device: String,
    /// `NAME` or `NAME=VALUE`.
    pub(crate) options: Vec<String>,
    pub(crate) emit: Emit,
    pub(crate) name: Option<String>,
}

/// Where root hash and parameters come from.
#[derive(Debug)]
pub(crate) enum Origin {
    Manifest { manifest: PathBuf, trust: TrustSource },
    Superblock { hash: PathBuf, hash_offset: u64, root: RootSource, trust: TrustSource },
}

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emit {
    /// One line for `dmsetup create --readonly --table`.
    Dm,
    /// The value of the kernel parameter `dm-mod.create=`.
    DmModCreate,
    /// A GRUB command that sets a variable to that value.
    Grub,
}

/// The text. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    pub(crate) text: String,
}

/// The device's name unless another is given: the root file system is what this is mostly for.
const DEFAULT_NAME: &str = "root";

/// Makes the text.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    if options.emit == Emit::Dm && options.name.is_some() {
        return Err(CommandError::usage(
            "--name has no effect with --emit dm: a table has no name",
        ));
    }
    let stated = Stated::read(&options.origin, context)?;
    let device = |name: &str| DeviceName::new(name).map_err(unusable);
    let table = Table::new(
        stated.params,
        stated.root_hash,
        device(&options.data_device)?,
        device(&options.hash_device)?,
        stated.area.hash_start(),
    );
    let table = table.and_then(|table| table.with_options(table_options(&options.options)?));
    let text = emit(options, table.map_err(unusable)?)?;
    let root_hash = stated.root_hash.to_string();
    Ok(Outcome::Table(Line { geometry: stated.geometry, root_hash, text }))
}

fn unusable(error: TableError) -> CommandError {
    CommandError::new(Class::Usage, error)
}

fn table_options(options: &[String]) -> Result<TableOptions, TableError> {
    let words = options.iter().flat_map(|option| match option.split_once('=') {
        Some((name, value)) => vec![name, value],
        None => vec![option.as_str()],
    });
    TableOptions::from_words(words)
}

fn emit(options: &Options, table: Table) -> Result<String, CommandError> {
    if options.emit == Emit::Dm {
        return Ok(table.to_string());
    }
    let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
    let value = DmModCreate::new(name, table).map_err(unusable)?;
    if value.exceeds_command_line() {
        tracing::warn!(
            "the value is longer than the {} bytes that most kernels take as their command line",
            DmModCreate::COMMAND_LINE_SIZE,
        );
    }
    if options.emit == Emit::DmModCreate {
        return Ok(value.to_string());
    }
    grub_set(&format!("dm_verity_{name}"), &value.to_string()).map_err(unusable)
}

/// What a table needs to know.
struct Stated {
    params: Params,
    root_hash: RootHash,
    area: HashArea,
    geometry: String,
}

impl Stated {
    fn read(origin: &Origin, context: &Context) -> Result<Stated, CommandError> {
        match origin {
            Origin::Manifest { manifest, trust } if trust.is_empty() => {
                trust.check_unused()?;
                Self::unsigned_manifest(manifest)
            }
            Origin::Manifest { manifest, trust } => {
                let verified = trust::manifest(manifest, &trust.read()?)?;
                Ok(Self::of_manifest(verified.manifest(), verity::Origin::Manifest.to_string()))
            }
            Origin::Superblock { hash, hash_offset, root, trust } => {
                trust.check_unused()?;
                Self::superblock(hash, *hash_offset, root.require()?, context)
            }
        }
    }

    fn unsigned_manifest(path: &Path) -> Result<Stated, CommandError> {
        let bytes = trust::read_small(path, MAX_MANIFEST_BYTES)?;
        let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
        let geometry = "not authenticated (manifest without --certificate)";
        warn_of(geometry, path);
        Ok(Self::of_manifest(&manifest, geometry.to_owned()))
    }

    fn of_manifest(manifest: &Manifest, geometry: String) -> Stated {
        Stated {
            params: manifest.params().clone(),
            root_hash: manifest.root_hash(),
            area: manifest.hash_area(),
            geometry,
        }
    }

    fn superblock(
        path: &Path,
        hash_offset: u64,
        root_hash: RootHash,
        context: &Context,
    ) -> Result<Stated, CommandError> {
        let hash = Device::open(path)?;
        let superblock = read_superblock(&hash, hash_offset, context)?;
        let params = superblock.params().clone();
        let area = HashArea::new(&params, hash_offset, true).or_fail(Class::Metadata, path)?;
        let geometry = verity::Origin::Superblock.to_string();
        warn_of(&geometry, path);
        Ok(Stated { params, root_hash, area, geometry })
    }
}

fn warn_of(geometry: &str, path: &Path) {
    tracing::warn!("{}: geometry: {geometry}", Quoted(path));
}
