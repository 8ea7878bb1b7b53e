//! What kernels for 64-bit ARM ask of a CPU.

use std::arch::is_aarch64_feature_detected;

use super::token::token;

token! {
    /// The proof that this CPU has NEON.
    pub Neon = is_aarch64_feature_detected: "neon"
}

token! {
    /// The proof that this CPU has the SHA-2 extension.
    pub Sha2 = is_aarch64_feature_detected: "neon" "sha2"
}

token! {
    /// The proof that this CPU has the SHA-512 instructions. They come together with those for
    /// SHA-3, after which the feature is named.
    pub(crate) Sha512 = is_aarch64_feature_detected: "neon" "sha3"
}
