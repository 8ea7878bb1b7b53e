//! Storage that a host hands over: descriptors and callbacks.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FileType, fstat};
use rustix::io::fcntl_dupfd_cloexec;
use verity::Sharing;
use verity::io::{Extent, Mapping, ReadAt, WriteAt};

use crate::failure::Failure;
use crate::pointers::sized;

type ReadCall = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, u64) -> isize;
type WriteCall = unsafe extern "C" fn(*mut c_void, *const c_void, usize, u64) -> isize;
type ExtentCall = unsafe extern "C" fn(*mut c_void, u64, *mut u64) -> c_int;
type FlushCall = unsafe extern "C" fn(*mut c_void) -> c_int;

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct verity_device {
    size: u32,
    fd: c_int,
    length: u64,
    user: *mut c_void,
    one_at_a_time: u32,
    reserved0: u32,
    read: Option<ReadCall>,
    write: Option<WriteCall>,
    next_extent: Option<ExtentCall>,
    flush: Option<FlushCall>,
    reserved: [*mut c_void; 4],
}

/// What a device is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
    ReadAndWrite,
}

/// The devices of one call.
#[derive(Default)]
pub(crate) struct Opener {
    /// Of those whose callbacks come one at a time, by what the host tells them apart.
    turns: Vec<(*mut c_void, Arc<Mutex<()>>)>,
}

impl Opener {
    /// Opens a device.
    ///
    /// # Safety
    /// The pointer is NULL, or points to a device whose callbacks and `user` may be used as the
    /// header says, as long as the result lives.
    pub(crate) unsafe fn open(
        &mut self,
        device: *const verity_device,
        name: &'static str,
        used: Use,
    ) -> Result<Device, Failure> {
        // SAFETY: as above; the struct is made of integers, pointers and functions.
        let device = unsafe { sized(device, name) }?;
        let reserved = device.reserved.iter().any(|pointer| !pointer.is_null());
        if reserved || device.reserved0 != 0 {
            return Err(Failure::argument(format!("{name}: reserved members are not 0")));
        }
        if device.fd >= 0 {
            return open_descriptor(device.fd, name);
        }
        let is_missing = match used {
            Use::Read => device.read.is_none(),
            Use::Write => device.write.is_none(),
            Use::ReadAndWrite => device.read.is_none() || device.write.is_none(),
        };
        if device.fd != -1 || is_missing {
            let words = format!("{name}: neither a descriptor nor the callbacks that it takes");
            return Err(Failure::argument(words));
        }
        let turn = (device.one_at_a_time != 0).then(|| self.turn(device.user));
        Ok(Device::Callbacks(Callbacks { device, turn }))
    }

    /// Opens a device that may be missing.
    ///
    /// # Safety
    /// As [`Opener::open`].
    pub(crate) unsafe fn open_optional(
        &mut self,
        device: *const verity_device,
        name: &'static str,
        used: Use,
    ) -> Result<Option<Device>, Failure> {
        if device.is_null() {
            return Ok(None);
        }
        // SAFETY: as above.
        unsafe { self.open(device, name, used) }.map(Some)
    }

    fn turn(&mut self, user: *mut c_void) -> Arc<Mutex<()>> {
        if let Some((_, turn)) = self.turns.iter().find(|(other, _)| *other == user) {
            return turn.clone();
        }
        let turn = Arc::default();
        self.turns.push((user, Arc::clone(&turn)));
        turn
    }
}

fn open_descriptor(fd: c_int, name: &'static str) -> Result<Device, Failure> {
    // SAFETY: it is not -1, and is used for this call only, which fails if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let own = fcntl_dupfd_cloexec(borrowed, 0)
        .map_err(|error| Failure::io(&format!("{name}: descriptor {fd}"), &error.into()))?;
    Ok(Device::File(File::from(own)))
}

/// A device of a host.
pub(crate) enum Device {
    File(File),
    Callbacks(Callbacks),
}

pub(crate) struct Callbacks {
    device: verity_device,
    turn: Option<Arc<Mutex<()>>>,
}

// SAFETY: the header says that callbacks come from several threads at once, or one at a time where
// the host wants that, for which there is the lock.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    /// Calls one of them, alone where the host wants that.
    fn call<T>(&self, call: impl FnOnce(&verity_device) -> T) -> T {
        let turn = self.turn.as_ref();
        let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        call(&self.device)
    }
}

