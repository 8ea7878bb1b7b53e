//! System calls that no safe interface has: the ioctls of device-mapper and loop devices, and
//! System V semaphores. The only unsafe code of this crate, and nothing but calls: what the bytes
//! mean is in `record`.
//!
//! Two shapes of ioctl are enough. [`Buffer`] hands the kernel a buffer that it may fill again;
//! [`Value`] hands it a number.

use std::ffi::{c_int, c_ulong, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use rustix::ioctl::opcode::from_components;
use rustix::ioctl::{Direction, Ioctl, IoctlOutput, Opcode, ioctl};

use crate::record::{Command, HEADER_SIZE, LoopInfo};

const DEVICE_MAPPER: u8 = 0xfd;

const LOOP_SET_FD: Opcode = 0x4c00;
const LOOP_CLR_FD: Opcode = 0x4c01;
const LOOP_SET_STATUS64: Opcode = 0x4c04;
const LOOP_GET_STATUS64: Opcode = 0x4c05;
const LOOP_SET_BLOCK_SIZE: Opcode = 0x4c09;
const LOOP_CONFIGURE: Opcode = 0x4c0a;
const LOOP_CTL_GET_FREE: Opcode = 0x4c82;

/// A call of device-mapper. The buffer holds the request, and then the answer.
///
/// # Errors
/// The system's error, or `InvalidInput` if the buffer does not hold a request of its own size.
pub(crate) fn device_mapper(
    control: impl AsFd,
    command: Command,
    buffer: &mut [u8],
) -> io::Result<()> {
    // The kernel takes the size of the buffer from the header.
    let stated = buffer.get(12..).and_then(|rest| rest.first_chunk().copied());
    let stated = stated.and_then(|size| usize::try_from(u32::from_ne_bytes(size)).ok());
    if buffer.len() < HEADER_SIZE || stated != Some(buffer.len()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // The size in the number is that of the header, whatever follows it.
    let opcode =
        from_components(Direction::ReadWrite, DEVICE_MAPPER, command.number(), HEADER_SIZE);
    // SAFETY: every call of device-mapper takes a pointer to `struct dm_ioctl` and reads and writes
    // at most as many bytes from there on as its field `data_size` says. That is the length of the
    // buffer, as was just checked, which is borrowed exclusively until the call is over. Any bytes
    // are right for `[u8]`.
    unsafe { ioctl(control, Buffer { opcode, bytes: buffer }) }?;
    Ok(())
}

/// The number of a loop device that is free, or was when the kernel answered.
///
/// # Errors
/// The system's error.
pub(crate) fn free_loop(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and touches no memory of ours.
    let number = unsafe { ioctl(control, Value { opcode: LOOP_CTL_GET_FREE, value: 0 }) }?;
    u32::try_from(number).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Attaches a file in one call (Linux 5.8); `config` is `struct loop_config`.
///
/// # Errors
/// The system's error.
pub(crate) fn configure_loop(device: impl AsFd, config: &mut [u8; 304]) -> io::Result<()> {
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which has 304 bytes, as the buffer.
    // A descriptor in it that is none of ours is an error for the kernel, not one of memory.
    unsafe { ioctl(device, Buffer { opcode: LOOP_CONFIGURE, bytes: config }) }?;
    Ok(())
}

/// Attaches a file, without parameters.
///
/// # Errors
/// The system's error.
pub(crate) fn set_loop_file(device: impl AsFd, file: impl AsFd) -> io::Result<()> {
    let value = usize::try_from(file.as_fd().as_raw_fd());
    let value = value.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: LOOP_SET_FD takes a descriptor as a number and touches no memory of ours.
    unsafe { ioctl(device, Value { opcode: LOOP_SET_FD, value }) }?;
    Ok(())
}

/// Detaches the file of a loop device.
///
/// # Errors
/// The system's error.
pub(crate) fn clear_loop(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument and touches no memory of ours.
    unsafe { ioctl(device, Value { opcode: LOOP_CLR_FD, value: 0 }) }?;
    Ok(())
}

/// Sets the sector size of an attached loop device, in bytes.
///
/// # Errors
/// The system's error.
pub(crate) fn set_loop_sector_size(device: impl AsFd, size: u32) -> io::Result<()> {
    let value = usize::try_from(size);
    let value = value.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: LOOP_SET_BLOCK_SIZE takes a size as a number and touches no memory of ours.
    unsafe { ioctl(device, Value { opcode: LOOP_SET_BLOCK_SIZE, value }) }?;
    Ok(())
}

/// Sets the parameters of an attached loop device.
///
/// # Errors
/// The system's error.
pub(crate) fn set_loop_info(device: impl AsFd, info: &mut [u8; LoopInfo::SIZE]) -> io::Result<()> {
    // SAFETY: LOOP_SET_STATUS64 reads one `struct loop_info64`, which has 232 bytes, as the buffer.
    unsafe { ioctl(device, Buffer { opcode: LOOP_SET_STATUS64, bytes: info }) }?;
    Ok(())
}

/// The parameters of a loop device.
///
/// # Errors
/// The system's error: `ENXIO` if nothing is attached.
pub(crate) fn loop_info(device: impl AsFd) -> io::Result<LoopInfo> {
    let mut bytes = [0; LoopInfo::SIZE];
    // SAFETY: LOOP_GET_STATUS64 writes one `struct loop_info64`, which has 232 bytes, as has the
    // buffer.
    unsafe { ioctl(device, Buffer { opcode: LOOP_GET_STATUS64, bytes: &mut bytes }) }?;
    Ok(LoopInfo::parse(&bytes))
}

/// An ioctl over a buffer that the kernel may read and write.
struct Buffer<'a> {
    opcode: Opcode,
    bytes: &'a mut [u8],
}

// SAFETY: `as_ptr` gives the address of bytes that are borrowed exclusively as long as the value
// lives, and `ioctl` takes the value. That the buffer is as large as the call wants is argued at
// each call. Nothing is made of the pointer afterwards. The ioctl is said to mutate.
unsafe impl Ioctl for Buffer<'_> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.bytes.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// An ioctl whose argument is a number.
struct Value {
    opcode: Opcode,
    value: usize,
}

// SAFETY: the argument is a number in the place of a pointer and belongs to no memory, so that the
// kernel, which takes it for a number in each call that is made so, touches none. The output is the
// number that the call returned.
unsafe impl Ioctl for Value {
    type Output = c_int;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::without_provenance_mut(self.value)
    }

    unsafe fn output_from_ptr(value: IoctlOutput, _: *mut c_void) -> rustix::io::Result<c_int> {
        Ok(value)
    }
}

/// A System V semaphore of our own, which is removed with the value.
#[derive(Debug)]
pub(crate) struct Semaphore(c_int);

/// The argument of `semctl`, which the caller declares (semctl(2)).
#[repr(C)]
#[derive(Clone, Copy)]
union SemaphoreArgument {
    value: c_int,
    /// The size of the union is that of its pointers.
    _pointer: c_ulong,
}

impl Semaphore {
    /// Makes a semaphore under the key, for root alone, and sets it to 1.
    ///
    /// # Errors
    /// The system's error: `EEXIST` if the key is taken.
    pub(crate) fn create(key: i32) -> io::Result<Semaphore> {
        let flags = 0o600 | libc::IPC_CREAT | libc::IPC_EXCL;
        // SAFETY: semget takes numbers only.
        let id = checked(unsafe { libc::semget(key, 1, flags) })?;
        let semaphore = Semaphore(id);
        let argument = SemaphoreArgument { value: 1 };
        // SAFETY: SETVAL takes the union by value and reads its number.
        checked(unsafe { libc::semctl(id, 0, libc::SETVAL, argument) })?;
        Ok(semaphore)
    }

    /// The value.
    ///
    /// # Errors
    /// The system's error: `EIDRM` or `EINVAL` if somebody removed the semaphore.
    pub(crate) fn value(&self) -> io::Result<i32> {
        // SAFETY: GETVAL takes numbers only; the fourth argument is not looked at.
        checked(unsafe { libc::semctl(self.0, 0, libc::GETVAL) })
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // If it fails, somebody else has removed it.
        // SAFETY: IPC_RMID takes numbers only; the fourth argument is not looked at.
        let _ = unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
    }
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
