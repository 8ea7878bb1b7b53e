//! Building from data that is pushed.

use std::ffi::{c_int, c_void};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use verity::io::WriteAt;
use verity::{
    Builder, BuiltImage, Error, FecArea, HashArea, ImageBuilder, Plan, Progress, StreamBuilder,
    Streamed, Superblock,
};

use crate::build::{check_places, watched};
use crate::device::{Device, Opener, Use, verity_device};
use crate::failure::{Failure, verity_error};
use crate::guard::{guarded, guarded_on, quietly};
use crate::library::verity_digest;
use crate::params::{Layout, verity_params};
use crate::pointers::{bytes, check, get, hand_out, put, take};
use crate::run::{Run, Watch, verity_run};
use crate::signals::Blocked;

/// A build from data that is pushed.
pub(crate) struct verity_stream {
    hash: Arc<Device>,
    /// What has opened it, and opens what belongs to it.
    opener: Mutex<Opener>,
    run: Run,
    /// What was asked for.
    wanted: verity_params,
    /// `None` once it has ended.
    builder: Mutex<Option<StreamBuilder<'static, Arc<Device>>>>,
    dead: AtomicBool,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_stream_new(
    params: *const verity_params,
    hash: *const verity_device,
    run: *const verity_run,
    out: *mut *mut verity_stream,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (params, run) = unsafe { (verity_params::read(params)?, Run::read(run)?) };
        // Before the end, parity and the lowest level of a tree of any size wait there.
        let used = match params.data_blocks() == 0 || params.fec_roots() != 0 {
            true => Use::ReadAndWrite,
            false => Use::Write,
        };
        let mut opener = Opener::default();
        // SAFETY: as above.
        let hash = unsafe { opener.open(hash, "hash", used) }?;
        let stream = start(params, Arc::new(hash), opener, run)?;
        // SAFETY: NULL, or room for a handle.
        unsafe { hand_out(out, stream, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn start(
    wanted: verity_params,
    hash: Arc<Device>,
    opener: Opener,
    run: Run,
) -> Result<verity_stream, Failure> {
    let params = &wanted;
    let (offset, has_superblock) = (params.hash_offset(), params.has_superblock());
    let builder = match params.data_blocks() {
        0 => {
            let hash = Arc::clone(&hash);
            StreamBuilder::with_unknown_length(params.builder()?, hash, offset, has_superblock)?
        }
        blocks => {
            let params = params.builder()?.data_blocks(blocks).build()?;
            let area = HashArea::new(&params, offset, has_superblock)?;
            StreamBuilder::new(params, Arc::clone(&hash), &area)?
        }
    };
    // Threads come with each batch, and go with it.
    let builder = match run.own_threads() {
        Some(threads) => builder.threads(threads),
        None => builder,
    };
    if params.fec_roots() != 0 {
        // Whether there can be parity does not depend on how much data there is.
        let least = params.builder()?.data_blocks(2).build()?;
        let area = HashArea::new(&least, offset, has_superblock)?;
        FecArea::behind_hash_area(&least, &area, params.fec_roots())?;
    }
    if has_superblock {
        Superblock::erase(&*hash, offset)?;
    }
    Ok(verity_stream {
        hash,
        opener: Mutex::new(opener),
        run,
        wanted,
        builder: Mutex::new(Some(builder)),
        dead: AtomicBool::new(false),
    })
}

impl verity_stream {
    /// Pushes bytes, in parts between which it can be stopped.
    fn push(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let builder = builder.as_mut().ok_or_else(ended)?;
        if bytes.is_empty() {
            return Ok(());
        }
        for part in bytes.chunks(PART) {
            if self.run.is_cancelled() {
                return Err(Error::Cancelled.into());
            }
            let before = builder.received();
            {
                let _blocked = Blocked::all();
                builder.push(part)?;
            }
            // Told where a whole part was passed, so not for every few bytes.
            if before / TOLD != builder.received() / TOLD {
                let watch = Watch::at(&self.run, before);
                let pushed = builder.received() - before;
                if let ControlFlow::Break(()) = watch.advance(pushed) {
                    return Err(Error::Cancelled.into());
                }
            }
        }
        Ok(())
    }

    /// Ends the data and makes the hash area whole, after the parity of what was kept.
    fn finish(&self, kept: Option<&Kept>) -> Result<BuiltImage, Failure> {
        if kept.is_some() != (self.wanted.fec_roots() != 0) {
            let words = "params: verity_stream_finish_fec is for parity, and nothing else is";
            return Err(Failure::argument(words));
        }
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let builder = builder.take().ok_or_else(ended)?;
        if self.run.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        let streamed = {
            let _blocked = Blocked::all();
            builder.finish()?
        };
        let mut plan = streamed.plan()?.with_uuid(self.wanted.uuid());
        if let Some(kept) = kept {
            plan = plan.with_fec_area(self.fec_area(&streamed, kept)?)?;
            self.build_fec(&streamed, &plan, kept)?;
        }
        Ok(ImageBuilder::new(&plan).finish(&streamed, &*self.hash)?)
    }

    /// Where the parity is to lie: on a device of its own, or behind the hash area.
    fn fec_area(&self, streamed: &Streamed, kept: &Kept) -> Result<FecArea, Failure> {
        let Streamed { params, hash_area, .. } = streamed;
        let (roots, wanted) = (self.wanted.fec_roots(), &self.wanted);
        if kept.fec.is_none() {
            return Ok(FecArea::behind_hash_area(params, hash_area, roots)?);
        }
        let all = params.data_blocks().saturating_add(hash_area.hash_blocks());
        let blocks = if wanted.fec_blocks() == 0 { all } else { wanted.fec_blocks() };
        Ok(FecArea::new(params, hash_area, roots, blocks, wanted.fec_offset())?)
    }

    /// Makes the parity, and waits until the storage has it.
    fn build_fec(&self, streamed: &Streamed, plan: &Plan, kept: &Kept) -> Result<(), Failure> {
        let hash: &Device = &self.hash;
        let fec = kept.fec.as_ref().unwrap_or(hash);
        let layout = Layout::from(plan);
        check_places(&layout, [&kept.data, hash], Some(fec))?;
        let Some(area) = &layout.fec_area else { return Ok(()) };
        let size = layout.params.data_size();
        let watch = Watch::new(&self.run, size);
        let build = |threads| {
            let builder = watched(Builder::new(&streamed.params), &watch, threads);
            streamed.build_fec(&builder, &kept.data, hash, fec, area)
        };
        self.run.on_threads(size, build)??;
        fec.sync().map_err(|source| Error::Sync { source })?;
        watch.finish();
        Ok(())
    }
}

/// What parity is made of and where it goes, if not behind the hash area.
struct Kept {
    data: Device,
    fec: Option<Device>,
}

fn ended() -> Failure {
    Failure::argument("stream: it has ended")
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_stream_write(
    stream: *mut verity_stream,
    pushed: *const c_void,
    count: usize,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (stream, pushed) = unsafe { (get(stream, "stream")?, bytes(pushed, count, "bytes")?) };
        stream.push(pushed)
    };
    // SAFETY: NULL, or what the header asks for.
    unsafe { guarded_on(|| Ok(&get(stream, "stream")?.dead), err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_stream_finish(
    stream: *mut verity_stream,
    params: *mut verity_params,
    root: *mut verity_digest,
    err: *mut *mut verity_error,
) -> c_int {
    // SAFETY: this function has the same rules.
    unsafe { end(stream, |_| Ok(None), params, root, err) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_stream_finish_fec(
    stream: *mut verity_stream,
    data: *const verity_device,
    fec: *const verity_device,
    params: *mut verity_params,
    root: *mut verity_digest,
    err: *mut *mut verity_error,
) -> c_int {
    let kept = |opener: &mut Opener| {
        // SAFETY: NULL, or what the header asks for.
        let (data, fec) = unsafe {
            (
                opener.open(data, "data", Use::Read)?,
                opener.open_optional(fec, "fec", Use::ReadAndWrite)?,
            )
        };
        Ok(Some(Kept { data, fec }))
    };
    // SAFETY: this function has the same rules.
    unsafe { end(stream, kept, params, root, err) }
}

/// Ends a stream, and tells of it.
///
/// # Safety
/// The pointers are NULL, or what the header asks for.
unsafe fn end(
    stream: *mut verity_stream,
    kept: impl FnOnce(&mut Opener) -> Result<Option<Kept>, Failure>,
    params: *mut verity_params,
    root: *mut verity_digest,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(root, "root")?;
        if !params.is_null() {
            // SAFETY: what the header asks for.
            unsafe { verity_params::read(params) }?;
        }
        // SAFETY: NULL, or a stream that is not freed yet.
        let stream = unsafe { get(stream, "stream") }?;
        let kept = kept(&mut stream.opener.lock().unwrap_or_else(PoisonError::into_inner))?;
        let built = stream.finish(kept.as_ref())?;
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            if !params.is_null() {
                verity_params::from(&Layout::from(built.plan())).write(params)?;
            }
            put(root, built.root_hash().into(), "root")
        }
    };
    // SAFETY: NULL, or what the header asks for.
    unsafe { guarded_on(|| Ok(&get(stream, "stream")?.dead), err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_stream_free(stream: *mut verity_stream) {
    // SAFETY: NULL, or a stream that is not freed yet.
    quietly(|| drop(unsafe { take(stream) }));
}

/// What is pushed between two looks at the switch, in bytes.
const PART: usize = 16 * 1024 * 1024;

/// What is pushed between two reports, in bytes.
const TOLD: u64 = 16 * 1024 * 1024;
