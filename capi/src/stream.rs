//! Building from data that is pushed.

use std::ffi::{c_int, c_void};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use verity::{Error, HashArea, Progress, StreamBuilder, Streamed};

use crate::build::finish;
use crate::device::{Device, Opener, Use, verity_device};
use crate::failure::{Code, Failure, verity_error};
use crate::guard::{guarded, guarded_on, quietly};
use crate::library::verity_digest;
use crate::params::{Layout, verity_params};
use crate::pointers::{bytes, check, get, hand_out, put, take};
use crate::run::{Run, Watch, verity_run};
use crate::signals::Blocked;

/// A build from data that is pushed.
pub(crate) struct verity_stream {
    hash: Arc<Device>,
    run: Run,
    uuid: verity::Uuid,
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
        let used = if params.data_blocks() == 0 { Use::ReadAndWrite } else { Use::Write };
        // SAFETY: as above.
        let hash = unsafe { Opener::default().open(hash, "hash", used) }?;
        let stream = start(&params, Arc::new(hash), run)?;
        // SAFETY: NULL, or room for a handle.
        unsafe { hand_out(out, stream, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn start(params: &verity_params, hash: Arc<Device>, run: Run) -> Result<verity_stream, Failure> {
    if params.fec_roots() != 0 {
        let words = "parity takes the data again: build it from where it was kept";
        return Err(Failure::new(Code::Unsupported, words));
    }
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
    Ok(verity_stream {
        hash,
        run,
        uuid: params.uuid(),
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

    fn finish(&self) -> Result<(Layout, Streamed), Failure> {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let builder = builder.take().ok_or_else(ended)?;
        if self.run.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        let streamed = {
            let _blocked = Blocked::all();
            builder.finish()?
        };
        let layout = Layout {
            params: streamed.params.clone(),
            hash_area: streamed.hash_area,
            fec_area: None,
            uuid: self.uuid,
            from_superblock: false,
        };
        finish(&layout, &self.hash, None)?;
        Ok((layout, streamed))
    }
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
    let work = || {
        check(root, "root")?;
        if !params.is_null() {
            // SAFETY: what the header asks for.
            unsafe { verity_params::read(params) }?;
        }
        // SAFETY: NULL, or what the header asks for.
        let (layout, streamed) = unsafe { get(stream, "stream") }?.finish()?;
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            if !params.is_null() {
                verity_params::from(&layout).write(params)?;
            }
            put(root, streamed.root_hash.into(), "root")
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
