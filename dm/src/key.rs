//! The signature of a root hash in the keyring of a thread, where the kernel looks for it while
//! this thread loads the table.

use std::io;
use std::marker::PhantomData;

use linux_keyutils::{Key, KeyError as System, KeyRing, KeyRingIdentifier};

use crate::error::KeyError;

/// A key in the keyring of this thread; it is unlinked with the value, which cannot leave the
/// thread.
#[derive(Debug)]
pub(crate) struct ThreadKey {
    ring: KeyRing,
    key: Key,
    _stays_in_its_thread: PhantomData<*const ()>,
}

impl ThreadKey {
    /// Checks that the kernel could take the signature as the content of a key.
    pub(crate) fn check(signature: &[u8]) -> Result<(), KeyError> {
        match signature.len() {
            0 => Err(KeyError::Empty),
            len if len > KeyError::MAX_PAYLOAD => Err(KeyError::TooLong { len }),
            _ => Ok(()),
        }
    }

    /// Adds the signature as a key of this description.
    pub(crate) fn add(description: &str, signature: &[u8]) -> Result<ThreadKey, KeyError> {
        Self::check(signature)?;
        let ring = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).map_err(of_system)?;
        let key = ring.add_key(description, signature).map_err(of_system)?;
        Ok(ThreadKey { ring, key, _stays_in_its_thread: PhantomData })
    }
}

impl Drop for ThreadKey {
    fn drop(&mut self) {
        // If it fails, the key is gone with the thread.
        let _ = self.ring.unlink_key(self.key);
    }
}

fn of_system(error: System) -> KeyError {
    let errno = match error {
        System::AccessDenied | System::PermissionDenied => libc::EACCES,
        System::QuotaExceeded => libc::EDQUOT,
        System::InvalidArguments | System::InvalidDescription => libc::EINVAL,
        System::OutOfMemory => libc::ENOMEM,
        System::OperationNotSupported => libc::EOPNOTSUPP,
        System::Unknown(errno) => errno,
        other => return KeyError::System(io::Error::other(other.to_string())),
    };
    match errno {
        libc::ENOSYS => KeyError::NoKeyring,
        _ => KeyError::System(io::Error::from_raw_os_error(errno)),
    }
}
