//! Who an `https` server may be: rustls with ring, and the authorities that a caller trusts.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The certificates of authorities; none unless said.
#[derive(Clone, Debug, Default)]
pub(super) struct Authorities(Arc<Vec<Certificate<'static>>>);

impl Authorities {
    pub(super) fn new<C: AsRef<[u8]>>(certificates: impl IntoIterator<Item = C>) -> Authorities {
        let owned = |der: C| Certificate::from_der(der.as_ref()).to_owned();
        Authorities(Arc::new(certificates.into_iter().map(owned).collect()))
    }

    /// How connections are made. The provider of cryptography is named, as rustls panics where a
    /// program has several of them and chooses none.
    pub(super) fn config(&self) -> TlsConfig {
        TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::clone(&self.0)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build()
    }
}
