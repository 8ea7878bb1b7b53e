//! `verity rehash`: makes the hash tree of an image of which only some blocks changed, from the
//! tree of the old one.
//!
//! It is `format`, but for where most digests come from. What is not hashed is not verified, and
//! the report says how much that is.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use verity::{Changes, Origin, RootHash};

use crate::context::Context;
use crate::error::CommandError;
use crate::image::{Device, read_superblock, trusted_superblock};
use crate::inputs;
use crate::making::{
    self, Formatted, Guests, HashTarget, Identity, OldTree, ParityPlan, PlannedTree, Rest, Tail,
    TreeMaker,
};
use crate::packed;
use crate::parameters::{Parameters, ParitySource};
use crate::trust::RootHashSource;

/// What to make of what.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    /// The hash device of the old image.
    pub(crate) old_hash: PathBuf,
    /// Where the hash area begins on it, in bytes.
    pub(crate) old_hash_offset: Option<u64>,
    pub(crate) old_root: RootHashSource,
    pub(crate) changed: Changed,
    pub(crate) output: PathBuf,
    pub(crate) root_hash_file: Option<PathBuf>,
    /// Where parity goes; without a device no parity is made.
    pub(crate) parity: ParitySource,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What tells the blocks that changed.
#[derive(Debug)]
pub(crate) enum Changed {
    /// Ranges of bytes.
    Told(Vec<Range<u64>>),
    /// A comparison with the old data.
    Compared(PathBuf),
}

/// A hash area that was made from an old one.
#[derive(Debug)]
pub(crate) struct RehashedArea {
    pub(crate) formatted: Formatted,
    pub(crate) old_root_hash: RootHash,
    /// What vouches for the parameters of the old tree.
    pub(crate) origin: Origin,
    /// Data blocks that were hashed because they changed.
    pub(crate) hashed_blocks: u64,
    /// Data blocks whose digests are those of the old tree.
    pub(crate) kept_blocks: u64,
    pub(crate) unchanged: Unchanged,
}

/// What was done about the data blocks that count as unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// Nothing: none of them was read.
    Unread,
    /// They were compared with those of the old image, which were held against nothing.
    Compared,
    /// They were hashed for the parity, and are what the new tree says.
    Hashed,
}

/// Makes the new hash area.
pub(crate) fn run(options: &Options, context: &Context) -> Result<RehashedArea, CommandError> {
    let root_hash = options.old_root.require()?;
    let data = inputs::open_device(&options.data)?;
    let old_hash = Device::open(&options.old_hash)?;
    let telling = Telling::open(&options.changed)?;
    let place = Parameters { hash_offset: options.old_hash_offset, ..Parameters::default() };
    let trusted = trusted_superblock(&place, root_hash, &old_hash, context)?;
    let superblock = read_superblock(&old_hash, place.hash_area_offset(), "", context)?;
    let parameters = Parameters::default().or_of(&superblock);
    let identity = Identity::choose(&parameters, None)?;
    let tree = PlannedTree::new(&parameters, identity, &data, Tail::Refused)?;
    check_ranges(&options.changed, tree.params.data_size().max(trusted.params().data_size()))?;
    let target = HashTarget::open(&options.output, &data, &tree)?;
    let parity = ParityPlan::open(&options.parity, &data, &target, &tree)?;
    let root_hash_file = making::root_hash_output(options.root_hash_file.as_deref())?;
    packed::warn(&data);
    tree.warn(&data, 0);
    let check = || telling.check();
    let old = OldTree {
        trusted,
        hash: &old_hash,
        hash_path: old_hash.path(),
        changes: telling.changes(),
        image_path: telling.image().map(Device::path),
        check: &check,
        made: OnceLock::new(),
    };
    let area = parity.as_ref().map(|parity| parity.area);
    let is_parity_with_hash = parity.as_ref().is_some_and(ParityPlan::is_with_hash);
    let maker = TreeMaker {
        tree: &tree,
        data: &data,
        threads: options.threads,
        guests: None,
        digest: None,
        old: Some(&old),
        context,
    };
    let rest = Rest { root_hash_file, guests: Guests::default(), padded_data: None };
    let root_hash = making::write(target, &maker, parity, rest)?;
    making::print_root_hash(options.root_hash_file.as_deref(), root_hash)?;
    let (hashed_blocks, kept_blocks) = old.blocks();
    let (old_root_hash, origin) = (old.trusted.root_hash(), old.trusted.origin());
    Ok(RehashedArea {
        formatted: Formatted {
            hash: options.output.clone(),
            root_hash,
            tree,
            uncovered_bytes: 0,
            parity: area,
            is_parity_with_hash,
            image_digest: None,
        },
        old_root_hash,
        origin,
        hashed_blocks,
        kept_blocks,
        unchanged: match (area, &options.changed) {
            (Some(_), _) => Unchanged::Hashed,
            (None, Changed::Told(_)) => Unchanged::Unread,
            (None, Changed::Compared(_)) => Unchanged::Compared,
        },
    })
}

/// What tells the blocks that changed, opened.
enum Telling<'o> {
    Ranges(&'o [Range<u64>]),
    OldImage(Box<Device>),
}

impl<'o> Telling<'o> {
    fn open(changed: &'o Changed) -> Result<Telling<'o>, CommandError> {
        match changed {
            Changed::Told(ranges) => Ok(Telling::Ranges(ranges)),
            Changed::Compared(path) => {
                Device::open(path).map(|device| Telling::OldImage(Box::new(device)))
            }
        }
    }

    fn changes(&self) -> Changes<'_> {
        match self {
            Telling::Ranges(ranges) => Changes::Ranges(ranges),
            Telling::OldImage(image) => Changes::Since(&**image),
        }
    }

    fn image(&self) -> Option<&Device> {
        match self {
            Telling::Ranges(_) => None,
            Telling::OldImage(image) => Some(image),
        }
    }

    /// Fails if the old image changed since it was opened.
    fn check(&self) -> Result<(), CommandError> {
        self.image().map_or(Ok(()), Device::check)
    }
}

/// Refuses a range that begins behind the end of both images: it is a mistake, and what it was to
/// name would stay as it was.
fn check_ranges(changed: &Changed, longest: u64) -> Result<(), CommandError> {
    let Changed::Told(ranges) = changed else { return Ok(()) };
    match ranges.iter().find(|range| range.start >= longest) {
        Some(range) => Err(CommandError::usage(format!(
            "--range begins at byte {}, but neither image has more than {longest} bytes",
            range.start
        ))),
        None => Ok(()),
    }
}
