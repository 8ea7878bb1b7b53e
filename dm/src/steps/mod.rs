//! The order of steps in which devices are opened and closed, and what is undone when one fails.
//!
//! ```text
//!  open      lock -> name free? -> files and devices below -> key -> create -> load -> resume
//!            -> udev or a node of our own -> status
//!  close     what is it? -> who uses it? -> remove, again while it is open -> udev or node
//!  plan      what is to be opened, and its table
//!  below     files and devices below, and loop devices for the files
//!  compare   is the device that exists the one that is wanted?
//!  remove    the removal, with udev's part of it
//!  refusal   from errno and the kernel's log to a reason
//! ```

mod below;
mod close;
mod compare;
mod open;
mod plan;
mod refusal;
mod remove;

pub use self::close::{Close, Closed, cancel_deferred};
pub use self::compare::{Difference, Existing};
pub use self::open::{Note, Open, Opened, make_node};
