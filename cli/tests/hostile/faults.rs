//! Jobs of the command on a machine that fails: what they may leave, whatever happens.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use verity_testdata::pattern::{self, Prng};
use verity_testdata::{cases, files, oracle};

use super::case::memory_tempdir;
use super::limits::{self, Ended};
use super::serving;
use super::signers;

const BLOCKS: usize = 64;
/// The blocks of data and tree.
const COVERED: usize = BLOCKS + 1;
/// Enough for three corrupt blocks.
const PARITY: &str = "--fec-device fec --fec-roots 4";
const OLD: &[u8] = b"what was there before";
const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";

/// A command line, and what it makes.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) line: String,
    /// The exit code where nothing fails.
    pub(crate) code: i32,
    /// What is in the directory `o` when the job is done.
    outputs: Vec<(String, Vec<u8>)>,
}

/// Files that are the same for every run, and what jobs make of them.
pub(crate) struct Bench {
    inputs: Vec<(&'static str, Vec<u8>)>,
    pub(crate) data: Vec<u8>,
    pub(crate) jobs: Vec<Job>,
    /// Command lines of servers of the whole data, without the socket.
    pub(crate) servers: Vec<String>,
}

/// The files of one run. Outputs are in the directory `o`.
pub(crate) struct Place {
    directory: TempDir,
    /// Whether something is in the place of each output.
    has_old: bool,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let directory = memory_tempdir();
        let place = directory.path();
        let data = pattern::sha256_stream(BLOCKS * 4096);
        let mut broken = data.clone();
        [5, 6, 40].into_iter().for_each(|block| broken[block * 4096 + 9] ^= 4);
        files::write(&place.join("data"), &data);
        let line = format!("format data hash --salt 00ff --uuid {UUID} {PARITY}");
        let said = oracle::run_ok(verity(place).args(line.split_whitespace()));
        let root = said.lines().find(|line| line.starts_with("Root hash:")).unwrap();
        let root = root.split_whitespace().last().unwrap();
        let read = |name: &'static str| (name, files::read(&place.join(name)));
        let inputs = ["data", "hash", "fec"].map(read).to_vec();
        let more = [
            ("image.raw", data.clone()),
            ("broken", broken),
            ("short", data[..SHORT].to_vec()),
            ("key", signers::key()),
            ("cert", signers::certificate()),
        ];
        let inputs = [inputs, more.to_vec()].concat();
        let mut bench = Bench { inputs, data, jobs: Vec::new(), servers: servers(root) };
        let jobs = jobs(root).into_iter().map(|(line, code)| bench.with_outputs(line, code));
        bench.jobs = jobs.collect();
        bench
    }

