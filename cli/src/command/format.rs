//! `verity format`: makes a hash tree and writes it, whole or not at all where that is possible.
//!
//! Everything that can be wrong with parameters and outputs is found before the first data byte is hashed.

mod overlay;
mod parity;

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use verity::io::{ReadAt, WriteAt};
use verity::publish::{InPlace, Input, Output, OutputSet, Rewriting};
use verity::{Builder, HashArea, Params, RootHash, Superblock, Uuid};

use self::overlay::Overlay;
pub(crate) use self::parity::{FecOptions, Parity};
use super::{Context, Outcome, class_of, from_library, threads_or_all, verify};
use crate::error::{Class, CommandError, OrFail};
use crate::parameters::{Identity, Parameters};
use crate::progress::Meter;
use crate::quoted::Quoted;
use crate::report::header::Header;
use crate::storage::{self, Relation};
use crate::trust;

/// What to make of what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) hash: PathBuf,
    pub(crate) parameters: Parameters,
    pub(crate) seed: Option<String>,
    pub(crate) root_hash_file: Option<PathBuf>,
    pub(crate) fec: Option<FecOptions>,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Only the owner may read new hash files, FEC files and root hash files, as veritysetup makes them.
const MODE: u32 = 0o600;

/// Makes the hash area.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    options.parameters.check_uuid_has_a_place()?;
    let data = trust::open(&options.data)?;
    let identity = Identity::choose(&options.parameters, options.seed.as_deref())?;
    let tree = Tree::new(&options.parameters, identity, &data)?;
    let target = Target::open(&options.hash, &data, &tree)?;
    let parity = match &options.fec {
        Some(fec) => Some(Parity::open(fec, &data, &target, &tree)?),
        None => None,
    };
    let root_hash_file = match &options.root_hash_file {
        Some(path) => Some(root_hash_output(path, options, &data)?),
        None => None,
    };
    let uncovered = uncovered(&tree, &data, target.relation(&data)?, parity.as_ref())?;
    tree.warn(&data, uncovered);
    let mut header = tree.header(&options.hash, uncovered);
    if let Some(parity) = &parity {
        header = header.with_fec(&parity.area, parity.is_with_hash());
    }
    let job = Job { tree: &tree, data: &data, threads: options.threads, context };
    let root_hash = target.write(&job, parity, root_hash_file)?;
    Ok(Outcome::Formatted(header.with_root_hash(root_hash)))
}

/// How many bytes of the data stay out of the tree and are not what is made here either.
fn uncovered(
    tree: &Tree,
    data: &Input,
    hash: Relation,
    parity: Option<&Parity>,
) -> Result<u64, CommandError> {
    let mut own = Vec::new();
    if hash == Relation::Same {
        own.push(tree.area.range());
    }
    if let Some(parity) = parity
        && parity.is_with_data(data, hash)?
    {
        own.push(parity.area.range());
    }
    Ok(verify::uncovered_bytes(&tree.params, data.size(), &own))
}

/// The hash tree that is to be made.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) params: Params,
    pub(crate) area: HashArea,
    pub(crate) uuid: Uuid,
}

impl Tree {
    pub(crate) fn new(
        parameters: &Parameters,
        identity: Identity,
        data: &Input,
    ) -> Result<Tree, CommandError> {
        let salted = Parameters { salt: Some(identity.salt), ..parameters.clone() };
        let params = salted.params(data.size()).map_err(|error| error.at(data.path()))?;
        let area = parameters.hash_area(&params)?;
        Ok(Tree { params, area, uuid: identity.uuid })
    }

    /// The superblock, if it has one.
    pub(crate) fn superblock(&self) -> Option<[u8; 512]> {
        let superblock = Superblock::new(self.params.clone(), self.uuid);
        self.area.has_superblock().then(|| superblock.to_bytes())
    }

    pub(crate) fn header(&self, path: &Path, uncovered: u64) -> Header {
        let header = Header::new(path, &self.params, &self.area).with_uncovered_bytes(uncovered);
        if self.area.has_superblock() { header.with_uuid(self.uuid) } else { header }
    }

