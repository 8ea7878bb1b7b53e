//! An image made whole: every step of it, in the order that is safe.
//!
//! ```text
//!  plan ──> sizes ──> no old superblock ──> tree and parity ──> sync ──> superblock ──> sync
//! ```
//!
//! What makes the hash area whole is written when the storage has the rest. So a run that is
//! interrupted, by a signal, a full device or the power, leaves nothing that looks finished. What
//! is told of the image afterwards, such as a manifest, is made of the [`BuiltImage`], and cannot
//! be made before there is one.

use crate::io::{ReadAt, Source, WriteAt};
use crate::{Error, HashAreaError, Plan, RootHash, Superblock};

use super::{Builder, Streamed};

/// Makes what a [`Plan`] says: gives the devices their sizes, builds tree and parity, and writes
/// the superblock last, when everything else has reached the storage. An old superblock in its
/// place goes first.
///
/// ```
/// use std::num::NonZeroUsize;
/// use verity::io::MemoryFile;
/// use verity::{ImageBuilder, Params, Plan, Salt, TrustedParams, Verifier, uuid_from_seed};
///
/// let data = vec![0x5a; 1 << 20];
/// let plan = Plan::for_image(Params::builder().salt(Salt::from_seed("demo")), 1 << 20, true)?
///     .with_fec(2)?
///     .with_uuid(uuid_from_seed("demo"));
/// let hash = MemoryFile::new();
/// let image = ImageBuilder::new(&plan)
///     .with(|builder| builder.threads(NonZeroUsize::MIN))
///     .build(&data, &hash)?;
///
/// let (params, hash_area) = (plan.params().clone(), plan.hash_area());
/// let trusted = TrustedParams::pinned(params, image.root_hash(), hash_area)?;
/// Verifier::new(trusted).verify(&data, &hash)?;
/// assert_eq!(hash.to_bytes().len() as u64, plan.end());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ImageBuilder<'a> {
    plan: &'a Plan,
    builder: Builder<'a>,
    is_synced: bool,
    keeps_padding: bool,
}

