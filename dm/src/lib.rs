//! Open, close and watch dm-verity devices of a running Linux: device-mapper without libdevmapper,
//! udev's cookies, loop devices and the keyring of the thread, as everyone's tools expect them.
//! `dmsetup`, udev and `veritysetup status` see our devices, and we see theirs.
//!
//! ```text
//!  Open ──> Below (block devices; loop devices for files) ──> Table over their numbers
//!             │                                                  │ signature: a key of the thread
//!             v                                                  v
//!           create ──> load ──> resume ──> udev, or a node of our own ──> Opened
//!             └───────────┴────────┴── anything fails: removed again, nothing is left
//!
//!  DeviceMapper::status, ::list ──> Status ──> is it what is wanted? Open::existing
//!  Close ──> removed, or scheduled for when it is closed last; cancel_deferred
//! ```
//!
//! [`DeviceMapper`] is the connection to the kernel. [`Open`] says what is to be opened, [`Close`]
//! what closed; both take a [`Run`], by which the caller ends waits and follows the steps. Every
//! [`Error`] has a [`Reason`] in one word, and what the kernel refuses comes with the kernel's own
//! line from its log. The bytes that pass to and fro are in [`record`].
//!
//! Needs root. The library reads no image: what should be verified before a kernel sees it is for
//! `dm-verity` and `dm-verity-sign`.
//!
//! The public interface is what this page lists, and the module [`record`].

#![cfg(target_os = "linux")]

mod device;
mod error;
#[expect(unsafe_code, reason = "system calls that no safe interface has, argued one by one")]
mod ioctl;
mod key;
mod kmsg;
mod loops;
mod node;
mod place;
pub mod record;
mod run;
mod steps;
mod users;

pub use self::device::{Backing, DeviceMapper, LoopFile, State, Status, VerityStatus};
pub use self::error::{
    BackingError, Error, ExistingState, KeyError, LoopError, Reason, Refusal, Role,
};
pub use self::node::Udev;
pub use self::place::Place;
pub use self::record::{DeviceNumber, Health, MapperName, NameError};
pub use self::run::{Run, Step};
pub use self::steps::{
    Close, Closed, Difference, Existing, Note, Open, Opened, cancel_deferred, make_node,
};
pub use self::users::{Process, Users};