    /// Says what is unusual about it.
    pub(crate) fn warn(&self, data: &Input, uncovered: u64) {
        if uncovered > 0 {
            tracing::warn!(
                "{}: {uncovered} bytes behind the data blocks of --data-blocks stay unprotected",
                Quoted(data.path()),
            );
        }
        if self.params.algorithm().is_legacy() {
            tracing::warn!("{} is legacy: collisions are known", self.params.algorithm());
        }
        if self.params.hash_type().is_legacy() {
            tracing::warn!("hash type 0 is legacy: new images should have type 1");
        }
        if self.params.data_block_size().bytes() > 4096 {
            tracing::warn!(
                "data blocks of {} bytes are larger than a page of 4096 bytes: most kernels cannot activate that",
                self.params.data_block_size(),
            );
        }
    }
}

/// A hash tree to be made of some data.
pub(crate) struct Job<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) data: &'a Input,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) context: &'a Context,
}

impl Job<'_> {
    /// Hashes the data; writes tree and parity, not the superblock.
    fn build<H: ReadAt + WriteAt>(
        &self,
        hash: &H,
        hash_path: &Path,
        parity: Option<&Parity>,
    ) -> Result<RootHash, CommandError> {
        let Job { tree: Tree { params, area, .. }, data, threads, context } = self;
        let meter = Meter::new(params.data_size(), &context.signals);
        let builder = Builder::new(params)
            .threads(threads_or_all(*threads))
            .platform(context.platform(params.algorithm()))
            .fec_platform(context.fec_platform())
            .progress(&meter);
        let built = match parity.map(|parity| (&parity.area, parity.file())) {
            None => builder.build(data.file(), hash, area),
            Some((fec, None)) => builder.build_with_fec(data.file(), hash, area, hash, fec),
            Some((fec, Some(file))) => builder.build_with_fec(data.file(), hash, area, file, fec),
        };
        let fec_path = parity.map_or(hash_path, Parity::path);
        built
            .map_err(|error| match error {
                verity::Error::ReadParity { .. } | verity::Error::WriteParity { .. } => {
                    CommandError::new(class_of(&error), error).at(fec_path)
                }
                error => from_library(error, data.path(), hash_path, context),
            })
            .map_err(|error| unless_changed(error, data))
    }

    /// Builds into a temporary file and writes the superblock there; `output` is ready to be published. Parity goes
    /// there or elsewhere.
    pub(crate) fn build_output(
        &self,
        output: &Output,
        parity: Option<&Parity>,
    ) -> Result<RootHash, CommandError> {
        let (file, tree) = (output.file(), self.tree);
        let size = file.metadata().or_fail(Class::Io, output.path())?.len();
        let needed = size_needed(&tree.area, parity);
        WriteAt::set_len(file, size.max(needed)).or_fail(Class::Io, output.path())?;
        let root_hash = self.build(file, output.path(), parity)?;
        if let Some(superblock) = tree.superblock() {
            file.write_all_at(&superblock, tree.area.offset()).or_fail(Class::Io, output.path())?;
        }
        self.data.check_path()?;
        self.context.signals.check()?;
        Ok(root_hash)
    }

    /// Hashes straight onto another device.
    fn build_in_place(
        &self,
        device: InPlace,
        parity: Option<&Parity>,
    ) -> Result<(Rewriting, RootHash), CommandError> {
        let path = device.path().to_owned();
        let needed = size_needed(&self.tree.area, parity);
        if !device.is_block_device() && device.size() < needed {
            WriteAt::set_len(device.file(), needed).or_fail(Class::Io, &path)?;
        }
        let rewriting = device.begin(&self.tree.area)?;
        let root_hash = self.build(rewriting.file(), &path, parity)?;
        self.data.check()?;
        Ok((rewriting, root_hash))
    }

    /// Hashes a file that is to hold its own hash area: into a nameless file first, since our own writes would
    /// hide whether somebody else changed the data meanwhile.
    fn build_in_own_data(
        &self,
        device: InPlace,
        parity: Option<&Parity>,
    ) -> Result<(Rewriting, RootHash), CommandError> {
        let (path, area) = (device.path().to_owned(), &self.tree.area);
        let nameless = nameless_beside(self.data)?;
        let kept =
            area.end()..parity.map_or(0, |parity| parity.area.covered_end(&self.tree.params, area));
        let overlay = Overlay { made: &nameless, below: device.file(), kept };
        let root_hash = self.build(&overlay, &path, parity)?;
        self.data.check()?;
        let rewriting = device.begin(area)?;
        copy(&nameless, rewriting.file(), area.tree_range()).or_fail(Class::Io, &path)?;
        if let Some(parity) = parity.filter(|parity| parity.is_with_hash()) {
            copy(&nameless, rewriting.file(), parity.area.range()).or_fail(Class::Io, &path)?;
        }
        Ok((rewriting, root_hash))
    }
}

