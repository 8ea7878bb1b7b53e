//! `close`: removes a mapping, now or once nobody uses it.

use super::args::Request;
use super::codes::{Code, Failure};
use super::console::Console;
use super::live::{self, Live, Removal, not_active};
use super::status;
use crate::signals::Signals;

/// Removes a mapping.
pub(super) fn run(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    let word = &request.arguments[0];
    let shown = live::shown(word);
    if status::is_missing_path(word) {
        return Err(not_active(&shown));
    }
    let options = &request.options;
    let removal = match (options.deferred, options.cancel_deferred) {
        (true, _) => Removal::Deferred,
        (_, true) => Removal::Cancelled,
        (false, false) => Removal::Now,
    };
    console.step(&format!("Releasing device {shown}: {removal:?}."));
    Live::connect(Code::WrongDevice, signals)?.close(word, removal, console)
}
