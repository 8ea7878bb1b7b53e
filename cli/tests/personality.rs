//! The front `veritysetup` against the real one: the installed version, and that of a newer Debian
//! (`testdata/veritysetup/make.sh`), on generated command lines.
//!
//! Exit code, both channels and every file afterwards must be equal, but for the differences that
//! `personality/allowed.rs` lists with their reasons. `VERITY_DIFFERENTIAL_CASES` says how many
//! lines, `VERITY_PERSONALITY_SEED` which ones.

mod allowed;
mod alone;
mod judge;
mod line;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use self::allowed::Verdict;
use self::judge::Judge;
use self::line::Line;
use self::world::World;

/// Subprocesses wait for each other's exit more than they compute.
const WORKERS: u32 = 2;

/// How many failures are told.
const TOLD: usize = 20;

#[test]
fn the_personality_does_what_veritysetup_does() {
    let judges: Vec<Judge> = [Judge::installed(), Judge::newer()].into_iter().flatten().collect();
    if judges.is_empty() {
        return;
    }
    // The same lines every time, unless others are asked for: two programs that have grown for
    // years differ in corners that a random line finds now and then, and each wants a judgement.
    let seed = std::env::var("VERITY_PERSONALITY_SEED").ok();
    let seed = seed.map_or(6, |seed| seed.parse().expect("VERITY_PERSONALITY_SEED is a number"));
    let count = cases::cases(3000);
    let versions: Vec<_> = judges.iter().map(Judge::version).collect();
    println!(
        "VERITY_PERSONALITY_SEED={seed}, {count} lines, veritysetup {}",
        versions.join(" and ")
    );
    let template = World::template(&judges[0]);
    let fixed = line::fixed(&template);
    let (next, failures) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    let used: Mutex<BTreeMap<&str, u32>> = Mutex::default();
    let worker = |_| {
        let mut world = World::new(&template);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || failures.lock().unwrap().len() >= TOLD {
                break;
            }
            // Each line has a generator of its own, so that none depends on another.
            let mixed = seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let line = match fixed.get(number as usize) {
                Some(line) => line.clone(),
                None => Line::random(&mut Prng::new(mixed), &template),
            };
            let ours = world.run_ours(&line);
            for judge in &judges {
                let theirs = world.run_theirs(judge, &line);
                match allowed::compare(&line, judge, &template, &theirs, &ours) {
                    Verdict::Equal => {}
                    Verdict::Allowed(reason) => {
                        *used.lock().unwrap().entry(reason).or_default() += 1;
                    }
                    Verdict::Different(what) => failures.lock().unwrap().push(format!(
                        "VERITY_PERSONALITY_SEED={seed}, line {number}, veritysetup {}: {line}\n\
                         {what}",
                        judge.version()
                    )),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|number| scope.spawn(move || worker(number))).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    for (reason, times) in used.into_inner().unwrap() {
        println!("{times:6} {reason}");
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}\n{} differences", failures.join("\n"), failures.len());
}
