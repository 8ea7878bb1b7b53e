//! Jobs whose outputs go to a file system that is full at some moment.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::FallocateFlags;
use verity_testdata::oracle;

use super::faults::{Bench, runs};
use super::limits;

/// What the file system holds, in bytes: all outputs of any job.
const SIZE: u64 = 1 << 20;

/// A small file system in memory, mounted until the value is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn on(path: &Path) -> Mounted {
        let options = format!("size={SIZE}");
        oracle::run_ok(
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(path),
        );
        Mounted(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn i09_a_file_system_that_is_full_loses_nothing() {
    if oracle::require("mount").is_none() || !oracle::require_root() {
        return;
    }
    let bench = Bench::new();
    let jobs: Vec<_> = bench.jobs.iter().filter(|job| job.line.contains(" o")).collect();
    runs(15, |prng| {
        let job = *prng.pick(&jobs);
        let place = bench.place();
        let mounted = Mounted::on(&place.path().join("o"));
        let place = place.with_old_outputs(job);
        let filler = File::create_new(place.path().join("o/filler")).unwrap();
        let filled = SIZE - 4096 * prng.below(120);
        // It may already be fuller than that.
        let _ = rustix::fs::fallocate(&filler, FallocateFlags::empty(), 0, filled);
        let ended = limits::run(place.path(), &job.line);
        let fault = bench.fault(&place, job, &ended);
        drop((filler, mounted));
        fault.map(|fault| format!("{}, {filled} bytes are taken: {fault}: {ended:?}", job.line))
    });
}