    /// What a job makes is what it makes where nothing was before and nothing fails; and that of
    /// the data is known.
    fn with_outputs(&self, line: String, code: i32) -> Job {
        let place = self.place();
        let ended = limits::run(place.path(), &line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        let outputs = fs::read_dir(place.path().join("o")).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (format!("o/{}", entry.file_name().into_string().unwrap()), files::read(&entry.path()))
        });
        let outputs: Vec<_> = outputs.collect();
        let is_made = |name: &str| line.contains(name) && code == 0;
        assert_eq!(outputs.iter().any(|(name, _)| name == "o/out"), is_made("o/out"), "{line}");
        assert_eq!(outputs.len() >= 5, line.starts_with("build"), "{line}");
        let job = Job { line, code, outputs };
        if ["read ", "repair "].iter().any(|verb| job.line.starts_with(verb)) {
            assert!(job.outputs.iter().all(|(_, bytes)| *bytes == self.data), "{}", job.line);
        }
        assert_eq!(self.fault(&place, &job, &ended), None, "{}", job.line);
        job
    }

    /// Lays out the files.
    pub(crate) fn place(&self) -> Place {
        let directory = memory_tempdir();
        for (name, bytes) in &self.inputs {
            files::write(&directory.path().join(name), bytes);
        }
        // What is repaired where it lies.
        fs::copy(directory.path().join("broken"), directory.path().join("twin")).unwrap();
        fs::create_dir(directory.path().join("o")).unwrap();
        Place { directory, has_old: false }
    }

    /// What is wrong with what a run has left.
    pub(crate) fn fault(&self, place: &Place, job: &Job, ended: &Ended) -> Option<String> {
        let done = ended.code == Some(0);
        let path = |name: &str| place.path().join(name);
        let has_outputs = job
            .outputs
            .iter()
            .all(|(name, right)| fs::read(path(name)).is_ok_and(|it| it == *right));
        let outputs = || {
            job.outputs.iter().find_map(|(name, right)| {
                let now = fs::read(path(name)).ok();
                let old = place.has_old.then_some(OLD);
                let is_right = now.as_ref() == Some(right);
                let fits = is_right || !done && now.as_deref() == old;
                let words = if now.is_none() { "lost" } else { "neither old nor right" };
                (!fits).then(|| format!("{name} is {words}"))
            })
        };
        ended
            .fault()
            .or_else(|| (done && job.code != 0).then(|| "it took what is broken for whole".into()))
            .or_else(outputs)
            .or_else(|| self.changed_input(place))
            .or_else(|| self.twin_fault(&files::read(&path("twin")), done, job))
            .or_else(|| self.pad_fault(&files::read(&path("short")), has_outputs, job))
            .or_else(|| leftover(place.path()).or_else(|| leftover(&path("o"))))
    }

    /// An input that no job may change, and that is not what it was.
    pub(crate) fn changed_input(&self, place: &Place) -> Option<String> {
        let mut inputs = self.inputs.iter().filter(|(name, _)| *name != "short");
        let changed = inputs.find(|(name, bytes)| files::read(&place.path().join(name)) != *bytes);
        changed.map(|(name, _)| format!("{name} was changed"))
    }

    /// Each block that is repaired where it lies is the broken one or the right one.
    fn twin_fault(&self, twin: &[u8], done: bool, job: &Job) -> Option<String> {
        let (_, broken) = self.inputs.iter().find(|(name, _)| *name == "broken").unwrap();
        let blocks = twin.chunks(4096).zip(self.data.chunks(4096)).zip(broken.chunks(4096));
        let all_known = blocks.clone().all(|((now, good), bad)| now == good || now == bad);
        let whole = twin == self.data;
        let repaired = !(done && job.line.contains("--in-place")) || whole;
        let fits = all_known && repaired && twin.len() == self.data.len();
        (!fits).then(|| "a block is neither the broken nor the right one".to_owned())
    }

    /// What is padded ends with a block where its hash file is in place, whatever came after that;
    /// else where it did.
    fn pad_fault(&self, short: &[u8], has_outputs: bool, job: &Job) -> Option<String> {
        let mut padded = self.data[..SHORT].to_vec();
        if has_outputs && job.line.starts_with("format short") {
            padded.resize(SHORT.next_multiple_of(4096), 0);
        }
        (short != padded).then(|| format!("{} bytes are {PADDED}", short.len()))
    }
}

/// What is said where zeros are behind data that should have none, or none where they should be.
pub(crate) const PADDED: &str = "not the bytes before padding or after it";

