//! What kernels for 64-bit ARM ask of a CPU.

use std::arch::is_aarch64_feature_detected;

use super::token::token;

token! {
    /// The proof that this CPU has NEON.
    Neon = is_aarch64_feature_detected: "neon"
}

token! {
    /// The proof that this CPU has the SHA-2 extension.
    Sha2 = is_aarch64_feature_detected: "neon" "sha2"
}
