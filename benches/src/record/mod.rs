//! What one run of `compare` measured, where, and how: the file that figures and charts come from.
//!
//! `docs/PERFORMANCE.md` describes its fields.

mod regime;
mod task;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::probe::{Calibration, Limit, Probe};
use crate::register_loop::RegisterLoop;
use crate::statistics::Summary;
use crate::{kernels, reads, words};

pub use self::task::{Kind, Task};

/// The shape of the file; a change that older readers would take wrongly makes it one more.
///
/// In 1 there were no probes, and crates had the names that `current_name` knows.
pub const SCHEMA: u32 = 2;

/// The name of the peer that every comparison of commands begins with.
pub const VERITYSETUP: &str = "veritysetup";
/// The name of the builder of `compare` itself, after the way of the strongest peer.
pub const RING_BUILDER: &str = "rayon + ring";
/// Another build of our command, beside ours.
pub const OTHER_VERITY: &str = "other verity";
/// What copies an image, beside our command that does more in one pass.
pub const COPY: &str = "cp, synced";
/// Our command that makes a tree and nothing else.
pub const TREE: &str = "verity format";
/// What makes the digest of a file.
pub const SHA256SUM: &str = "sha256sum";
/// The tools of a script, one after the other.
pub const TOOLS: &str = "cp, synced, then verity format (and sha256sum)";
/// The old content and the slot, read once.
pub const SLOT_READ: &str = "reading the old image and the slot";
/// What changed in a slot, written and synced.
pub const SLOT_WRITE: &str = "writing what changed";
/// A slot, read past the page cache.
pub const DIRECT_READ: &str = "direct reads";
/// Our command beside itself with parity.
pub const WITHOUT_PARITY: &str = "verity without parity";
/// Our command beside repair: the same image, before it was damaged.
pub const VERIFY_INTACT: &str = "verity verify, intact";

/// Everything about one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The shape of the file: [`SCHEMA`].
    pub schema: u32,
    /// When the run ended, as in `2026-11-23 16:27 UTC`.
    pub date: String,
    /// `git describe --always --dirty` of the source.
    pub commit: String,
    /// `rustc -V`.
    pub compiler: String,
    /// The command line with every option, but for paths.
    pub command: String,
    /// Where it ran.
    pub machine: Machine,
    /// Who was measured, in which version.
    pub programs: Programs,
    /// What was hashed.
    pub input: Input,
    /// What could not be measured, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Samples around the runs of commands and reads, if there were any.
    pub register_loop: Option<RegisterLoop>,
    /// By what the probes are judged. Absent in records from before the probe, and on CPUs for
    /// which there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Calibration>,
    /// What the instructions of the core allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What reads were measured on, and what they took beside time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reads>,
    /// What parity was made of and damage repaired in, for each number of roots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parity: Vec<Parity>,
    /// The times.
    pub rows: Vec<Row>,
}

/// Who was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// Whether the command was built from the source here.
    pub verity_built_here: bool,
    /// What another build of the command, measured beside ours, says of its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_verity: Option<String>,
    /// The version of veritysetup, if it was measured.
    pub veritysetup: Option<String>,
    /// The kernel that `tape-sha256` chose, if the crate was compiled in.
    pub tape_sha256: Option<String>,
    /// The crates that are measured, with their versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crates: Vec<String>,
}

/// What was hashed by commands and kernels: random bytes; sha256 or sha512, blocks of 4096 bytes, a
/// salt of 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The size of the input.
    pub bytes: u64,
    /// The seed of the bytes.
    pub seed: u64,
    /// The kind of file system that the image lay on.
    pub file_system: String,
}

/// What reads took that is not time. All sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// The size of the image; its bytes are random, like those of the input.
    pub image: u64,
    /// Single reads, each by a reader that has read nothing before.
    pub first_read: FirstRead,
    /// How much memory readers took, by the bound of their cache.
    pub memory: Vec<Memory>,
}

/// What first reads of one block read from data and hash device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstRead {
    /// How many readers there were.
    pub readers: u64,
    /// The fewest bytes that one read.
    pub least: u64,
    /// The most bytes that one read.
    pub most: u64,
    /// The sizes of the block and of the hash blocks above it.
    pub path: u64,
}

/// The memory of a process that reads all over the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The bound of its cache.
    pub cache: u64,
    /// How many threads read.
    pub threads: usize,
    /// The largest resident memory, less what it was before there was a reader.
    pub peak: u64,
}

/// An image with parity, and its damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parity {
    /// Parity bytes a codeword.
    pub roots: u32,
    /// The size of the image in bytes.
    pub image: u64,
    /// How many blocks are covered, of data and tree.
    pub blocks: u64,
    /// In how many rounds they lie.
    pub rounds: u64,
    /// How many of the blocks were overwritten before each repair, at most as many of a round as
    /// there are roots.
    pub corrupt: usize,
}

