//! One hostile input: its files, and every command line that it is given to.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use tempfile::TempDir;
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use super::limits;
use super::serving;

/// What a file begins with, and how long it is; what comes behind is a hole.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    pub(crate) size: u64,
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Contents {
        Contents { size: bytes.len().try_into().unwrap(), bytes }
    }
}

/// A hostile input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) files: Vec<(&'static str, Contents)>,
    /// Command lines, split at blanks.
    pub(crate) lines: Vec<String>,
    /// Command lines of servers, without the socket.
    pub(crate) servers: Vec<String>,
    /// What the data is as far as it can be proved.
    pub(crate) data: Vec<u8>,
}

/// Files that commands may make.
const OUTPUTS: [&str; 5] = ["out", "out2", "tree", "s", "copy"];

impl Case {
    /// Runs all of it. Returns everything that is wrong.
    pub(crate) fn run(&self) -> Vec<String> {
        let directory = memory_tempdir();
        let place = directory.path();
        for (name, contents) in &self.files {
            let mut file = File::create_new(place.join(name)).unwrap();
            file.write_all(&contents.bytes).unwrap();
            file.set_len(contents.size).unwrap();
        }
        let before = listing(place);
        let mut faults = Vec::new();
        for line in &self.lines {
            let ended = limits::run(place, line);
            let fault = ended.fault().or_else(|| self.wrong(place, ended.code == Some(0)));
            faults.extend(fault.map(|fault| format!("{line}: {fault}")));
            clean(place);
            if listing(place) != before {
                faults.push(format!("{line}: it leaves {:?}", listing(place)));
                break;
            }
        }
        for line in &self.servers {
            let wrong = serving::serve(place, line, &self.data);
            faults.extend(wrong.map(|fault| format!("{line}: {fault}")));
            clean(place);
        }
        faults.into_iter().map(|fault| format!("{}: {fault}", self.name)).collect()
    }

    /// What is wrong with what a run has written: it must be there if and only if the run ended
    /// well, and be the data from the start on.
    fn wrong(&self, place: &Path, good: bool) -> Option<String> {
        let out = fs::read(place.join("out")).ok()?;
        if !good {
            return Some("it failed, and there is an output".to_owned());
        }
        let is_right = self.data.starts_with(&out);
        (!is_right).then(|| format!("{} bytes that are not the data's", out.len()))
    }
}

fn clean(place: &Path) {
    for name in OUTPUTS {
        let _ = fs::remove_file(place.join(name));
    }
}

/// Names, sizes and times of all files.
fn listing(place: &Path) -> Vec<(String, u64, std::time::SystemTime)> {
    let entries = fs::read_dir(place).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        (entry.file_name().into_string().unwrap(), metadata.len(), metadata.modified().unwrap())
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    entries
}

/// Runs many cases, a few at a time, and fails with all that is wrong.
#[track_caller]
pub(crate) fn run_all(cases: &[Case]) {
    let (next, faults) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let case = next.lock().unwrap().next();
            let Some(case) = case else { return };
            let found = case.run();
            // Those of a long run are seen before its end.
            found.iter().for_each(|fault| eprintln!("{fault}"));
            faults.lock().unwrap().extend(found);
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let faults = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "seed {:#x}, {} faults:\n{}",
        seed(),
        faults.len(),
        faults.join("\n")
    );
}

/// All of a list in a full run, and about a third otherwise, by the seed.
pub(crate) fn some_of<T>(mut list: Vec<T>) -> Vec<T> {
    let mut random = Prng::new(seed() ^ 3);
    list.retain(|_| limits::is_full_run() || random.one_in(3));
    list
}

/// The seed of this run; the same for all tests.
pub(crate) fn seed() -> u64 {
    static SEED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(cases::seed);
    *SEED
}

/// A directory on a file system in memory, which has room for files of any claimed size.
pub(crate) fn memory_tempdir() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("verity-hostile-").tempdir_in("/dev/shm").unwrap()
}
