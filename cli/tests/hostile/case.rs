//! One input, hostile or honest: its files, and every command line that it is given to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use super::limits::{self, Ended};
use super::line::{Line, Made};
use super::serving;
use super::signers;

/// What a file begins with, and how long it is; what comes behind is a hole.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) size: u64,
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Contents {
        Contents::from(&Arc::new(bytes))
    }
}

impl From<&Arc<Vec<u8>>> for Contents {
    fn from(bytes: &Arc<Vec<u8>>) -> Contents {
        Contents { size: bytes.len().try_into().unwrap(), bytes: Arc::clone(bytes) }
    }
}

/// An input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Nothing is hostile: every line ends as it should, and makes all of what it makes.
    pub(crate) is_honest: bool,
    pub(crate) files: Vec<(&'static str, Contents)>,
    pub(crate) lines: Vec<Line>,
    /// What the data is as far as it can be proved.
    pub(crate) data: Arc<Vec<u8>>,
    /// What files are once they are repaired, where that is not what they are.
    pub(crate) repaired: Vec<(&'static str, Arc<Vec<u8>>)>,
}

/// Names of files, and all that tells that one was not touched but for its contents.
type Listing = BTreeMap<String, (u64, u64, i64, i64)>;

impl Case {
    /// Runs all of it. Returns everything that is wrong.
    pub(crate) fn run(&self, random: &mut Prng) -> Vec<String> {
        let directory = memory_tempdir();
        let place = directory.path();
        self.lay_out(place);
        let mut before = listing(place);
        let mut faults = Vec::new();
        for line in &self.lines {
            // All lines of all cases are for a full run.
            if !self.is_honest && !limits::is_full_run() && !random.one_in(3) {
                continue;
            }
            let fault = match line.is_server() {
                true => serving::serve(place, &line.words, &self.data, self.is_honest),
                false => self.fault(place, line, &before),
            };
            let fault = fault.or_else(|| self.touched(place, line, &before));
            faults.extend(fault.map(|fault| format!("{}: {}: {fault}", self.name, line.words)));
            for name in listing(place).keys().filter(|name| !before.contains_key(*name)) {
                fs::remove_file(place.join(name)).unwrap();
            }
            if listing(place) != before {
                self.lay_out(place);
                before = listing(place);
            }
        }
        faults
    }

    fn lay_out(&self, place: &Path) {
        for (name, contents) in &self.files {
            let mut file = File::create(place.join(name)).unwrap();
            file.write_all(&contents.bytes).unwrap();
            file.set_len(contents.size).unwrap();
        }
    }

    /// Runs a line that ends by itself. Returns what is wrong with its end, or with what it has
    /// made.
    fn fault(&self, place: &Path, line: &Line, before: &Listing) -> Option<String> {
        let ended = limits::run(place, &line.words);
        let good = ended.code == Some(0);
        let made = || {
            line.makes.iter().find_map(|(name, made)| {
                let is_new = !before.contains_key(*name);
                match (good, place.join(name).exists()) {
                    (false, true) if is_new => Some(format!("it failed, and there is {name}")),
                    (false, _) if *made == Made::Repaired => self.wrong(place, name, Made::Blocks),
                    (false, _) => None,
                    (true, false) => Some(format!("it did not make {name}")),
                    (true, true) => self.wrong(place, name, *made),
                }
            })
        };
        ended
            .fault()
            .or_else(|| self.dishonest(line, &ended))
            .or_else(|| self.said(line, &ended))
            .or_else(made)
    }

    /// An honest input has one end.
    fn dishonest(&self, line: &Line, ended: &Ended) -> Option<String> {
        let is_other = self.is_honest && ended.code != Some(line.code);
        is_other.then(|| format!("nothing is hostile, but {ended:?}"))
    }

    /// What is wrong with what went to standard output, where that is data.
    fn said(&self, line: &Line, ended: &Ended) -> Option<String> {
        let (wanted, found) = (&self.data, &ended.stdout);
        let fits = match line.says_data() {
            Some(length) if self.is_honest => wanted[..length.unwrap_or(wanted.len())] == **found,
            Some(_) => wanted.starts_with(found),
            None => true,
        };
        (!fits).then(|| format!("{} bytes of output that are not the data's", found.len()))
    }

    /// What is wrong with something that a run has made.
    fn wrong(&self, place: &Path, name: &str, made: Made) -> Option<String> {
        let path = place.join(name);
        let input = |wanted: &str| {
            let (_, contents) = self.files.iter().find(|(name, _)| *name == wanted).unwrap();
            let repaired = self.repaired.iter().find(|(name, _)| *name == wanted);
            (contents, repaired.map_or(&contents.bytes, |(_, bytes)| bytes))
        };
        let fits = match made {
            Made::Something => fs::metadata(&path).unwrap().len() > 0,
            Made::Data if self.is_honest => begins_with(&path, &self.data, size(&self.data)),
            Made::Data => {
                let length = fs::metadata(&path).unwrap().len().try_into().unwrap_or(usize::MAX);
                let start = self.data.get(..length);
                start.is_some_and(|start| {
                    !start.is_empty() && begins_with(&path, start, size(start))
                })
            }
            Made::Start(length) => {
                begins_with(&path, &self.data[..length], size(&self.data[..length]))
            }
            Made::CopyOf(name) => {
                let (contents, right) = input(name);
                begins_with(&path, right, contents.size)
            }
            Made::Repaired => {
                let (contents, right) = input(name);
                begins_with(&path, right, contents.size)
            }
            Made::Blocks => {
                let (contents, right) = input(name);
                let now = start(&path, right.len());
                let mut blocks =
                    now.chunks(4096).zip(contents.bytes.chunks(4096)).zip(right.chunks(4096));
                blocks.all(|((now, old), right)| now == old || now == right)
            }
            Made::SignatureOf(content) => signers::signs(place, name, content),
        };
        (!fits).then(|| format!("{name} is not what it should be"))
    }

    /// What a run has done to files that are none of its outputs.
    fn touched(&self, place: &Path, line: &Line, before: &Listing) -> Option<String> {
        let now = listing(place);
        let is_made = |name: &str| line.makes.iter().any(|(made, _)| *made == name);
        if let Some(name) = now.keys().find(|name| !before.contains_key(*name) && !is_made(name)) {
            return Some(format!("it leaves {name}"));
        }
        let is_same = |name: &str, contents: &Contents| {
            now.get(name) == before.get(name)
                && start(&place.join(name), contents.bytes.len()) == **contents.bytes
        };
        let mut inputs = self.files.iter().filter(|(name, _)| !is_made(name));
        let changed = inputs.find(|(name, contents)| !is_same(name, contents));
        changed.map(|(name, _)| format!("it has changed {name}"))
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap()
}

/// The first bytes of a file, however long it is.
fn start(path: &Path, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path).unwrap();
    file.take(length.try_into().unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn begins_with(path: &Path, bytes: &[u8], size: u64) -> bool {
    fs::metadata(path).unwrap().len() == size && start(path, bytes.len()) == bytes
}

fn listing(place: &Path) -> Listing {
    let entries = fs::read_dir(place).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        let facts = (facts.len(), facts.blocks(), facts.mtime(), facts.mtime_nsec());
        (entry.file_name().into_string().unwrap(), facts)
    });
    entries.collect()
}

/// Runs many cases, a few at a time, and fails with all that is wrong.
#[track_caller]
pub(crate) fn run_all(cases: &[Case]) {
    assert!(cases.iter().any(|case| case.is_honest), "nothing shows that these lines can work");
    let (next, faults) = (Mutex::new(cases.iter().zip(0..)), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let case = next.lock().unwrap().next();
            let Some((case, number)) = case else { return };
            let found = case.run(&mut Prng::new(seed().wrapping_add(number)));
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