/// The times of one contender at one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub task: Task,
    /// Who did it.
    pub contender: String,
    /// The kernel, where there is a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// How many threads it ran on.
    pub threads: usize,
    /// How many bytes of data were hashed, read, encoded or checked each round.
    pub bytes: u64,
    /// How long each round took.
    pub seconds: Vec<f64>,
    /// What was seen around each round. Empty where there is no probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
}

/// Rounds of one contender.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// How long each took.
    pub seconds: Vec<f64>,
    /// What was seen around each, if there is a probe.
    pub probes: Vec<Probe>,
}

impl Row {
    /// A row of a contender that has no choice of kernels.
    pub fn new(
        task: Task,
        contender: &str,
        threads: usize,
        bytes: u64,
        Samples { seconds, probes }: Samples,
    ) -> Row {
        let contender = contender.to_owned();
        Row { task, contender, platform: None, threads, bytes, seconds, probes }
    }

    /// The row with the name of its kernel.
    #[must_use]
    pub fn on(self, platform: Option<&str>) -> Row {
        Row { platform: platform.map(str::to_owned), ..self }
    }

    /// Names contender, kernel and threads, as far as there is a choice.
    pub fn label(&self) -> String {
        let mut label = self.contender.clone();
        if let Some(platform) = &self.platform {
            label = label + " " + platform;
        }
        match self.threads {
            _ if self.task.kind().is_of_one_thread() || self.contender == VERITYSETUP => label,
            threads => format!("{label}, {}", words::threads(threads)),
        }
    }

    /// Whether the row is one of ours.
    pub fn is_ours(&self) -> bool {
        [kernels::VERITY, reads::VERITY_NO_COPY, reads::VERITY_SLICE]
            .contains(&self.contender.as_str())
    }

    /// The row with the smallest median.
    pub fn fastest<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<&'a Row> {
        rows.min_by(|a, b| a.median().total_cmp(&b.median()))
    }

    /// The row with the largest median.
    pub fn slowest<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<&'a Row> {
        rows.max_by(|a, b| a.median().total_cmp(&b.median()))
    }

    /// In seconds; of no rounds, more than any.
    fn median(&self) -> f64 {
        Summary::of(&self.seconds).map_or(f64::INFINITY, |it| it.median)
    }
}

impl Record {
    /// The tasks, in the order in which they were measured.
    pub fn tasks(&self) -> impl Iterator<Item = Task> {
        let tasks = self.rows.chunk_by(|a, b| a.task == b.task);
        tasks.filter_map(|rows| rows.first()).map(|row| row.task)
    }

    /// Rows of a task, in the order of the contenders.
    pub fn rows_of(&self, task: Task) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.task == task)
    }

    /// The row of a peer that a row is held against: with as many threads, or its only one.
    pub fn peer_of(&self, row: &Row, peer: &str) -> Option<&Row> {
        let rows = || self.rows_of(row.task).filter(|candidate| candidate.contender == peer);
        rows().find(|candidate| candidate.threads == row.threads).or_else(|| rows().next())
    }

    /// The row of a contender on so many threads.
    pub fn row(&self, task: Task, contender: &str, threads: usize) -> Option<&Row> {
        self.rows_of(task).find(|row| row.contender == contender && row.threads == threads)
    }

    /// Reads a file that [`Record::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no record of this schema.
    pub fn load(path: &Path) -> Result<Record, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let mut record: Record = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        if !(1..=SCHEMA).contains(&record.schema) {
            return Err(wrong(&format!("schema {}, not 1 to {SCHEMA}", record.schema)));
        }
        record.schema = SCHEMA;
        for row in &mut record.rows {
            row.contender = current_name(&row.contender).to_owned();
        }
        Ok(record)
    }

    /// Writes `MACHINE/DATE.json` under a directory, and beside it `text`, which tells people the
    /// record, as `DATE.txt`. The second record of a day is called `DATE-2`. Returns the path of
    /// the JSON file.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn save(&self, records: &Path, text: &str) -> Result<PathBuf, String> {
        let directory = records.join(&self.machine.name);
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
        fs::create_dir_all(&directory).map_err(|error| wrong(&error))?;
        let (path, mut file) = self.create(&directory).map_err(|error| wrong(&error))?;
        file.write_all(self.json()?.as_bytes()).map_err(|error| wrong(&error))?;
        fs::write(path.with_extension("txt"), text).map_err(|error| wrong(&error))?;
        Ok(path)
    }

    /// Writes the record to a file of that name, which must not be there yet.
    ///
    /// # Errors
    /// If the file is there, or cannot be written.
    pub fn save_as(&self, path: &Path) -> Result<(), String> {
        let wrong = |error: io::Error| format!("{}: {error}", path.display());
        let mut file = File::create_new(path).map_err(wrong)?;
        file.write_all(self.json()?.as_bytes()).map_err(wrong)
    }

    fn json(&self) -> Result<String, String> {
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        Ok(in_few_lines(&json) + "\n")
    }

    /// Creates the file under the first name that is free.
    fn create(&self, directory: &Path) -> io::Result<(PathBuf, File)> {
        let day = self.date.split_whitespace().next().unwrap_or("unknown");
        let later = (2..).map(|number| format!("{day}-{number}"));
        for name in std::iter::once(day.to_owned()).chain(later) {
            let path = directory.join(&name).with_extension("json");
            if path.with_extension("txt").exists() {
                continue;
            }
            match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (path, file)),
            }
        }
        unreachable!("names do not end")
    }
}

