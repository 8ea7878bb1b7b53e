//! Keys on tokens: why one cannot be used.

/// Why a key on a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// The key asks for the PIN again at each signature.
    #[error(
        "the key on the token asks for its PIN at every signature, which is not supported: use a \
         signer command"
    )]
    AlwaysAuthenticate,
    /// The module cannot be loaded.
    #[error("the PKCS#11 module cannot be loaded: {reason}")]
    Module {
        /// What went wrong.
        reason: String,
    },
    /// No key is meant, or more than one.
    #[error("{actual} private keys on the token are meant where one is expected (object=, id=)")]
    NotOneKey {
        /// How many are meant.
        actual: usize,
    },
    /// No token is meant, or more than one.
    #[error("{actual} tokens are meant where one is expected (the module knows: {seen})")]
    NotOneToken {
        /// How many are meant.
        actual: usize,
        /// The labels of all tokens.
        seen: String,
    },
    /// The token says something else.
    #[error("the token: {reason}")]
    Operation {
        /// What it says.
        reason: String,
    },
    /// The PIN is wrong.
    #[error("the token refuses the PIN")]
    Pin,
    /// The token takes no more PINs.
    #[error(
        "the token's PIN is locked after too many wrong ones: unlock or reset it with the token's \
         own tools"
    )]
    PinLocked,
    /// The key is of a kind that is not supported.
    #[error(
        "unsupported key on the token ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384, \
         P-521 are supported"
    )]
    UnsupportedKey {
        /// What it is.
        actual: String,
    },
}
