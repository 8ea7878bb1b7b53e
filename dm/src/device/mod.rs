//! Device-mapper as the kernel answers: what devices there are and what is known of them. Nothing
//! here changes a device.

mod backing;
mod control;
mod known;
mod status;

pub use self::backing::{Backing, LoopFile};
pub use self::control::DeviceMapper;
pub(crate) use self::control::Lock;
pub(crate) use self::known::{DeviceId, Known};
pub use self::status::{State, Status, VerityStatus};
