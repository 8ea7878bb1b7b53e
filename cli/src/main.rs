//! The `verity` command: chooses the front end that reads its arguments.

mod command;
mod context;
mod copying;
mod dates;
mod descriptors;
mod disks;
mod dumps;
mod error;
mod exit;
mod findings;
mod front;
mod hex_text;
mod image;
mod inputs;
mod library_error;
mod live;
mod log;
mod making;
mod outputs;
mod packed;
mod parameters;
mod places;
mod progress;
mod quoted;
mod report;
mod roles;
mod server;
mod signals;
mod signer;
mod signing;
mod sizes;
mod storage;
mod streams;
mod table_options;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    descriptors::remember();
    let arguments: Vec<_> = std::env::args_os().collect();
    match arguments.first() {
        Some(name) if front::veritysetup::is_name(name) => front::veritysetup::run(&arguments),
        _ => front::verity::run(arguments),
    }
}
