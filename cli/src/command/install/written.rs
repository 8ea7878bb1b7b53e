//! What is written to a slot, in which order, and whether it is there already.

use verity::internals::to_u64;
use verity::io::{ReadAt, WriteAt};
use verity::update::{Applied, Plan, Unvouched, apply, destroy, is_zero, zero_rest};
use verity::{Builder, Error};

use super::read_back::{Proof, read_back};
use super::source::Source;
use super::target::{Target, TargetDevice, rest};
use super::{Options, of_writing, settings};
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, OrFail};
use crate::progress::{Meter, Step, Stop};

/// A slot that is about to be written.
pub(super) struct Writing<'a> {
    pub(super) source: &'a Source,
    pub(super) target: &'a Target,
    pub(super) plan: &'a Plan<'a>,
    pub(super) options: &'a Options,
    pub(super) context: &'a Context,
}

impl Writing<'_> {
    /// Whether everything but parity is there already.
    pub(super) fn is_all_there(&self) -> Result<bool, CommandError> {
        if !self.plan.is_in_place() {
            return Ok(false);
        }
        let region = self.source.verified.manifest().hash_area().superblock_region();
        if !has(&self.target.hash, region.start, &self.source.region)? {
            return Ok(false);
        }
        if let (Some(device), Some(bytes)) = (&self.target.signature, &self.source.signature)
            && !has(device, 0, bytes)?
        {
            return Ok(false);
        }
        let stop = Stop::new(&self.context.signals);
        let settings = settings(self.options, self.source, self.context).progress(&stop);
        for (device, range) in rest(self.source, self.target) {
            let failed = |error| of_writing(error, self.source, self.target, self.context);
            if !is_zero(device, range, &settings).map_err(failed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a slot back that has everything; nothing if it is not all right nevertheless.
    pub(super) fn proved_already(&self) -> Result<Option<Proof>, CommandError> {
        match read_back(self.source, self.target, self.options.threads, self.context) {
            Ok(proof) => Ok(Some(proof)),
            // It is written anew for what it holds, and not for what kept it from being read.
            Err(error) => match error.class() {
                Class::NotVerified | Class::Repairable | Class::Parity | Class::Metadata => {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Writes the slot; returns what was done, and how many bytes were written.
    pub(super) fn write(&self, seeds: &[&dyn ReadAt]) -> Result<(Applied, u64), CommandError> {
        let (source, target) = (self.source, self.target);
        let failed = |error| of_writing(error, source, target, self.context);
        let unvouched = self.apply(seeds).map_err(failed)?;
        let mut written = self.make_parity()?;
        let stop = Stop::new(&self.context.signals);
        let settings = settings(self.options, source, self.context).progress(&stop);
        for (device, range) in rest(source, target) {
            written += zero_rest(device, range, &settings).map_err(failed)?;
        }
        if let (Some(device), Some(bytes)) = (&target.signature, &source.signature)
            && !has(device, 0, bytes)?
        {
            device.write_all_at(bytes, 0).or_fail(Class::Io, device.name())?;
            written += to_u64(bytes.len());
        }
        for device in target.devices() {
            device.sync().or_fail(Class::Io, device.name())?;
        }
        self.context.signals.check()?;
        let applied = unvouched.finish().map_err(failed)?;
        Ok((applied, written + applied.written_bytes))
    }

    /// Takes away again what lets the slot verify, as its proof has failed.
    pub(super) fn take_back(&self) -> Result<(), CommandError> {
        let failed = |error| of_writing(error, self.source, self.target, self.context);
        destroy(self.plan.tree(), &self.target.hash).map(drop).map_err(failed)
    }

    /// Writes data and hash blocks, all but what lets the slot verify.
    fn apply(&self, seeds: &[&dyn ReadAt]) -> Result<Unvouched<'_, TargetDevice>, Error> {
        let counts = self.plan.counts();
        let size = (counts.blocks - counts.in_place) * u64::from(self.block_size());
        let meter = Meter::new(Step::Installing, size, &self.context.signals);
        let settings = settings(self.options, self.source, self.context).progress(&meter);
        let (source, target) = (self.source.image.data(), self.target);
        let region = &self.source.region;
        apply(self.plan, seeds, source, &target.data, &target.hash, region, &settings)
    }

    /// Makes parity of the slot's data and the verified tree; data that is not the tree's makes
    /// none.
    fn make_parity(&self) -> Result<u64, CommandError> {
        let manifest = self.source.verified.manifest();
        let Some(fec) = manifest.fec_area() else { return Ok(0) };
        let (params, tree) = (manifest.params(), self.plan.tree());
        let meter = Meter::new(Step::Parity, params.data_size(), &self.context.signals);
        let builder = Builder::new(params)
            .threads(threads_or_all(self.options.threads))
            .kernels(self.context.kernels(params.algorithm()))
            .progress(&meter);
        let (data, hash) = (&self.target.data, &self.target.hash);
        let made =
            builder.build_with_fec(data, &tree.as_device(), &manifest.hash_area(), hash, &fec);
        let failed = |error| of_writing(error, self.source, self.target, self.context);
        if made.map_err(failed)? != manifest.root_hash() {
            let words = "the slot does not return what was written to it";
            return Err(CommandError::message(Class::NotVerified, words).at(data.name()));
        }
        // Each part is written twice.
        Ok(2 * fec.size())
    }

    fn block_size(&self) -> verity::BlockSize {
        self.source.verified.manifest().params().data_block_size()
    }
}

/// Whether these bytes lie there.
pub(super) fn has(device: &TargetDevice, offset: u64, bytes: &[u8]) -> Result<bool, CommandError> {
    let mut there = vec![0; bytes.len()];
    device.read_exact_at(&mut there, offset).or_fail(Class::Io, device.name())?;
    Ok(there == bytes)
}
