//! What passes between a program and the kernel, as bytes and text: nothing here makes a system
//! call, and nothing an answer may hold makes it panic.
//!
//! ```text
//!  header    struct dm_ioctl: requests out, answers in
//!  target    target records: a table to load, tables and status texts as answered
//!  list      lists of devices and of target versions
//!  line      a verity table as the kernel shows it, and its status text
//!  name      names and UUIDs, with libdevmapper's \xNN
//!  number    major and minor numbers
//!  loops     struct loop_info64 and struct loop_config
//!  log       records of /dev/kmsg
//!  bytes     fields at their offsets, in the machine's byte order
//! ```
//!
//! Sources: `include/uapi/linux/dm-ioctl.h`, `include/uapi/linux/loop.h`,
//! `Documentation/ABI/testing/dev-kmsg` and `Documentation/admin-guide/device-mapper/verity.rst`
//! of Linux.

mod bytes;
mod header;
mod line;
mod list;
mod log;
mod loops;
mod name;
mod number;
mod target;

pub use self::bytes::RecordError;
pub use self::header::{Answer, Command, Flags, HEADER_SIZE, Request};
pub use self::line::{Health, VerityLine, VerityLineOptions};
pub use self::list::{ListedDevice, TargetVersion, parse_devices, parse_versions};
pub use self::log::LogRecord;
pub use self::loops::{LOOP_AUTOCLEAR, LOOP_READ_ONLY, LoopInfo, loop_config};
pub use self::name::{DeviceUuid, MAX_NAME, MAX_UUID, MapperName, NameError};
pub use self::number::DeviceNumber;
pub use self::target::{TargetRecord, encode_target, parse_targets};
