//! Building from data that is there.

use std::ffi::c_int;

use verity::io::WriteAt;
use verity::{Builder, Devices, Error, RootHash};

use crate::device::{Device, Opener, Use, sharing, verity_device};
use crate::failure::{Failure, verity_error};
use crate::guard::guarded;
use crate::library::verity_digest;
use crate::params::{Layout, verity_params};
use crate::pointers::{check, put};
use crate::run::{Run, Watch, verity_run};

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_build(
    params: *const verity_params,
    data: *const verity_device,
    hash: *const verity_device,
    fec: *const verity_device,
    run: *const verity_run,
    root: *mut verity_digest,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(root, "root")?;
        let mut opener = Opener::default();
        // SAFETY: NULL, or what the header asks for.
        let (layout, data, hash, fec, run) = unsafe {
            let layout = verity_params::read_layout(params)?;
            let used = match layout.fec_area {
                Some(_) => Use::ReadAndWrite,
                None => Use::Write,
            };
            (
                layout,
                opener.open(data, "data", Use::Read)?,
                opener.open(hash, "hash", used)?,
                opener.open_optional(fec, "fec", Use::ReadAndWrite)?,
                Run::read(run)?,
            )
        };
        let root_hash = build(&layout, [&data, &hash], fec.as_ref(), &run)?;
        // SAFETY: NULL, or room for a digest.
        unsafe { put(root, root_hash.into(), "root") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn build(
    layout: &Layout,
    [data, hash]: [&Device; 2],
    fec: Option<&Device>,
    run: &Run,
) -> Result<RootHash, Failure> {
    let Layout { params, hash_area, fec_area, .. } = layout;
    let devices = Devices {
        hash_on_data: sharing(data, hash),
        fec_on_data: fec.map(|fec| sharing(data, fec)).unwrap_or_default(),
        fec_on_hash: fec.map(|fec| sharing(hash, fec)).unwrap_or_default(),
        ..Devices::default()
    };
    devices.check(params, hash_area, fec_area.as_ref())?;
    let watch = Watch::new(run, params.data_size());
    let build = |threads| -> Result<RootHash, Error> {
        let mut builder = Builder::new(params).progress(&watch);
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        match (fec_area, fec) {
            (None, _) => builder.build(data, hash, hash_area),
            (Some(area), Some(fec)) => builder.build_with_fec(data, hash, hash_area, fec, area),
            (Some(area), None) => builder.build_with_fec(data, hash, hash_area, hash, area),
        }
    };
    if fec_area.is_some() != fec.is_some() {
        return Err(Failure::argument("fec: a device is given exactly if there is to be parity"));
    }
    let root_hash = run.on_threads(params.data_size(), build)??;
    finish(layout, hash, fec)?;
    watch.finish();
    Ok(root_hash)
}

/// Writes the superblock, which makes it whole, and waits for the storage.
pub(crate) fn finish(layout: &Layout, hash: &Device, fec: Option<&Device>) -> Result<(), Failure> {
    if let Some(fec) = fec {
        fec.sync().map_err(|error| Failure::io("cannot flush the FEC device", &error))?;
    }
    let flush = || hash.sync().map_err(|error| Failure::io("cannot flush the hash device", &error));
    if layout.hash_area.has_superblock() {
        // The tree comes to the storage first: an interrupted run leaves nothing that looks whole.
        flush()?;
        let written = hash.write_all_at(&layout.superblock_region(), layout.hash_area.offset());
        written.map_err(|error| Failure::io("cannot write the superblock", &error))?;
    }
    flush()
}
