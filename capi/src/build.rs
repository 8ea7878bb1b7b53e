//! Building from data that is there.

use std::ffi::c_int;
use std::num::NonZeroUsize;

use verity::{Builder, Devices, ImageBuilder, RootHash};

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
    if layout.fec_area.is_some() != fec.is_some() {
        return Err(Failure::argument("fec: a device is given exactly if there is to be parity"));
    }
    check_places(layout, [data, hash], fec)?;
    let plan = layout.plan()?;
    let size = layout.params.data_size();
    let watch = Watch::new(run, size);
    let build = |threads| {
        let image = ImageBuilder::new(&plan).with(|builder| watched(builder, &watch, threads));
        match fec {
            None => image.build(data, hash),
            Some(fec) => image.build_with_fec_device(data, hash, fec),
        }
    };
    let built = run.on_threads(size, build)??;
    watch.finish();
    Ok(built.root_hash())
}

/// Checks what lies on which device, as far as it can be known which of them are one.
pub(crate) fn check_places(
    layout: &Layout,
    [data, hash]: [&Device; 2],
    fec: Option<&Device>,
) -> Result<(), Failure> {
    let devices = Devices {
        hash_on_data: sharing(data, hash),
        fec_on_data: fec.map(|fec| sharing(data, fec)).unwrap_or_default(),
        fec_on_hash: fec.map(|fec| sharing(hash, fec)).unwrap_or_default(),
        ..Devices::default()
    };
    Ok(devices.check(&layout.params, &layout.hash_area, layout.fec_area.as_ref())?)
}

/// A builder that is watched; on threads of its own, or else in the pool that it is in.
pub(crate) fn watched<'a>(
    builder: Builder<'a>,
    watch: &'a Watch<'_>,
    threads: Option<NonZeroUsize>,
) -> Builder<'a> {
    let builder = builder.progress(watch);
    match threads {
        Some(threads) => builder.threads(threads),
        None => builder,
    }
}
