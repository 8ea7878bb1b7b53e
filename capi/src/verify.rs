//! Verifying whole images, their parity, and repairing them.

use std::ffi::{c_int, c_void};
use std::io;

use verity::io::WriteAt;
use verity::{
    BlockRange, BlockRef, Corruption, Error, HashArea, Params, RepairSink, Repaired, Repairer,
    Report, Verified, Verifier,
};

use crate::device::{Device, Opener, Use, verity_device};
use crate::failure::{Code, Failure, level_of, verity_error};
use crate::flags::{self, ALL, IGNORE_ZERO_BLOCKS};
use crate::guard::guarded;
use crate::params::Layout;
use crate::pointers::get;
use crate::run::{Run, Watch, verity_run};
use crate::trust::verity_trusted;

const CORRUPT: i32 = 1;
const UNREADABLE: i32 = 2;
const UNCHECKED: i32 = 3;
const REPAIRED: i32 = 4;

type FoundCall = unsafe extern "C" fn(*mut c_void, i32, i32, u64, u64) -> c_int;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct verity_summary {
    data_blocks: u64,
    hash_blocks: u64,
    corrupt: u64,
    unreadable: u64,
    unchecked: u64,
    repaired: u64,
    reserved: [u64; 4],
}

impl verity_summary {
    fn of_verified(verified: &Verified) -> verity_summary {
        verity_summary {
            data_blocks: verified.data_blocks,
            hash_blocks: verified.hash_blocks,
            ..verity_summary::default()
        }
    }

    fn with_report(self, report: &Report) -> verity_summary {
        verity_summary {
            corrupt: report.corrupt_blocks,
            unreadable: report.unreadable_blocks,
            unchecked: report.unchecked_data_blocks,
            ..self
        }
    }
}

/// Whom a host wants to be told of what was found.
struct Found {
    call: Option<FoundCall>,
    user: *mut c_void,
    summary: *mut verity_summary,
}

impl Found {
    fn report(&self, report: &Report) -> bool {
        let corrupt = report.corruptions.iter().all(|range| {
            let what = match range.corruption {
                Corruption::Unreadable { .. } => UNREADABLE,
                _ => CORRUPT,
            };
            self.tell(what, range.first, range.blocks)
        });
        corrupt && self.ranges(UNCHECKED, &report.unchecked)
    }

    fn ranges(&self, what: i32, ranges: &[BlockRange]) -> bool {
        ranges.iter().all(|range| self.tell(what, range.first, range.blocks))
    }

    fn tell(&self, what: i32, first: BlockRef, blocks: u64) -> bool {
        let Some(call) = self.call else { return false };
        // SAFETY: the header says how it is called.
        unsafe { call(self.user, what, level_of(first), first.block(), blocks) == 0 }
    }

