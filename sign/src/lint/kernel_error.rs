//! The errors with which the kernel refuses a signature or a certificate.

use std::fmt;

/// The error with which the kernel refuses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KernelError {
    /// The message is malformed.
    Badmsg,
    /// The message is of a kind that is not expected.
    Inval,
    /// A signature does not hold, or something in it is forbidden.
    Keyrejected,
    /// No key for it is in the keyring.
    Nokey,
    /// An algorithm is not known.
    Nopkg,
}

impl KernelError {
    /// The name, as in `errno.h`.
    pub fn name(self) -> &'static str {
        match self {
            KernelError::Badmsg => "EBADMSG",
            KernelError::Inval => "EINVAL",
            KernelError::Keyrejected => "EKEYREJECTED",
            KernelError::Nokey => "ENOKEY",
            KernelError::Nopkg => "ENOPKG",
        }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
