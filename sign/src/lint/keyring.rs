//! Where dm-verity looks for keys, and the certificates that were put there.

use std::io::Read;

use crate::certificate::{check_no_key, input};
use crate::error::{CertificateError, Error};

/// A certificate as it was given to the kernel, whether the kernel has taken it in or not. Unlike a
/// [`Certificate`](crate::Certificate) it cannot verify anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnrolledCertificate {
    der: Vec<u8>,
}

impl EnrolledCertificate {
    /// Reads a certificate file to its end (at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES)).
    ///
    /// # Errors
    ///
    /// As [`EnrolledCertificate::parse`], and when reading fails.
    pub fn read(reader: impl Read) -> Result<EnrolledCertificate, Error> {
        let file = input::read_bounded(reader).map_err(CertificateError::Input)?;
        EnrolledCertificate::parse(&file)
    }

    /// Takes the one certificate out of a file, PEM or DER. Only the kernel looks at what is in it.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when the file is empty, too large, or holds anything but one object,
    /// or a private key.
    pub fn parse(file: &[u8]) -> Result<EnrolledCertificate, Error> {
        let object = input::certificate_object(file).map_err(CertificateError::Input)?;
        // What is kept here is not wiped.
        check_no_key(&object.der)?;
        Ok(EnrolledCertificate::from_der(object.der.to_vec()))
    }

    /// Any bytes that were given to the kernel as a certificate.
    pub fn from_der(der: Vec<u8>) -> EnrolledCertificate {
        EnrolledCertificate { der }
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }
}

/// A keyring in which dm-verity looks for keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Keyring {
    /// The name of the keyring.
    pub name: &'static str,
    /// The first release in which dm-verity looks there.
    pub since: &'static str,
    /// What must be configured.
    pub condition: &'static str,
}

/// The keyrings in the order in which dm-verity looks. A key in any of them will do.
pub const KEYRINGS: &[Keyring] = &[
    Keyring {
        name: ".builtin_trusted_keys",
        since: "5.4",
        condition: "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG",
    },
    Keyring {
        name: ".secondary_trusted_keys",
        since: "5.11",
        condition: "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG_SECONDARY_KEYRING",
    },
    Keyring {
        name: ".platform",
        since: "6.12",
        condition: "CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG_PLATFORM_KEYRING",
    },
    Keyring {
        name: ".dm-verity",
        since: "7.0",
        condition: "dm_verity.keyring_unsealed=1, sealed once it is filled",
    },
];
