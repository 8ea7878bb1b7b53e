//! What is done in the machine.

mod interrupted;
mod live;
mod refused;
mod signed;
mod taken;
mod together;
mod udev;

pub(crate) use self::interrupted::opened_for_another;
use crate::tools::Case;

/// Cases of a machine without udev.
pub(crate) const WITHOUT_UDEV: &[Case] = &[
    ("files", live::files),
    ("ours is what theirs sees", live::ours_is_what_theirs_sees),
    ("theirs is what ours sees", live::theirs_is_what_ours_sees),
    ("theirs closes ours", live::theirs_closes_ours),
    ("block devices", live::block_devices),
    ("one file", live::one_file),
    ("sector sizes", live::sector_sizes),
    ("every option", live::every_option),
    ("corruption and repair", live::corruption_and_repair),
    ("names", live::names),
    ("a list", live::a_list),
    ("suspended", live::suspended),
    ("differences", live::differences),
    ("shorter", live::shorter),
    ("paths that are not UTF-8", live::paths_that_are_not_utf8),
    ("names that are not UTF-8", live::names_that_are_not_utf8),
    ("read-only files", live::read_only_files),
    ("sealed files", live::sealed_files),
    ("names that are taken", refused::names_that_are_taken),
    ("devices that are in use", refused::devices_that_are_in_use),
    ("what no device can be", refused::what_no_device_can_be),
    ("tables that the kernel refuses", refused::tables_that_the_kernel_refuses),
    ("signatures that the kernel refuses", refused::signatures_that_the_kernel_refuses),
    ("foreign devices", refused::foreign_devices),
    ("in use", together::in_use),
    ("deferred", together::deferred),
    ("two opens at once", together::two_opens_at_once),
    ("theirs at each step", together::theirs_at_each_step),
    ("cancelled at each step", interrupted::cancelled_at_each_step),
    ("killed at each step", interrupted::killed_at_each_step),
    ("without a table", interrupted::without_a_table),
    ("replaced while it is opened", taken::replaced_while_it_is_opened),
    ("removed while it is opened", taken::removed_while_it_is_opened),
    ("replaced while it is closed", taken::replaced_while_it_is_closed),
    ("closed by a run that is cancelled", taken::closed_by_a_run_that_is_cancelled),
    ("closed while it is opened", taken::closed_while_it_is_opened),
    ("detached while it is opened", taken::detached_while_it_is_opened),
    ("held while it is opened", taken::held_while_it_is_opened),
];

/// Cases of a machine whose kernel trusts the test key.
pub(crate) const SIGNED: &[Case] = &[("signed", signed::signed)];

/// Cases of a machine in which udev runs.
pub(crate) const WITH_UDEV: &[Case] = &[
    ("files", live::files),
    ("ours is what theirs sees", live::ours_is_what_theirs_sees),
    ("theirs is what ours sees", live::theirs_is_what_ours_sees),
    ("theirs closes ours", live::theirs_closes_ours),
    ("one file", live::one_file),
    ("names", live::names),
    ("links", udev::links),
    ("deferred", together::deferred),
    ("two opens at once", together::two_opens_at_once),
    ("cancelled at each step", interrupted::cancelled_at_each_step),
    ("killed at each step", interrupted::killed_at_each_step),
    ("replaced while it is opened", taken::replaced_while_it_is_opened),
    ("removed while it is opened", taken::removed_while_it_is_opened),
    ("replaced while it is closed", taken::replaced_while_it_is_closed),
    ("without the rule that notifies", udev::without_the_rule_that_notifies),
    ("without semaphores", udev::without_semaphores),
    ("in another IPC namespace", udev::in_another_ipc_namespace),
    ("a node of our own", udev::node_of_our_own),
    ("udev stopped", udev::stopped),
    ("cancelled while udev is stopped", udev::cancelled_while_stopped),
];
