//! Reading proved bytes.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use verity::io::ReadAt;
use verity::{FecRepair, VerifiedReader};

use crate::device::{Device, Opener, Use, verity_device};
use crate::failure::{Failure, verity_error};
use crate::flags::{self, CHECK_AT_MOST_ONCE, IGNORE_ZERO_BLOCKS};
use crate::guard::{guarded, guarded_on, quietly};
use crate::pointers::{buffer, check, get, hand_out, put, take};
use crate::trust::verity_trusted;

/// A reader of a host.
pub(crate) struct verity_reader {
    reader: VerifiedReader<Arc<Device>, Arc<Device>>,
    dead: AtomicBool,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct verity_counters {
    data_blocks_read: u64,
    hash_blocks_read: u64,
    cache_hits: u64,
    corruptions: u64,
    read_errors: u64,
    repairs: u64,
    reserved: [u64; 4],
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_reader_open(
    trusted: *const verity_trusted,
    data: *const verity_device,
    hash: *const verity_device,
    fec: *const verity_device,
    cache_bytes: u64,
    flags: u32,
    out: *mut *mut verity_reader,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        let mut opener = Opener::default();
        // SAFETY: NULL, or what the header asks for.
        let (trusted, data, hash, fec) = unsafe {
            (
                get(trusted, "trusted")?,
                opener.open(data, "data", Use::Read)?,
                opener.open(hash, "hash", Use::Read)?,
                opener.open_optional(fec, "fec", Use::Read)?,
            )
        };
        flags::check(flags, IGNORE_ZERO_BLOCKS | CHECK_AT_MOST_ONCE)?;
        let (data, hash) = (Arc::new(data), Arc::new(hash));
        let reader = open(trusted, (data, hash), fec, cache_bytes, flags)?;
        let reader = verity_reader { reader, dead: AtomicBool::new(false) };
        // SAFETY: NULL, or room for a handle.
        unsafe { hand_out(out, reader, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

fn open(
    trusted: &verity_trusted,
    (data, hash): (Arc<Device>, Arc<Device>),
    fec: Option<Device>,
    cache_bytes: u64,
    flags: u32,
) -> Result<VerifiedReader<Arc<Device>, Arc<Device>>, Failure> {
    let params = &trusted.trusted;
    let mut reader = VerifiedReader::new(params.clone(), Arc::clone(&data), Arc::clone(&hash))?
        .ignore_zero_blocks(flags & IGNORE_ZERO_BLOCKS != 0)
        .check_at_most_once(flags & CHECK_AT_MOST_ONCE != 0);
    if cache_bytes != 0 {
        reader = reader.cache_size(cache_bytes);
    }
    if let Some(fec) = fec {
        let area = trusted.fec_area()?;
        let repair = FecRepair::new(params.clone(), area, data, hash, fec)?;
        reader = reader.repair(Arc::new(repair));
    }
    Ok(reader)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_reader_read(
    reader: *const verity_reader,
    buf: *mut c_void,
    count: usize,
    offset: u64,
    got: *mut usize,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(got, "got")?;
        // SAFETY: NULL, or what the header asks for.
        let (reader, buf) = unsafe {
            put(got, 0, "got")?;
            (get(reader, "reader")?, buffer(buf, count, "buf")?)
        };
        let (read, failure) = match reader.reader.read_at(buf, offset) {
            Ok(read) => (read, None),
            Err(error) => (error.verified, Some(Failure::from(error.error))),
        };
        // SAFETY: as above.
        unsafe { put(got, read, "got") }?;
        failure.map_or(Ok(()), Err)
    };
    // SAFETY: NULL, or what the header asks for.
    unsafe { guarded_on(|| Ok(&get(reader, "reader")?.dead), err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_reader_size(reader: *const verity_reader) -> u64 {
    let mut size = 0;
    quietly(|| {
        // SAFETY: NULL, or a reader that is not closed.
        if let Ok(reader) = unsafe { get(reader, "reader") } {
            size = ReadAt::len(&reader.reader).unwrap_or(0);
        }
    });
    size
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_reader_counters(
    reader: *const verity_reader,
    counters: *mut verity_counters,
) {
    quietly(|| {
        // SAFETY: NULL, or a reader that is not closed.
        let reader = unsafe { get(reader, "reader") };
        let told = reader.map_or_else(
            |_| verity_counters::default(),
            |reader| {
                let counters = reader.reader.counters();
                verity_counters {
                    data_blocks_read: counters.data_blocks_read,
                    hash_blocks_read: counters.hash_blocks_read,
                    cache_hits: counters.cache_hits,
                    corruptions: counters.corruptions,
                    read_errors: counters.read_errors,
                    repairs: counters.repairs,
                    reserved: [0; 4],
                }
            },
        );
        // SAFETY: NULL, or room for counters.
        let _ = unsafe { put(counters, told, "counters") };
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_reader_close(reader: *mut verity_reader) {
    // SAFETY: NULL, or a reader that is not closed yet.
    quietly(|| drop(unsafe { take(reader) }));
}