impl Place {
    /// Puts something in the place of each output.
    pub(crate) fn with_old_outputs(mut self, job: &Job) -> Place {
        for (name, _) in &job.outputs {
            files::write(&self.path().join(name), OLD);
        }
        self.has_old = true;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Data that does not end with a block, in bytes.
const SHORT: usize = 10 * 4096 + 99;

/// Command lines, and how they end where nothing fails.
fn jobs(root: &str) -> Vec<(String, i32)> {
    let fec = PARITY;
    let covered = format!("{fec} --fec-blocks {COVERED}");
    let fixed = format!("--salt 00ff --uuid {UUID}");
    let build = "build image.raw --key key --certificate cert --seed test --fec-roots 4";
    vec![
        (format!("verify data hash {root} {fec} --all"), 0),
        (format!("verify broken hash {root}"), 1),
        (format!("verify broken hash {root} {covered} --all"), 6),
        (format!("read data hash {root} --output o/out"), 0),
        (format!("read broken hash {root} {covered} --output o/out"), 0),
        (format!("read broken hash {root} --output o/out"), 1),
        (format!("repair broken hash {root} {fec} --output o/out"), 0),
        (format!("repair twin hash {root} {fec} --in-place"), 0),
        (format!("format data o/out {fixed} --fec-device o/out2"), 0),
        (format!("format short o/out {fixed} --pad"), 0),
        (format!("rehash broken hash --root-hash {root} --old-image data --output o/out"), 0),
        (format!("rehash broken hash --root-hash {root} --range 20K+9 --output o/out"), 0),
        (
            format!(
                "rehash data hash --root-hash {root} --range 8K --output o/out --fec-device o/out2"
            ),
            0,
        ),
        (format!("{build} --output-dir o"), 0),
        (format!("{build} --single-file o/image"), 0),
    ]
}

fn servers(root: &str) -> Vec<String> {
    vec![
        format!("serve data hash {root}"),
        format!("serve broken hash {root} {PARITY} --fec-blocks {COVERED}"),
        format!("serve data hash {root} --preload"),
    ]
}

fn verity(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
    command.current_dir(place);
    command
}

/// A temporary file that was left.
fn leftover(place: &Path) -> Option<String> {
    let names = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap());
    names.find(|name| name.contains("verity-tmp")).map(|name| format!("{name} is left"))
}

/// Does that many percent of the runs, each from a seed of its own, and fails with the first that
/// goes wrong. A run says what is wrong.
#[track_caller]
pub(crate) fn runs(percent: u64, run: impl Fn(&mut Prng) -> Option<String>) {
    let first = super::case::seed();
    for number in 0..cases::fault_runs(percent) {
        let seed = first.wrapping_add(number);
        if let Some(fault) = run(&mut Prng::new(seed)) {
            panic!("VERITY_TEST_SEED={seed:#x}: {fault}");
        }
    }
}

#[test]
fn i09_jobs_end_as_they_should_where_nothing_fails() {
    let bench = Bench::new();
    for job in &bench.jobs {
        let place = bench.place().with_old_outputs(job);
        let ended = limits::run(place.path(), &job.line);
        assert_eq!(ended.code, Some(job.code), "{}: {ended:?}", job.line);
        assert_eq!(bench.fault(&place, job, &ended), None, "{}", job.line);
    }
    for line in &bench.servers {
        let place = bench.place();
        assert_eq!(serving::serve(place.path(), line, &bench.data, true), None, "{line}");
        assert_eq!(bench.changed_input(&place), None, "{line}");
    }
}

/// What a fault must not leave is seen where it is left.
#[test]
fn i09_what_is_lost_changed_or_left_is_seen() {
    let bench = Bench::new();
    let copies = |job: &&Job| job.line.starts_with("read") && job.code == 0;
    let job = bench.jobs.iter().find(copies).unwrap();
    let failed = || Ended { code: Some(4), stderr: String::new(), stdout: Vec::new() };
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 7] = [
        (|_| {}, ""),
        (|place| fs::remove_file(place.join("o/out")).unwrap(), "o/out is lost"),
        (|place| files::write(&place.join("o/out"), b"half"), "o/out is neither old nor right"),
        (|place| files::write(&place.join("cert"), b""), "cert was changed"),
        (|place| files::write(&place.join("twin"), b"half"), "a block is neither"),
        (|place| files::write(&place.join("short"), &[0; 4096]), "4096 bytes are not"),
        (|place| files::write(&place.join("o/.out.verity-tmp"), b""), ".out.verity-tmp is left"),
    ];
    for (harm, words) in harms {
        let place = bench.place().with_old_outputs(job);
        harm(place.path());
        let found = bench.fault(&place, job, &failed()).unwrap_or_default();
        assert!(found.starts_with(words) && found.is_empty() == words.is_empty(), "{found}");
    }
}
