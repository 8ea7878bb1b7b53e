//! The file descriptors that the command was started with. A number that a caller names means one
//! of them, never something that the command has opened itself since.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Their numbers; none where the system does not list them.
static INHERITED: OnceLock<Vec<u32>> = OnceLock::new();

/// Takes note of them. To be called before anything is opened.
pub(crate) fn remember() {
    if let Ok(entries) = fs::read_dir(DIRECTORY) {
        let names = entries.flatten().map(|entry| entry.file_name());
        let numbers: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        // What has listed them is among them, and closed now.
        let _ = INHERITED.set(numbers.into_iter().filter(|number| is_open(*number)).collect());
    }
}

/// Whether it may be one of them.
pub(crate) fn is_inherited(number: u32) -> bool {
    INHERITED.get().is_none_or(|numbers| numbers.contains(&number))
}

fn is_open(number: u32) -> bool {
    // Asked by name, which opens nothing that could get the number.
    Path::new(DIRECTORY).join(number.to_string()).symlink_metadata().is_ok()
}

const DIRECTORY: &str = "/dev/fd";