    fn summarize(&self, summary: verity_summary) {
        if !self.summary.is_null() {
            // SAFETY: it points to room for a summary.
            unsafe { self.summary.write(summary) };
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_verify(
    trusted: *const verity_trusted,
    data: *const verity_device,
    hash: *const verity_device,
    flags: u32,
    run: *const verity_run,
    found: Option<FoundCall>,
    user: *mut c_void,
    summary: *mut verity_summary,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        let found = Found { call: found, user, summary };
        found.summarize(verity_summary::default());
        let mut opener = Opener::default();
        // SAFETY: NULL, or what the header asks for.
        let (trusted, data, hash, run) = unsafe {
            (
                get(trusted, "trusted")?,
                opener.open(data, "data", Use::Read)?,
                opener.open(hash, "hash", Use::Read)?,
                Run::read(run)?,
            )
        };
        flags::check(flags, ALL | IGNORE_ZERO_BLOCKS)?;
        match verify(trusted, [&data, &hash], flags, &run)? {
            Ok(verified) => {
                found.summarize(verity_summary::of_verified(&verified));
                Ok(())
            }
            Err(error) => {
                if let Error::Corrupt(report) | Error::Unreadable(report) = &error {
                    found.summarize(verity_summary::default().with_report(report));
                    found.report(report);
                }
                Err(error.into())
            }
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn verify(
    trusted: &verity_trusted,
    [data, hash]: [&Device; 2],
    flags: u32,
    run: &Run,
) -> Result<Result<Verified, Error>, Failure> {
    let size = covered_size(&trusted.layout);
    let watch = Watch::new(run, size);
    let verified = run.on_threads(size, |threads| {
        let verifier = Verifier::new(trusted.trusted.clone());
        let mut verifier =
            verifier.progress(&watch).ignore_zero_blocks(flags & IGNORE_ZERO_BLOCKS != 0);
        if let Some(threads) = threads {
            verifier = verifier.threads(threads);
        }
        match flags & ALL {
            0 => verifier.verify(data, hash),
            _ => verifier.verify_all(data, hash),
        }
    })?;
    if verified.is_ok() {
        watch.finish();
    }
    Ok(verified)
}

/// The bytes of data and tree.
fn covered_size(layout: &Layout) -> u64 {
    let tree = layout.hash_area.tree_range();
    layout.params.data_size().saturating_add(tree.end - tree.start)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_repair(
    trusted: *const verity_trusted,
    data: *const verity_device,
    hash: *const verity_device,
    fec: *const verity_device,
    data_out: *const verity_device,
    hash_out: *const verity_device,
    run: *const verity_run,
    found: Option<FoundCall>,
    user: *mut c_void,
    summary: *mut verity_summary,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        let found = Found { call: found, user, summary };
        found.summarize(verity_summary::default());
        let mut opener = Opener::default();
        // SAFETY: NULL, or what the header asks for.
        let (trusted, devices, outputs, run) = unsafe {
            (
                get(trusted, "trusted")?,
                [
                    opener.open(data, "data", Use::Read)?,
                    opener.open(hash, "hash", Use::Read)?,
                    opener.open(fec, "fec", Use::Read)?,
                ],
                [
                    opener.open_optional(data_out, "data_out", Use::Write)?,
                    opener.open_optional(hash_out, "hash_out", Use::Write)?,
                ],
                Run::read(run)?,
            )
        };
        let repaired = repair(trusted, &devices, &outputs, &run)?;
        let counted =
            verity_summary { repaired: repaired.repaired_blocks, ..verity_summary::default() };
        let Some(beyond) = &repaired.beyond else {
            found.summarize(counted);
            found.ranges(REPAIRED, &repaired.repaired);
            return Ok(());
        };
        found.summarize(counted.with_report(beyond));
        if found.ranges(REPAIRED, &repaired.repaired) {
            found.report(beyond);
        }
        Err(Failure::from(Error::Corrupt(beyond.clone())).with_code(Code::Unrepaired))
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn repair(
    trusted: &verity_trusted,
    [data, hash, fec]: &[Device; 3],
    outputs: &[Option<Device>; 2],
    run: &Run,
) -> Result<Repaired, Failure> {
    let layout = &trusted.layout;
    let outputs = match outputs {
        [Some(data), Some(hash)] => {
            let (params, hash_area) = (&layout.params, layout.hash_area);
            Some(Outputs { data, hash, params, hash_area })
        }
        [None, None] => None,
        _ => return Err(Failure::argument("data_out and hash_out are given both, or neither")),
    };
    let size = covered_size(layout);
    let watch = Watch::new(run, size);
    let area = trusted.fec_area()?;
    let repaired = run.on_threads(size, |threads| {
        let mut repairer = Repairer::new(trusted.trusted.clone(), area)?.progress(&watch);
        if let Some(threads) = threads {
            repairer = repairer.threads(threads);
        }
        match &outputs {
            Some(outputs) => repairer.repair(data, hash, fec, outputs),
            None => repairer.repair(data, hash, fec, &()),
        }
    })??;
    for device in outputs.iter().flat_map(|outputs| [outputs.data, outputs.hash]) {
        device.sync().map_err(|error| Failure::io("cannot flush what was repaired", &error))?;
    }
    watch.finish();
    Ok(repaired)
}

/// Where repaired blocks go.
struct Outputs<'a> {
    data: &'a Device,
    hash: &'a Device,
    params: &'a Params,
    hash_area: HashArea,
}

impl RepairSink for Outputs<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        match block {
            BlockRef::Data { block } => {
                let offset = block * u64::from(self.params.data_block_size());
                self.data.write_all_at(bytes, offset)
            }
            BlockRef::Hash { level, block } => {
                let offset = self.hash_area.offset_of(self.params, level, block);
                self.hash.write_all_at(bytes, offset)
            }
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_parity_check(
    trusted: *const verity_trusted,
    data: *const verity_device,
    hash: *const verity_device,
    fec: *const verity_device,
    run: *const verity_run,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        let mut opener = Opener::default();
        // SAFETY: NULL, or what the header asks for.
        let (trusted, devices, run) = unsafe {
            (
                get(trusted, "trusted")?,
                [
                    opener.open(data, "data", Use::Read)?,
                    opener.open(hash, "hash", Use::Read)?,
                    opener.open(fec, "fec", Use::Read)?,
                ],
                Run::read(run)?,
            )
        };
        check_parity(trusted, &devices, &run)
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn check_parity(
    trusted: &verity_trusted,
    [data, hash, fec]: &[Device; 3],
    run: &Run,
) -> Result<(), Failure> {
    let area = trusted.fec_area()?;
    let size = area.blocks().saturating_mul(area.block_size().into());
    let watch = Watch::new(run, size);
    let report = run.on_threads(size, |threads| {
        let mut repairer = Repairer::new(trusted.trusted.clone(), area)?.progress(&watch);
        if let Some(threads) = threads {
            repairer = repairer.threads(threads);
        }
        repairer.verify_parity(data, hash, fec)
    })??;
    if report.is_intact() {
        watch.finish();
        return Ok(());
    }
    let first = report.ranges.first().map_or(0, |range| range.start);
    let words = format!(
        "the parity of {} of {} rounds is not that of the image; the first: {first}",
        report.rounds, report.compared,
    );
    Err(Failure::new(Code::Corrupt, words))
}
