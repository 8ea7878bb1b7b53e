//! The names of the optional parameters, as the kernel spells them.

pub(super) const IGNORE_CORRUPTION: &str = "ignore_corruption";
pub(super) const RESTART_ON_CORRUPTION: &str = "restart_on_corruption";
pub(super) const PANIC_ON_CORRUPTION: &str = "panic_on_corruption";
pub(super) const RESTART_ON_ERROR: &str = "restart_on_error";
pub(super) const PANIC_ON_ERROR: &str = "panic_on_error";
pub(super) const IGNORE_ZERO_BLOCKS: &str = "ignore_zero_blocks";
pub(super) const CHECK_AT_MOST_ONCE: &str = "check_at_most_once";
pub(super) const TRY_VERIFY_IN_TASKLET: &str = "try_verify_in_tasklet";
pub(super) const FEC_DEVICE: &str = "use_fec_from_device";
pub(super) const FEC_START: &str = "fec_start";
pub(super) const FEC_BLOCKS: &str = "fec_blocks";
pub(super) const FEC_ROOTS: &str = "fec_roots";
pub(super) const KEY: &str = "root_hash_sig_key_desc";

/// All of them, in the order in which they are written.
pub(super) const OPTIONS: &[&str] = &[
    IGNORE_CORRUPTION,
    RESTART_ON_CORRUPTION,
    PANIC_ON_CORRUPTION,
    RESTART_ON_ERROR,
    PANIC_ON_ERROR,
    IGNORE_ZERO_BLOCKS,
    CHECK_AT_MOST_ONCE,
    TRY_VERIFY_IN_TASKLET,
    FEC_DEVICE,
    FEC_START,
    FEC_BLOCKS,
    FEC_ROOTS,
    KEY,
];
