//! What a real Linux kernel makes of our images and tables: it maps them and reads every block.
//!
//! One boot of a virtual machine judges all cases (`testdata/kernel/README.md`). `VERITY_TEST_SEED` repeats the random
//! ones, `VERITY_KERNEL_CASE` leaves only the cases with this in their names, and `VERITY_KERNEL_DIR` keeps the disks and
//! the console.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod command;
mod common;
#[path = "kernel/corrupt.rs"]
mod corrupt;
#[path = "kernel/image.rs"]
mod image;
#[path = "kernel/intact.rs"]
mod intact;
#[path = "kernel/options.rs"]
mod options;
#[path = "kernel/parity.rs"]
mod parity;
#[path = "kernel/trial.rs"]
mod trial;

use std::sync::OnceLock;

use verity_testdata::cases;
use verity_testdata::kernel::Kernel;
use verity_testdata::pattern::Prng;

use trial::{Classes, Judged, Trial};

/// How many random geometries there are.
const GEOMETRIES: usize = 84;
/// How many images become corrupt in each way.
const CORRUPTIONS: usize = 6;

/// All trials of one seed.
fn trials(seed: u64) -> Vec<Trial> {
    let mut prng = Prng::new(seed);
    let mut trials = intact::trials(GEOMETRIES, &mut prng);
    trials.extend(corrupt::trials(CORRUPTIONS, &mut prng));
    trials.extend(options::trials(&mut prng));
    trials.extend(parity::trials(&mut prng));
    trials
}

/// The one boot that the tests share; none without a kernel.
fn judged() -> Option<&'static Judged> {
    static JUDGED: OnceLock<Option<Judged>> = OnceLock::new();
    let judged = JUDGED.get_or_init(|| {
        let kernel = Kernel::find()?;
        let seed = cases::seed();
        println!("VERITY_TEST_SEED={seed}");
        let mut trials = trials(seed);
        if let Ok(part) = std::env::var("VERITY_KERNEL_CASE") {
            trials.retain(|trial| trial.case.name.contains(&part));
        }
        Some(Judged::by(&kernel, trials))
    });
    judged.as_ref()
}

#[test]
fn the_kernel_does_what_is_expected() {
    let Some(judged) = judged() else { return };
    println!("Linux {} judges {} cases", judged.release(), judged.trials.len());
    println!("{}", Classes::of(&judged.trials));
    let mut wrong = Vec::new();
    for (trial, expected, verdict) in judged.results() {
        if let Err(difference) = expected.check(verdict) {
            wrong.push(format!("{}: {difference}\n  table: {}", trial.case.name, trial.case.table));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