impl<'a> ImageBuilder<'a> {
    /// A builder of what is planned, which works as [`Builder::new`] says.
    pub fn new(plan: &'a Plan) -> ImageBuilder<'a> {
        let builder = Builder::new(plan.params());
        ImageBuilder { plan, builder, is_synced: true, keeps_padding: false }
    }

    /// Sets how the work is done, and what else is made of the data in the same pass: threads,
    /// progress, a copy, and so on.
    #[must_use]
    pub fn with(mut self, options: impl FnOnce(Builder<'a>) -> Builder<'a>) -> Self {
        self.builder = options(self.builder);
        self
    }

    /// Leaves it to the caller to sync: for files that nobody finds before that is done, such as a
    /// [`publish::Output`](crate::publish::Output).
    #[must_use]
    pub fn unsynced(mut self) -> Self {
        self.is_synced = false;
        self
    }

    /// Leaves the bytes between superblock and tree as they are, as veritysetup does. A manifest
    /// binds zeros there, which are written otherwise.
    #[must_use]
    pub fn keep_padding(mut self) -> Self {
        self.keeps_padding = true;
        self
    }

    /// Makes the hash area of `data` on another device, and the parity behind it there, if some is
    /// planned. A hash device that is longer stays so.
    ///
    /// # Errors
    /// As [`Builder::build_with_fec`]; also [`Error::Grow`], [`Error::Sync`] and
    /// [`Error::WriteSuperblock`] when a step around it fails. Without a superblock what is there
    /// then may look whole: nothing tells a tree that is not.
    pub fn build<S, W>(&self, data: &S, hash: &W) -> Result<BuiltImage, Error>
    where
        S: Source + ?Sized,
        W: ReadAt + WriteAt + ?Sized,
    {
        let fec_end = self.plan.fec_area().map_or(0, |area| area.range().end);
        self.begin(hash, fec_end)?;
        self.finished(self.build_on(data, hash, hash)?, hash)
    }

    /// Makes the hash area behind the data in one file or device, and the parity behind that, if
    /// some is planned ([`Plan::behind_data`]).
    ///
    /// # Errors
    /// As [`ImageBuilder::build`]; also [`HashAreaError::OverlapsData`] when it is not planned
    /// behind the data. Then nothing was written.
    pub fn build_behind_data<W>(&self, image: &W) -> Result<BuiltImage, Error>
    where
        W: Source + ReadAt + WriteAt + ?Sized,
    {
        self.plan.hash_area().check_behind_data(self.plan.params())?;
        self.build(image, image)
    }

    /// Makes the hash area as [`ImageBuilder::build`] does, and the parity on a device of its own,
    /// which grows as it is written.
    ///
    /// # Errors
    /// As [`ImageBuilder::build`].
    pub fn build_with_fec_device<S, W, F>(
        &self,
        data: &S,
        hash: &W,
        fec: &F,
    ) -> Result<BuiltImage, Error>
    where
        S: Source + ?Sized,
        W: ReadAt + WriteAt + ?Sized,
        F: ReadAt + WriteAt + ?Sized,
    {
        self.begin(hash, 0)?;
        let root_hash = self.build_on(data, hash, fec)?;
        // Parity is worth nothing without the hash area, so it comes before.
        self.sync(fec)?;
        self.finished(root_hash, hash)
    }

    /// Makes the hash area of pushed data whole, of which the tree is there, and the parity too if
    /// some is planned ([`Streamed::plan`], [`Streamed::build_fec`]).
    ///
    /// # Errors
    /// As [`ImageBuilder::build`], and when something else was planned than was pushed.
    pub fn finish<W>(&self, streamed: &Streamed, hash: &W) -> Result<BuiltImage, Error>
    where
        W: ReadAt + WriteAt + ?Sized,
    {
        let (params, area) = (self.plan.params(), self.plan.hash_area());
        if (params, &area) != (&streamed.params, &streamed.hash_area) {
            return Err(HashAreaError::OtherParams.into());
        }
        self.finish_tree(streamed.root_hash, hash)
    }

    /// Makes a hash area whole of which the tree is there, such as one that a
    /// [`Rehasher`](crate::Rehasher) has made. Whether it is that of the root hash is for the
    /// caller to know.
    ///
    /// # Errors
    /// As [`ImageBuilder::build`].
    pub fn finish_tree<W>(&self, root_hash: RootHash, hash: &W) -> Result<BuiltImage, Error>
    where
        W: ReadAt + WriteAt + ?Sized,
    {
        grow(hash, self.plan.hash_area().file_size())?;
        self.finished(root_hash, hash)
    }

    /// Makes the hash device as long as hash area and parity need it, and takes away what would
    /// lend an old hash area's name to half a new one.
    fn begin<W>(&self, hash: &W, fec_end: u64) -> Result<(), Error>
    where
        W: ReadAt + WriteAt + ?Sized,
    {
        // A builder that came from elsewhere by `with`.
        if self.builder.params != self.plan.params() {
            return Err(HashAreaError::OtherParams.into());
        }
        let area = self.plan.hash_area();
        grow(hash, area.file_size().max(fec_end))?;
        match area.has_superblock() && self.is_synced {
            true => Superblock::erase(hash, area.offset()),
            false => Ok(()),
        }
    }

    /// Tree and parity.
    fn build_on<S, W, F>(&self, data: &S, hash: &W, fec: &F) -> Result<RootHash, Error>
    where
        S: Source + ?Sized,
        W: ReadAt + WriteAt + ?Sized,
        F: ReadAt + WriteAt + ?Sized,
    {
        let hash_area = &self.plan.hash_area();
        match &self.plan.fec_area() {
            None => self.builder.build(data, hash, hash_area),
            Some(fec_area) => self.builder.build_with_fec(data, hash, hash_area, fec, fec_area),
        }
    }

    /// Writes what makes a tree a hash area that is found.
    fn finished<W>(&self, root_hash: RootHash, hash: &W) -> Result<BuiltImage, Error>
    where
        W: WriteAt + ?Sized,
    {
        self.sync(hash)?;
        if let Some(superblock) = self.plan.superblock() {
            let area = self.plan.hash_area();
            let written = match self.keeps_padding {
                true => hash.write_all_at(&superblock.to_bytes(), area.offset()),
                false => hash.write_all_at(&superblock.region(&area), area.offset()),
            };
            written.map_err(|source| Error::WriteSuperblock { source })?;
            self.sync(hash)?;
        }
        Ok(BuiltImage { plan: self.plan.clone(), root_hash })
    }

    fn sync(&self, device: &(impl WriteAt + ?Sized)) -> Result<(), Error> {
        match self.is_synced {
            true => device.sync().map_err(|source| Error::Sync { source }),
            false => Ok(()),
        }
    }
}

/// Makes a device as long as it must be, if it is shorter.
fn grow<W>(device: &W, needed: u64) -> Result<(), Error>
where
    W: ReadAt + WriteAt + ?Sized,
{
    let failed = |source| Error::Grow { needed, source };
    match ReadAt::len(device).map_err(failed)? {
        length if length >= needed => Ok(()),
        _ => WriteAt::resize(device, needed).map_err(failed),
    }
}

/// An image whose hash area is there: what a manifest is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    plan: Plan,
    root_hash: RootHash,
}

impl BuiltImage {
    /// What was planned and made.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The root hash.
    pub fn root_hash(&self) -> RootHash {
        self.root_hash
    }
}
