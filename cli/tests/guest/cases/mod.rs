//! What is done in the machine.

mod refused;
mod seen;
mod signed;
mod together;

use crate::tools::Case;

/// Cases of a machine without udev.
pub(crate) const WITHOUT_UDEV: &[Case] = &[
    ("each sees and closes what another one opened", seen::by_each),
    ("every option", seen::every_option),
    ("corruption", seen::corruption),
    ("names", seen::names),
    ("the table is refused", refused::tables),
    ("names that no device can have, or another has", refused::names),
    ("devices below that cannot be used", refused::devices_below),
    ("what is no verity device", refused::other_devices),
    ("without a key that is trusted", refused::signatures),
    ("in use", together::in_use),
    ("deferred", together::deferred),
    ("two at once", together::two_at_once),
];

/// Cases of a machine in which udev runs.
pub(crate) const WITH_UDEV: &[Case] = &[
    ("each sees and closes what another one opened", seen::by_each_with_udev),
    ("names", seen::names),
    ("what is no verity device", refused::other_devices),
    ("in use", together::in_use),
    ("deferred", together::deferred),
    ("two at once", together::two_at_once),
];

/// Cases of a machine whose kernel trusts the test key.
pub(crate) const SIGNED: &[Case] = &[("signed", signed::signed)];
