//! What verified reads are to reach, beside what a record shows.

use crate::kernels::VERITY;
use crate::reads::{HASHING, PREAD_RING, VERITY_NO_COPY, VERITY_SLICE};
use crate::record::{FirstRead, Memory, Record, Task};
use crate::statistics::{self, Summary};
use crate::words;

use super::outcome::{Asked, Outcome, Unit};

/// The time of random reads, to the time of those that ring hashes.
const RANDOM_TO_RING: f64 = 1.10;
/// The speed of sequential reads, as a share of the speed of hashing alone.
const SEQUENTIAL_TO_HASHING: f64 = 0.85;
/// The speed of two threads to that of one.
const TWO_TO_ONE: f64 = 1.8;
/// How many bytes of memory a reader may take beside its cache.
const BESIDE_CACHE: u64 = 16 << 20;

/// The targets for which the record has figures.
pub fn outcomes(record: &Record) -> Vec<Outcome> {
    let speeds = [
        random(record),
        sequential(record, VERITY),
        sequential(record, VERITY_NO_COPY),
        sequential(record, VERITY_SLICE),
        two_threads(record, Task::ReadRandom),
        two_threads(record, Task::ReadSequential),
    ];
    let reads = record.reads.iter();
    let bytes = reads.flat_map(|reads| {
        std::iter::once(first_read(&reads.first_read)).chain(reads.memory.iter().map(memory))
    });
    speeds.into_iter().flatten().chain(bytes).collect()
}

fn random(record: &Record) -> Option<Outcome> {
    let row = |contender| record.row(Task::ReadRandom, contender, 1);
    let (ours, ring) = (row(VERITY)?, row(PREAD_RING)?);
    Some(Outcome {
        what: format!("{}, time to {PREAD_RING}", Task::ReadRandom.title()),
        measured: statistics::times_as_fast(&ours.seconds, &ring.seconds)?,
        asked: Asked::AtMost(RANDOM_TO_RING),
        stretch: None,
        unit: Unit::Times,
        threads: 1,
    })
}

fn sequential(record: &Record, contender: &str) -> Option<Outcome> {
    let row = |contender| record.row(Task::ReadSequential, contender, 1);
    let (ours, hashing) = (row(contender)?, row(HASHING)?);
    Some(Outcome {
        what: format!("{}, {contender}, speed to {HASHING}", Task::ReadSequential.title()),
        measured: statistics::times_as_fast(&hashing.seconds, &ours.seconds)?,
        asked: Asked::AtLeast(SEQUENTIAL_TO_HASHING),
        stretch: None,
        unit: Unit::Times,
        threads: 1,
    })
}

fn two_threads(record: &Record, task: Task) -> Option<Outcome> {
    let (one, two) = (record.row(task, VERITY, 1)?, record.row(task, VERITY, 2)?);
    Some(Outcome {
        what: format!("{}, 2 threads to 1", task.title()),
        measured: statistics::times_as_fast(&one.seconds, &two.seconds)?,
        asked: Asked::AtLeast(TWO_TO_ONE),
        stretch: None,
        unit: Unit::Times,
        threads: 2,
    })
}

fn first_read(first: &FirstRead) -> Outcome {
    let [least, most] = [first.least, first.most].map(|bytes| bytes as f64);
    Outcome {
        what: "first read of a reader, bytes to those of the path".to_owned(),
        measured: Summary { median: f64::midpoint(least, most), least, most },
        asked: Asked::Always(first.path as f64),
        stretch: None,
        unit: Unit::Bytes,
        threads: 1,
    }
}

fn memory(memory: &Memory) -> Outcome {
    let Memory { cache, peak, threads } = *memory;
    let peak = peak as f64;
    let (cache_size, threads_word) = (words::mebibytes(cache as f64), words::threads(threads));
    Outcome {
        what: format!("memory, {threads_word}, bound of the cache {cache_size} MiB"),
        measured: Summary { median: peak, least: peak, most: peak },
        asked: Asked::AtMost((cache + BESIDE_CACHE) as f64),
        stretch: None,
        unit: Unit::Mebibytes,
        threads: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record::load(&crate::sample_record()).unwrap()
    }

    fn told(record: &Record) -> Vec<String> {
        outcomes(record).iter().map(|outcome| format!("{outcome:?}")).collect()
    }

    #[test]
    fn every_target_is_judged_by_the_figure_that_it_names() {
        assert_eq!(
            told(&sample()),
            [
                "reads of 4 KiB at random, time to pread + ring: 1.05 (1.00-1.05), at most 1.10: \
                 reached",
                "reads of 128 KiB in order, verity, speed to hashing alone: 0.75 (0.75-0.75), at \
                 least 0.85: missed",
                "reads of 128 KiB in order, verity of a slice, speed to hashing alone: 0.80 \
                 (0.80-0.80), at least 0.85: missed",
                "reads of 4 KiB at random, 2 threads to 1: 2.00 (1.60-2.00), at least 1.80: \
                 reached",
                "reads of 128 KiB in order, 2 threads to 1: 1.60 (1.60-1.60), at least 1.80: \
                 missed",
                "first read of a reader, bytes to those of the path: 16384 bytes, 16384 bytes: \
                 reached",
                "memory, 2 threads, bound of the cache 4.0 MiB: 9.0 MiB, at most 20.0 MiB: reached",
                "memory, 2 threads, bound of the cache 34.0 MiB: 51.0 MiB, at most 50.0 MiB: \
                 missed",
            ]
        );
    }

    #[test]
    fn one_byte_more_than_the_path_in_one_read_is_too_many() {
        let mut record = sample();
        record.reads.as_mut().unwrap().first_read.most += 1;
        let first_read = told(&record).remove(5);
        assert!(
            first_read.ends_with(": 16384 bytes-16385 bytes, 16384 bytes: missed"),
            "{first_read}"
        );
    }

    #[test]
    fn what_was_not_measured_has_no_target() {
        let record = Record { reads: None, rows: Vec::new(), ..sample() };
        assert!(outcomes(&record).is_empty());
    }
}