/// How long a hash file is at least, with the parity if that is on it too.
fn size_needed(area: &HashArea, parity: Option<&Parity>) -> u64 {
    let parity = parity.filter(|parity| parity.is_with_hash());
    area.file_size().max(parity.map_or(0, |parity| parity.area.range().end))
}

/// The error, unless the data changed meanwhile: that explains everything else.
fn unless_changed(error: CommandError, data: &Input) -> CommandError {
    match (error.class(), data.check()) {
        (Class::Io | Class::Metadata, Err(changed)) => changed.into(),
        _ => error,
    }
}

/// Where the hash area goes.
enum Target {
    /// A file of its own, replaced as a whole.
    File(Output),
    /// A block device, or the file that holds the data too.
    InPlace(InPlace),
}

impl Target {
    fn open(path: &Path, data: &Input, tree: &Tree) -> Result<Target, CommandError> {
        let target = match fs::metadata(path) {
            Ok(metadata) if metadata.file_type().is_block_device() => Self::in_place(path)?,
            Ok(metadata) if metadata.is_file() => Self::existing(path, data)?,
            Ok(_) => Target::File(Output::update(path)?),
            Err(_) => Target::File(Output::create_with_mode(path, MODE)?),
        };
        target.check_place(data, tree)?;
        Ok(target)
    }

    fn in_place(path: &Path) -> Result<Target, CommandError> {
        Ok(Target::InPlace(InPlace::open(path)?))
    }

    fn existing(path: &Path, data: &Input) -> Result<Target, CommandError> {
        let hash = Input::open(path)?;
        match relate(data, hash.file(), path)? {
            Relation::Distinct => Ok(Target::File(Output::update(path)?)),
            _ => Self::in_place(path),
        }
    }

    /// How the bytes of the data and of the hash device relate.
    fn relation(&self, data: &Input) -> Result<Relation, CommandError> {
        match self {
            Target::File(_) => Ok(Relation::Distinct),
            Target::InPlace(device) => relate(data, device.file(), device.path()),
        }
    }

    /// Refuses a hash area in the data, or one that a device has no room for.
    fn check_place(&self, data: &Input, tree: &Tree) -> Result<(), CommandError> {
        let Target::InPlace(device) = self else { return Ok(()) };
        let path = device.path();
        match self.relation(data)? {
            Relation::Distinct => {}
            Relation::Same => {
                tree.area.check_behind_data(&tree.params).or_fail(Class::Metadata, path)?
            }
            Relation::Shifted => {
                let words = "lies on the same storage as the data, at another offset";
                return Err(CommandError::message(Class::Metadata, words).at(path));
            }
        }
        let (needed, size) = (tree.area.file_size(), device.size());
        if device.is_block_device() && needed > size {
            let words = format!("the hash area needs {needed} bytes, the device has {size}");
            return Err(CommandError::message(Class::Metadata, words).at(path));
        }
        Ok(())
    }

