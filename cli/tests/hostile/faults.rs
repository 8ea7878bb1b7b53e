//! Jobs of the command on a machine that fails: what they may leave, whatever happens.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use verity_testdata::pattern::{self, Prng};
use verity_testdata::{cases, files, oracle};

use super::case::memory_tempdir;
use super::limits::Ended;

const BLOCKS: usize = 64;
const OLD: &[u8] = b"what was there before";
const UUID: &str = "a60c98d2-ae9b-4865-bfcb-b4e3ace11033";

/// A command line, and what it makes.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) line: String,
    /// Names of outputs, and what they are when the job is done. All were there before, but for
    /// those of a first build.
    outputs: Vec<(&'static str, Vec<u8>)>,
    /// Whether it must fail: there is nothing that could be right.
    fails: bool,
}

/// Files that are the same for every run, and what jobs make of them.
pub(crate) struct Bench {
    inputs: Vec<(&'static str, Vec<u8>)>,
    pub(crate) data: Vec<u8>,
    pub(crate) jobs: Vec<Job>,
}

/// The files of one run. Outputs are in the directory `o`.
pub(crate) struct Place(pub(crate) TempDir);

impl Bench {
    pub(crate) fn new() -> Bench {
        let directory = memory_tempdir();
        let place = directory.path();
        let data = pattern::sha256_stream(BLOCKS * 4096);
        let mut broken = data.clone();
        [5, 6, 40].into_iter().for_each(|block| broken[block * 4096 + 9] ^= 4);
        files::write(&place.join("data"), &data);
        files::write(&place.join("image.raw"), &data);
        for part in ["key", "cert"] {
            let name = format!("keys/TEST_KEY_DO_NOT_USE.rsa2048.{part}.pem");
            files::write(&place.join(part), &files::read(&verity_testdata::path(&name)));
        }
        let run = |line: &str| oracle::run_ok(verity(place).args(line.split_whitespace()));
        fs::create_dir(place.join("o")).unwrap();
        let said = run(&format!("format data hash --salt 00ff --uuid {UUID} --fec-device fec"));
        let root = said.lines().find(|line| line.starts_with("Root hash:")).unwrap();
        let root = root.split_whitespace().last().unwrap().to_owned();
        run(BUILD);
        let read = |name: &'static str| (name, files::read(&place.join(name)));
        let set = SET.map(read).to_vec();
        let inputs = ["data", "hash", "fec", "image.raw", "key", "cert"].map(read);
        let inputs = [&inputs[..], &[("broken", broken)]].concat();
        let trees = [("o/out", read("hash").1), ("o/out2", read("fec").1)];
        let jobs = jobs(&root, &data, trees.to_vec(), set);
        Bench { inputs, data, jobs }
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
        Place(directory)
    }

    /// What is wrong with what a run has left.
    pub(crate) fn fault(&self, place: &Place, job: &Job, ended: &Ended) -> Option<String> {
        let done = ended.code == Some(0);
        let path = |name: &str| place.0.path().join(name);
        let outputs = || {
            job.outputs.iter().find_map(|(name, right)| {
                let now = fs::read(path(name)).ok();
                let is_old = now.as_deref().is_none_or(|now| now == OLD);
                let is_right = now.as_ref() == Some(right);
                let fits = if done { is_right } else { is_right || is_old };
                (!fits).then(|| format!("{name} is neither old nor right"))
            })
        };
        let inputs = || {
            let changed =
                |(name, bytes): &&(&str, Vec<u8>)| fs::read(path(name)).unwrap() != *bytes;
            self.inputs.iter().find(changed).map(|(name, _)| format!("{name} was changed"))
        };
        ended
            .fault()
            .or_else(|| (done && job.fails).then(|| "it took what is broken for whole".to_owned()))
            .or_else(outputs)
            .or_else(inputs)
            .or_else(|| self.twin_fault(&files::read(&path("twin")), done, job))
            .or_else(|| leftover(place.0.path()).or_else(|| leftover(&path("o"))))
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
}

impl Place {
    /// Puts something in the place of each output, but for those of a first build.
    pub(crate) fn with_old_outputs(self, job: &Job) -> Place {
        for (name, _) in &job.outputs {
            if name.starts_with("o/out") {
                files::write(&self.0.path().join(name), OLD);
            }
        }
        self
    }
}

const BUILD: &str =
    "build image.raw --key key --certificate cert --seed test --fec-roots 4 --output-dir o";
const SET: [&str; 5] = [
    "o/image.verity",
    "o/image.roothash",
    "o/image.roothash.p7s",
    "o/image.manifest.json",
    "o/image.manifest.json.p7s",
];

fn jobs(
    root: &str,
    data: &[u8],
    trees: Vec<(&'static str, Vec<u8>)>,
    set: Vec<(&'static str, Vec<u8>)>,
) -> Vec<Job> {
    let job = |line: String, outputs: &[(&'static str, Vec<u8>)], fails| Job {
        line,
        outputs: outputs.to_vec(),
        fails,
    };
    let copy = [("o/out", data.to_vec())];
    let fec = "--fec-device fec";
    vec![
        job(format!("verify data hash {root} {fec} --all"), &[], false),
        job(format!("verify broken hash {root}"), &[], true),
        job(format!("verify broken hash {root} {fec} --all"), &[], true),
        job(format!("read data hash {root} --output o/out"), &copy, false),
        job(format!("read broken hash {root} {fec} --output o/out"), &copy, false),
        job(format!("read broken hash {root} --output o/out"), &copy, true),
        job(format!("repair broken hash {root} {fec} --output o/out"), &copy, false),
        job(format!("repair twin hash {root} {fec} --in-place"), &[], false),
        job(
            format!("format data o/out --salt 00ff --uuid {UUID} --fec-device o/out2"),
            &trees,
            false,
        ),
        job(BUILD.to_owned(), &set, false),
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
