//! Whom a caller trusts to sign: pinned certificates, or authorities that issue them.
//!
//! Pinning is the default, and the kernel's model: only the very certificate counts, and only its
//! key. With `Authorities` (feature `authorities`) the signer's certificate comes with the
//! signature and must lead to one of them, for code signing, at a given time. Either way trust
//! comes from the caller alone. A certificate that a message embeds is at best a link of a chain.

#[cfg(feature = "authorities")]
mod authorities;
#[cfg(feature = "authorities")]
mod chain;

#[cfg(feature = "authorities")]
pub use self::authorities::Authorities;
#[cfg(feature = "authorities")]
pub(crate) use self::chain::{Embedded, verify_chain};

use crate::certificate::Certificate;

/// Whom the caller trusts. Certificates and `Authorities` convert into it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Trust<'a> {
    /// The keys of these certificates. Dates and extensions do not decide.
    Pinned(&'a [Certificate]),
    /// Everybody who has a certificate for code signing from one of these.
    #[cfg(feature = "authorities")]
    Authorities(&'a Authorities),
}

impl<'a> From<&'a [Certificate]> for Trust<'a> {
    fn from(pinned: &'a [Certificate]) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

impl<'a, const N: usize> From<&'a [Certificate; N]> for Trust<'a> {
    fn from(pinned: &'a [Certificate; N]) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

impl<'a> From<&'a Vec<Certificate>> for Trust<'a> {
    fn from(pinned: &'a Vec<Certificate>) -> Trust<'a> {
        Trust::Pinned(pinned)
    }
}

#[cfg(feature = "authorities")]
impl<'a> From<&'a Authorities> for Trust<'a> {
    fn from(authorities: &'a Authorities) -> Trust<'a> {
        Trust::Authorities(authorities)
    }
}
