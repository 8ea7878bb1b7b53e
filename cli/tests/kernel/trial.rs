//! Cases with what they should come to, and how many there are of each class.

use std::collections::BTreeMap;
use std::fmt;

use verity::Algorithm;
use verity_testdata::kernel::{Case, ENOENT, Expectation, Judgement, Kernel, Verdict};

use super::image::Image;
use super::log::Log;

/// A case, its classes, and what it should come to where the kernel has the hash algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) classes: Vec<String>,
    pub(crate) case: Case,
    /// What is logged about signatures.
    pub(crate) log: Log,
    algorithm: Algorithm,
    expected: Expectation,
}

impl Trial {
    pub(crate) fn new(image: &Image, class: &str, case: Case, expected: Expectation) -> Trial {
        let algorithm = image.params.algorithm();
        let (classes, log) = (vec![class.to_owned()], Log::default());
        Trial { classes, case, log, algorithm, expected }
    }

    /// This trial, with these lines about signatures in the log.
    pub(crate) fn logs(self, log: Log) -> Trial {
        Trial { log, ..self }
    }

    /// This trial, counted in these classes too.
    pub(crate) fn also(mut self, classes: impl IntoIterator<Item = String>) -> Trial {
        self.classes.extend(classes);
        self
    }
}

/// Trials and what the kernel said.
pub(crate) struct Judged {
    pub(crate) trials: Vec<Trial>,
    judgement: Judgement,
}

impl Judged {
    pub(crate) fn by(
        kernel: &Kernel,
        trials: Vec<Trial>,
        certificates: &[Vec<u8>],
    ) -> Option<Judged> {
        let cases: Vec<_> = trials.iter().map(|trial| trial.case.clone()).collect();
        Some(Judged { judgement: kernel.judge("cases", &cases, certificates)?, trials })
    }

    /// Writes what can be told of any run: the seed, how many cases there were of each class and
    /// with each errno, and behind an empty line a line for each case.
    pub(crate) fn report(&self, seed: u64) {
        let mut errnos = BTreeMap::<i32, usize>::new();
        self.judgement.verdicts.iter().for_each(|one| *errnos.entry(one.table).or_default() += 1);
        let (release, count) = (&self.judgement.release, self.trials.len());
        let mut text = format!("VERITY_TEST_SEED={seed}\nLinux {release} judges {count} cases\n");
        text += &Classes::of(&self.trials).to_string();
        for (errno, count) in errnos {
            text += &match errno {
                0 => format!("{count:5}  tables that are taken\n"),
                errno => format!("{count:5}  tables that are refused with errno {errno}\n"),
            };
        }
        text += "\n";
        for (trial, verdict) in self.trials.iter().zip(&self.judgement.verdicts) {
            text += &format!("{}: {verdict}\n", trial.case.name);
        }
        println!("{text}");
        let target = verity_testdata::workspace().join("target");
        std::fs::create_dir_all(&target).unwrap();
        std::fs::write(target.join("judge.txt"), text).unwrap();
    }

    /// What the kernel logged before the first case.
    pub(crate) fn boot(&self) -> &[String] {
        &self.judgement.boot
    }

    /// The algorithms of ours that the kernel has not, by name.
    pub(crate) fn lacks(&self) -> Vec<&'static str> {
        let names = Algorithm::ALL.iter().map(|algorithm| algorithm.name());
        names.filter(|name| !self.judgement.algorithms.contains(*name)).collect()
    }

    /// What each trial should have come to, and what it came to.
    pub(crate) fn results(&self) -> impl Iterator<Item = (&Trial, Expectation, &Verdict)> {
        let judgement = &self.judgement;
        self.trials.iter().zip(&judgement.verdicts).map(|(trial, verdict)| {
            let known = judgement.algorithms.contains(trial.algorithm.name());
            let expected =
                if known { trial.expected.clone() } else { Expectation::Refused(ENOENT) };
            (trial, expected, verdict)
        })
    }
}

/// How many trials there are of each class.
#[derive(Debug, Default)]
pub(crate) struct Classes(BTreeMap<String, usize>);

impl Classes {
    pub(crate) fn of(trials: &[Trial]) -> Classes {
        let mut classes = Classes::default();
        for class in trials.iter().flat_map(|trial| &trial.classes) {
            *classes.0.entry(class.clone()).or_default() += 1;
        }
        classes
    }

    /// Refuses a run in which there are fewer of a class.
    pub(crate) fn expect(&self, least: &[(&str, usize)]) {
        for (class, least) in least {
            let count = self.0.get(*class).copied().unwrap_or(0);
            assert!(count >= *least, "{class}: {count} cases, not {least}\n{self}");
        }
    }
}

impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(class, count)| writeln!(f, "{count:5}  {class}"))
    }
}
