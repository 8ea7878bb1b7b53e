//! Whether udev makes the nodes.

use std::path::Path;
use std::time::Duration;

/// Where udev listens as long as it runs.
const CONTROL: &str = "/run/udev/control";
/// Set by whoever wants no device-mapper program to wait for udev.
const DISABLE: &str = "DM_DISABLE_UDEV";

/// Who makes and removes the nodes of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Udev {
    /// udev does, which is waited for, at most for this long. After that they are made or removed
    /// here.
    Wait(Duration),
    /// Nobody else does: they are made and removed here.
    Never,
}

impl Udev {
    /// How long udev is waited for unless another limit is set.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// Waits for udev at most for this long where it runs; where it does not, or where
    /// `DM_DISABLE_UDEV` is set, nobody waits.
    #[must_use]
    pub fn detect(limit: Duration) -> Udev {
        let is_disabled = std::env::var_os(DISABLE).is_some();
        if is_disabled || !Path::new(CONTROL).exists() { Udev::Never } else { Udev::Wait(limit) }
    }
}

/// By [`Udev::detect`], with [`Udev::LIMIT`].
impl Default for Udev {
    fn default() -> Udev {
        Udev::detect(Udev::LIMIT)
    }
}