/// Pretty JSON with what is deep inside, such as the rounds of a row, on one line.
fn in_few_lines(json: &str) -> String {
    /// Of the fields of a row, by two for each level.
    const DEEP: usize = 6;
    let mut text = String::new();
    for line in json.lines() {
        let word = line.trim_start();
        let depth = line.len() - word.len();
        let is_end = word.starts_with([']', '}']);
        match depth {
            _ if text.is_empty() => {}
            DEEP if is_end => {}
            depth if depth > DEEP && (is_end || text.ends_with(['[', '{'])) => {}
            depth if depth > DEEP => text.push(' '),
            _ => text.push('\n'),
        }
        text.push_str(if text.is_empty() || text.ends_with('\n') { line } else { word });
    }
    text
}

/// The name that a contender of an older record has today: crates once had names that our kernels
/// have too.
fn current_name(name: &str) -> &str {
    match name {
        "sha2" => kernels::SHA2,
        "ring" => kernels::RING,
        "tape-sha256" => kernels::TAPE,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record::load(&crate::sample_record()).unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_none_is_overwritten() {
        let directory = verity_testdata::files::tempdir();
        let mut record = sample();
        let first = record.save(directory.path(), "words").unwrap();
        record.rows.truncate(1);
        let second = record.save(directory.path(), "words").unwrap();
        assert!(first.ends_with("some-cpu-2cpu/2026-11-24.json"));
        assert!(second.ends_with("some-cpu-2cpu/2026-11-24-2.json"));
        assert_eq!(Record::load(&first).unwrap(), sample());
        assert_eq!(Record::load(&second).unwrap(), record);
        assert_eq!(fs::read_to_string(second.with_extension("txt")).unwrap(), "words");
    }

    #[test]
    fn a_record_of_a_later_schema_is_refused() {
        let directory = verity_testdata::files::tempdir();
        let mut record = sample();
        record.schema += 1;
        let path = record.save(directory.path(), "words").unwrap();
        assert!(Record::load(&path).unwrap_err().ends_with("schema 3, not 1 to 2"));
    }

    #[test]
    fn crates_of_older_records_have_the_names_of_today() {
        let text = fs::read_to_string(crate::sample_record()).unwrap();
        assert!(text.contains("\"schema\": 1") && text.contains("\"contender\": \"sha2\""));
        let record = sample();
        assert_eq!(record.schema, SCHEMA);
        for name in [kernels::SHA2, kernels::RING, kernels::TAPE] {
            assert!(record.row(Task::Sha256L2, name, 1).is_some(), "{name}");
        }
    }

    #[test]
    fn rounds_stand_on_one_line() {
        let mut record = crate::probed_record();
        record.judge(None);
        let json = record.json().unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
        let line =
            "\n      \"seconds\": [0.2, 0.2, 0.4, 0.3],\n      \"probes\": [{\"least\": 6.0, ";
        assert!(json.contains(line), "{json}");
        assert!(json.lines().count() < 20 * record.rows.len());
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let directory = verity_testdata::files::tempdir();
        let path = directory.path().join("record.json");
        sample().save_as(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), sample());
        assert!(sample().save_as(&path).unwrap_err().starts_with(&path.display().to_string()));
        assert!(sample().save_as(&directory.path().join("no/such/place")).is_err());
    }

    #[test]
    fn a_row_is_held_against_a_peer_with_as_many_threads() {
        let record = sample();
        let ours = |threads| {
            record
                .rows_of(Task::Format)
                .find(|row| row.is_ours() && row.threads == threads)
                .unwrap()
        };
        let threads = |ours, peer| record.peer_of(ours, peer).map(|row| row.threads);
        assert_eq!(threads(ours(2), RING_BUILDER), Some(2));
        assert_eq!(threads(ours(2), VERITYSETUP), Some(1));
        assert_eq!(threads(ours(2), "nobody"), None);
    }

    #[test]
    fn labels_say_what_there_is_a_choice_of() {
        let record = sample();
        let labels = |task| record.rows_of(task).map(Row::label).collect::<Vec<_>>();
        assert_eq!(
            labels(Task::Format),
            [
                "veritysetup",
                "verity, 1 thread",
                "verity, 2 threads",
                "rayon + ring, 1 thread",
                "rayon + ring, 2 threads"
            ]
        );
        assert_eq!(
            labels(Task::Sha256L2),
            [
                "verity avx512",
                "verity sha-ni",
                "verity portable",
                "crate sha2",
                "crate ring",
                "crate tape-sha256 avx512-16"
            ]
        );
        assert_eq!(
            labels(Task::ReadSequential)[..3],
            ["verity, 1 thread", "verity, 2 threads", "verity of a slice, 1 thread"]
        );
    }
}