    /// Writes the hash area, parity, and the root hash file, which appear together. Without the hash area parity is
    /// worth nothing, so that comes first.
    fn write(
        self,
        job: &Job<'_>,
        parity: Option<Parity>,
        root_hash_file: Option<Output>,
    ) -> Result<RootHash, CommandError> {
        let put = |parity: Option<Parity>| match parity {
            Some(parity) => parity.finish(OutputSet::new()),
            None => Ok(OutputSet::new()),
        };
        match self {
            Target::File(output) => {
                let root_hash = job.build_output(&output, parity.as_ref())?;
                let set = put(parity)?.output(output);
                write_root_hash(root_hash_file, set, root_hash)?.commit()?;
                Ok(root_hash)
            }
            Target::InPlace(device) => {
                let data = job.data;
                let own = relate(data, device.file(), device.path())? != Relation::Distinct;
                let (rewriting, root_hash) = if own && !data.is_block_device() {
                    job.build_in_own_data(device, parity.as_ref())?
                } else {
                    job.build_in_place(device, parity.as_ref())?
                };
                let set = write_root_hash(root_hash_file, OutputSet::new(), root_hash)?;
                put(parity)?.commit()?;
                rewriting.finish(job.tree.superblock().as_ref())?;
                // The old root hash is worth nothing any more, so the new one must not get lost.
                set.commit().map_err(|error| {
                    CommandError::from(error).noting(format!("the new root hash is {root_hash}"))
                })?;
                Ok(root_hash)
            }
        }
    }
}

/// A file without a name near the data, for what must wait.
fn nameless_beside(data: &Input) -> Result<fs::File, CommandError> {
    let directory = data.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    tempfile::tempfile_in(directory.unwrap_or(Path::new(".")))
        .or_else(|_| tempfile::tempfile())
        .or_fail(Class::Io, data.path())
}

/// Copies these bytes to the same place in another file.
fn copy(from: &fs::File, to: &fs::File, range: std::ops::Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = range.start;
    while offset < range.end {
        let rest = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let chunk = &mut buffer[..rest.min(1 << 20)];
        from.read_exact_at(chunk, offset)?;
        to.write_all_at(chunk, offset)?;
        offset += 1 << 20;
    }
    Ok(())
}

/// Adds the root hash file to a set.
fn write_root_hash(
    output: Option<Output>,
    set: OutputSet,
    root_hash: RootHash,
) -> Result<OutputSet, CommandError> {
    let Some(output) = output else { return Ok(set) };
    write_bytes(&output, root_hash.to_string().as_bytes())?;
    Ok(set.output(output))
}

fn relate(data: &Input, hash: &fs::File, path: &Path) -> Result<Relation, CommandError> {
    storage::relation(data.file(), hash).or_fail(Class::Io, path)
}

/// Opens the root hash file, which must be neither the data nor the hash device nor the FEC device.
fn root_hash_output(path: &Path, options: &Options, data: &Input) -> Result<Output, CommandError> {
    let fec = options.fec.as_ref().map(|fec| fec.device.as_path());
    let others = [(Some(options.hash.as_path()), "hash"), (fec, "FEC")];
    for (other, name) in others {
        if other.is_some_and(|other| same_place(path, other)) {
            return Err(CommandError::usage(format!("is also the {name} device")).at(path));
        }
    }
    let output = Output::create_with_mode(path, MODE)?;
    output.check_distinct(data)?;
    for (other, _) in others {
        if let Some(Ok(other)) = other.map(Input::open) {
            output.check_distinct(&other)?;
        }
    }
    Ok(output)
}

/// Whether two paths name one directory entry, which need not exist.
fn same_place(a: &Path, b: &Path) -> bool {
    let directory = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()
    };
    a.file_name() == b.file_name() && directory(a) == directory(b)
}

/// Writes all of a short output.
pub(crate) fn write_bytes(output: &Output, bytes: &[u8]) -> Result<(), CommandError> {
    output.file().write_all(bytes).or_fail(Class::Io, output.path())
}