/// What a callback says that it has moved.
fn moved(answer: isize) -> io::Result<usize> {
    match usize::try_from(answer) {
        Ok(count) => Ok(count),
        Err(_) => Err(os_error(i32::try_from(answer).unwrap_or(i32::MIN))),
    }
}

/// The error of a negative answer.
fn os_error(answer: i32) -> io::Error {
    match answer.checked_neg() {
        // A callback that is interrupted for ever would be called for ever.
        Some(libc::EINTR) => ErrorKind::Other.into(),
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => ErrorKind::Other.into(),
    }
}

impl ReadAt for Device {
    fn len(&self) -> io::Result<u64> {
        match self {
            Device::File(file) => ReadAt::len(file),
            Device::Callbacks(callbacks) => Ok(callbacks.device.length),
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let callbacks = match self {
            Device::File(file) => return ReadAt::read_at(file, buf, offset),
            Device::Callbacks(callbacks) => callbacks,
        };
        let Some(read) = callbacks.device.read else { return Err(ErrorKind::Unsupported.into()) };
        let answer = callbacks.call(|device| {
            // SAFETY: the header says how it is called; there is room for so many bytes.
            unsafe { read(device.user, buf.as_mut_ptr().cast(), buf.len(), offset) }
        });
        match moved(answer)? {
            count if count > buf.len() => Err(ErrorKind::InvalidData.into()),
            count => Ok(count),
        }
    }

    fn extent_at(&self, offset: u64) -> Extent {
        let callbacks = match self {
            Device::File(file) => return file.extent_at(offset),
            Device::Callbacks(callbacks) => callbacks,
        };
        let Some(next_extent) = callbacks.device.next_extent else { return Extent::ALL_DATA };
        let mut end = 0;
        let answer = callbacks.call(|device| {
            // SAFETY: the header says how it is called; there is room for the end.
            unsafe { next_extent(device.user, offset, &raw mut end) }
        });
        match answer {
            1 => Extent::Hole { end },
            0 => Extent::Data { end },
            _ => Extent::ALL_DATA,
        }
    }

    fn expect_sequential(&self) {
        if let Device::File(file) = self {
            file.expect_sequential();
        }
    }

    fn mapping(&self) -> Option<Mapping> {
        match self {
            Device::File(file) => file.mapping(),
            Device::Callbacks(_) => None,
        }
    }
}

impl WriteAt for Device {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let callbacks = match self {
            Device::File(file) => return WriteAt::write_at(file, buf, offset),
            Device::Callbacks(callbacks) => callbacks,
        };
        let Some(write) = callbacks.device.write else {
            return Err(ErrorKind::Unsupported.into());
        };
        let answer = callbacks.call(|device| {
            // SAFETY: the header says how it is called; there are so many bytes.
            unsafe { write(device.user, buf.as_ptr().cast(), buf.len(), offset) }
        });
        moved(answer)
    }

    /// Whether callbacks have room, they say when they are written to.
    fn resize(&self, len: u64) -> io::Result<()> {
        match self {
            Device::File(file) => WriteAt::resize(file, len),
            Device::Callbacks(_) => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let callbacks = match self {
            Device::File(file) => return WriteAt::sync(file),
            Device::Callbacks(callbacks) => callbacks,
        };
        let Some(flush) = callbacks.device.flush else { return Ok(()) };
        let answer = callbacks.call(|device| {
            // SAFETY: the header says how it is called.
            unsafe { flush(device.user) }
        });
        if answer < 0 { Err(os_error(answer)) } else { Ok(()) }
    }
}

/// Whether two devices are one, as far as that can be known.
pub(crate) fn sharing(one: &Device, other: &Device) -> Sharing {
    let is_same = match (one, other) {
        (Device::File(one), Device::File(other)) => {
            let (one, other) = (identity(one), identity(other));
            one.is_some() && one == other
        }
        (Device::Callbacks(one), Device::Callbacks(other)) => {
            !one.device.user.is_null() && one.device.user == other.device.user
        }
        _ => false,
    };
    if is_same { Sharing::Same } else { Sharing::Nothing }
}

/// What tells a file or block device from all others.
fn identity(file: &File) -> Option<(bool, u64, u64)> {
    let stat = fstat(file).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => Some((true, stat.st_rdev, 0)),
        FileType::RegularFile => Some((false, stat.st_dev, stat.st_ino)),
        _ => None,
    }
}
