//! What a figure was measured on, in words to keep beside it.

use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// The machine, the toolchain and the source, one `name: value` a line.
pub fn description() -> String {
    let facts = [
        ("date", output("date", &["-u", "+%F %R UTC"])),
        ("source", source()),
        ("compiler", output("rustc", &["-V"])),
        ("cpu", format!("{}, {} online", cpu_model(), cpus())),
        ("kernel", output("uname", &["-srm"])),
        ("load", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
    ];
    facts.map(|(name, value)| format!("{name}: {value}\n")).concat()
}

/// A name for the machine that says what it is and not whose: `amd-epyc-2cpu`.
pub fn name() -> String {
    let words = cpu_model().to_ascii_lowercase();
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).take(6).collect();
    format!("{}-{}cpu", words.join("-"), cpus())
}

/// Today, as in `2026-11-23`.
pub fn date() -> String {
    output("date", &["-u", "+%F"])
}

/// How fast one thread and how fast all of them hash what is in the level-1 cache, in GB/s together.
///
/// The CPUs of a virtual machine are at times two threads of one core; then the second figure is far from
/// being `n` times the first, and no program can do anything about it.
pub fn register_loop() -> (f64, f64) {
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cpus()).map(|_| scope.spawn(hash_for_a_while)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    });
    (hash_for_a_while(), all)
}

fn hash_for_a_while() -> f64 {
    const ROUND: u32 = 1 << 20;
    let block = [0x5a; 4096];
    let start = Instant::now();
    let mut bytes = 0.0;
    while start.elapsed() < Duration::from_millis(300) {
        for _ in 0..ROUND / 4096 {
            std::hint::black_box(Sha256::digest(std::hint::black_box(block)));
        }
        bytes += f64::from(ROUND);
    }
    bytes / start.elapsed().as_secs_f64() / 1e9
}

fn source() -> String {
    let directory = verity_testdata::workspace();
    let directory = directory.to_string_lossy();
    output("git", &["-C", &directory, "describe", "--always", "--dirty"])
}

fn cpu_model() -> String {
    let text = output("lscpu", &[]);
    let model = text.lines().find_map(|line| line.strip_prefix("Model name:"));
    model.map_or("unknown".to_owned(), |model| model.trim().to_owned())
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a program prints, or `unknown`.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or("unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}
