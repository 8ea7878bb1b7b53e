//! What a figure was measured on, in words to keep beside it.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// A name for this kind of machine: `amd-epyc-zen4-2cpu`.
    pub name: String,
    /// The CPU's name for itself, and its design: several designs call themselves alike.
    pub cpu: String,
    /// How many CPUs this process may use.
    pub cpus: usize,
    /// The kernel.
    pub kernel: String,
    /// The flags of the CPU that kernels for hashing ask for.
    pub flags: Vec<String>,
    /// The setting of transparent huge pages; they decide how fast plain memory is.
    pub huge_pages: String,
    /// `/proc/loadavg`.
    pub load: String,
}

/// Flags that a hash kernel may need, as lscpu names them on x86-64 and on ARM.
const FLAGS: &[&str] = &[
    "ssse3",
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512vbmi",
    "gfni",
    "sha_ni",
    "sha512",
    "asimd",
    "sha2",
    "sha3",
    "sve",
    "sve2",
];

impl Machine {
    /// Describes this machine as it is now.
    pub fn detect() -> Machine {
        let cpu = Cpu::parse(&output("lscpu", &[]));
        Machine {
            name: cpu.folder_name(cpus()),
            cpu: cpu.description(),
            cpus: cpus(),
            kernel: output("uname", &["-srm"]),
            flags: cpu.flags,
            huge_pages: setting("/sys/kernel/mm/transparent_hugepage/enabled"),
            load: file("/proc/loadavg"),
        }
    }
}

/// How many CPUs this process may use.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many bytes of memory could be had without swapping, the page cache included.
pub fn available_memory() -> Option<u64> {
    size(&file("/proc/meminfo"), "MemAvailable")
}

/// How much of a process lies in memory, pages of mapped files included, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The size now.
    pub now: u64,
    /// The largest size so far.
    pub most: u64,
}

/// The resident memory of this process.
pub fn resident() -> Option<Resident> {
    let status = file("/proc/self/status");
    Some(Resident { now: size(&status, "VmRSS")?, most: size(&status, "VmHWM")? })
}

/// The bytes that a line such as `VmRSS:     1234 kB` names.
fn size(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| *key == name)?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The time now, as in `2026-11-23 16:27 UTC`.
pub fn now() -> String {
    output("date", &["-u", "+%F %R UTC"])
}

/// The compiler, as told while it compiled this, or else the one that is here.
pub fn compiler() -> String {
    let told = option_env!("VERITY_BENCH_COMPILER");
    told.map_or_else(|| output("rustc", &["-V"]), str::to_owned)
}

/// The source's commit, and whether it was changed since: as told while this was compiled, or else
/// that of the source that is here now.
pub fn commit() -> String {
    if let Some(told) = option_env!("VERITY_BENCH_COMMIT") {
        return told.to_owned();
    }
    let directory = verity_testdata::workspace();
    output("git", &["-C", &directory.to_string_lossy(), "describe", "--always", "--dirty"])
}

/// The kind of file system a directory lies on, as `stat` names it.
pub fn file_system(directory: &Path) -> String {
    output("stat", &["-f", "-c", "%T", &directory.to_string_lossy()])
}

/// What lscpu says about the CPU.
struct Cpu {
    model_name: String,
    family: Option<u32>,
    model: Option<u32>,
    vendor: String,
    flags: Vec<String>,
}

impl Cpu {
    fn parse(text: &str) -> Cpu {
        let field = |name: &str| {
            let values = text.lines().filter_map(|line| line.trim().split_once(':'));
            values.filter(|(key, _)| *key == name).map(|(_, value)| value.trim()).next()
        };
        let number = |name| field(name)?.parse().ok();
        let flags = field("Flags").unwrap_or_default().split_whitespace();
        Cpu {
            model_name: field("Model name")
                .filter(|name| *name != "-")
                .unwrap_or("unknown")
                .to_owned(),
            family: number("CPU family"),
            model: number("Model"),
            vendor: field("Vendor ID").unwrap_or_default().to_owned(),
            flags: flags.filter(|flag| FLAGS.contains(flag)).map(str::to_owned).collect(),
        }
    }

    /// Name and design, as in `AMD EPYC (Zen 4)`.
    fn description(&self) -> String {
        let design = self.design().map(|design| format!(" ({design})"));
        self.model_name.clone() + &design.unwrap_or_default()
    }

    /// The design's name where it is known, which virtual machines hide; otherwise the numbers, if
    /// there are any.
    fn design(&self) -> Option<String> {
        let (family, model) = (self.family?, self.model?);
        let name = if self.vendor == "AuthenticAMD" { zen(family, model) } else { None };
        Some(name.map_or_else(|| format!("family {family} model {model}"), str::to_owned))
    }

    fn folder_name(&self, cpus: usize) -> String {
        let design = self.design().unwrap_or_default().replace("Zen ", "zen");
        let words = format!("{} {design}", self.model_name).to_ascii_lowercase();
        let words = words.split(|letter: char| !letter.is_ascii_alphanumeric());
        let noise = ["", "r", "tm", "cpu", "processor"];
        let words: Vec<_> = words.filter(|word| !noise.contains(word)).collect();
        format!("{}-{cpus}cpu", words.join("-"))
    }
}

/// AMD's designs since the first with wide vectors and SHA-NI at once, by the numbers that Linux
/// tells them apart by (`arch/x86/kernel/cpu/amd.c`).
fn zen(family: u32, model: u32) -> Option<&'static str> {
    match (family, model) {
        (0x19, 0x00..=0x0f | 0x20..=0x5f) => Some("Zen 3"),
        (0x19, 0x10..=0x1f | 0x60..=0xaf) => Some("Zen 4"),
        (0x1a, 0x00..=0x2f | 0x40..=0x4f | 0x60..=0x7f) => Some("Zen 5"),
        _ => None,
    }
}

/// The choice in brackets, as in `always [madvise] never`.
fn setting(path: &str) -> String {
    let text = file(path);
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    chosen.map_or("unknown".to_owned(), |(chosen, _)| chosen.to_owned())
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// What a program prints, or `unknown`.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or("unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPYC: &str = "Vendor ID:    AuthenticAMD\nModel name:   AMD EPYC\n\
                        CPU family:   25\nModel:   17\nFlags:        fpu avx2 sha_ni aes\n";

    #[test]
    fn cpus_that_call_themselves_alike_have_different_names() {
        let cpu = Cpu::parse(EPYC);
        assert_eq!(cpu.folder_name(2), "amd-epyc-zen4-2cpu");
        assert_eq!(cpu.description(), "AMD EPYC (Zen 4)");
        assert_eq!(cpu.flags, ["avx2", "sha_ni"]);
        let zen5 = Cpu::parse(&EPYC.replace("25", "26").replace("17", "2"));
        assert_eq!(zen5.folder_name(2), "amd-epyc-zen5-2cpu");
        let later = Cpu::parse(&EPYC.replace("25", "99"));
        assert_eq!(later.folder_name(2), "amd-epyc-family-99-model-17-2cpu");
    }

    #[test]
    fn sizes_are_told_in_kibibytes() {
        let text = "Name:\tcompare\nVmHWM:\t    5000 kB\nVmRSS:\t    4000 kB\nThreads:\t1\n";
        assert_eq!(size(text, "VmHWM"), Some(5000 * 1024));
        assert_eq!((size(text, "Threads"), size(text, "VmSwap")), (None, None));
        let now = resident().unwrap();
        assert!(now.most >= now.now && now.now > 0);
    }

    #[test]
    fn an_arm_cpu_has_a_name_without_a_family() {
        let cpu = Cpu::parse(
            "  Vendor ID:  ARM\n    Model name:  Neoverse-N1\n    Model: 1\nFlags: fp asimd sha2\n",
        );
        assert_eq!(cpu.folder_name(4), "neoverse-n1-4cpu");
        assert_eq!(cpu.description(), "Neoverse-N1");
        assert_eq!(cpu.flags, ["asimd", "sha2"]);
        assert_eq!(Cpu::parse("").folder_name(1), "unknown-1cpu");
    }
}
