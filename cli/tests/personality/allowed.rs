//! What may differ from the original, and why.

use super::judge::Judge;
use super::line::Line;
use super::world::{Outcome, Template};

/// How two runs compare.
pub(crate) enum Verdict {
    Equal,
    /// They differ as they may, for this reason.
    Allowed(&'static str),
    Different(String),
}

/// A pair of runs that differ.
struct Pair<'a> {
    line: &'a Line,
    is_older: bool,
    theirs: &'a Outcome,
    ours: &'a Outcome,
    template: &'a Template,
}

/// A difference that may be.
type Rule = (&'static str, fn(&Pair<'_>) -> bool);

/// Every difference that may be, with its reason; `docs/VERITYSETUP.md` tells users of them.
const RULES: &[Rule] = &[
    ("a failed run leaves no new file, and old ones as they were", |pair| {
        pair.says_the_same() && pair.failed_cleanly()
    }),
    ("-q and --batch-mode are taken, as the manual page has it", |pair| {
        let is_it = |said: &str| said.starts_with("U -q") || said.starts_with("U --batch-mode");
        is_it(&pair.theirs.stderr)
    }),
    ("2.6 does not know --error-as-corruption and --shared", |pair| {
        let is_new = |option: &str| pair.theirs.stderr.starts_with(&format!("U {option}"));
        let is_unknown = pair.theirs.stderr.ends_with(": unknown option\n");
        pair.is_older && is_unknown && (is_new("--error-as-corruption") || is_new("--shared"))
    }),
    ("2.6 does not look at names before it opens devices", |pair| {
        let is_name = |line| pair.ours_say(line);
        let is_name =
            is_name("Name must not contain '/' character.") || is_name("Name is too long.");
        pair.is_older && is_name && pair.ours.code == Some(1)
    }),
    ("a root hash file that cannot be read is a failure", |pair| {
        let said = "Cannot read root hash file ";
        pair.theirs.code == Some(0)
            && pair.ours.code == Some(1)
            && pair.errors_alike()
            && pair.ours.stderr.starts_with(said)
    }),
    ("a corrupt hash block is told by its own position, and its data is not blamed", |pair| {
        let is_found = |outcome: &Outcome| {
            let mut lines = outcome.stderr.lines();
            let first = lines.next().unwrap_or_default();
            let has_place = first.starts_with("Verification failed at position ")
                || first.starts_with("Spare area is not zeroed at position ");
            has_place && lines.next() == Some("Verification of data area failed.")
        };
        // Which round it was that cannot be repaired is not told either, see below.
        let rest = |outcome: &Outcome| -> Vec<String> {
            let lines = outcome.stderr.lines().skip(1);
            let told = lines.filter(|line| !line.starts_with("Failed to repair parity for block "));
            told.map(str::to_owned).collect()
        };
        pair.theirs.code == pair.ours.code
            && is_found(pair.theirs)
            && is_found(pair.ours)
            && rest(pair.theirs) == rest(pair.ours)
    }),
    ("a gap before parity need not be there", |pair| {
        pair.theirs.stderr.starts_with("Failed to read RS block ") && pair.ours.code == Some(0)
    }),
    ("which round cannot be repaired is not told", |pair| {
        let said = pair.theirs.stderr.lines();
        let said = said.filter(|line| !line.starts_with("Failed to repair parity for block "));
        pair.theirs.code == pair.ours.code && said.eq(pair.ours.stderr.lines())
    }),
    ("a hash file that is cut short is not made longer by verify", |pair| {
        (pair.line.names("cut") || pair.line.names("e"))
            && pair.failed_cleanly()
            && pair.ours_say("Verification of data area failed.")
    }),
    ("a FEC offset off the grid of blocks is refused", |pair| {
        pair.failed_cleanly()
            && pair.ours_say("Unsupported VERITY FEC offset.")
            && pair.theirs.code == Some(0)
    }),
    ("a hash offset off the grid of hash blocks is refused, not rounded down", |pair| {
        pair.line.has("--no-superblock")
            && pair.failed_cleanly()
            && pair.ours_say("Unsupported VERITY hash offset.")
    }),
    ("algorithms that the kernel's verity does not find are refused", |pair| {
        let is_one = |name| pair.ours_say(&format!("Hash algorithm {name} not supported."));
        pair.failed_cleanly() && (is_one("md5") || is_one("sha-256"))
    }),
    ("a FEC device that cannot be one is a wrong device, not a lack of memory", |pair| {
        pair.theirs.code == Some(3) && pair.ours.code == Some(4) && pair.errors_alike()
    }),
    ("parity is refused within the tree", |pair| {
        pair.failed_cleanly() && pair.ours_say("Hash area overlaps with FEC area.")
    }),
    ("sizes beyond 64 bits are refused before anything else is looked at", |pair| {
        let is_beyond = pair.ours.stderr == "Device offset overflow.\n";
        pair.failed_cleanly() && pair.theirs.code != Some(0) && is_beyond
    }),
];

/// Compares what a line did, with both outcomes in one form.
pub(crate) fn compare(
    line: &Line,
    judge: &Judge,
    template: &Template,
    theirs: &Outcome,
    ours: &Outcome,
) -> Verdict {
    let (mut theirs, mut ours) = (normal(theirs, judge.is_older()), normal(ours, false));
    without_random(&mut theirs, &mut ours);
    let (theirs, ours) = (&theirs, &ours);
    if theirs == ours {
        return Verdict::Equal;
    }
    let pair = Pair { line, is_older: judge.is_older(), theirs, ours, template };
    // Nothing excuses a check that writes.
    if line.names("verify") && ours.files != template.files() {
        return Verdict::Different(pair.told());
    }
    match RULES.iter().find(|(_, is_so)| is_so(&pair)) {
        Some((reason, _)) => Verdict::Allowed(reason),
        None => Verdict::Different(pair.told()),
    }
}

/// An outcome without what differs from run to run, or is in words of its own.
fn normal(outcome: &Outcome, is_older: bool) -> Outcome {
    let mut normal = outcome.clone();
    normal.stdout = lines(&outcome.stdout).filter(|line| !line.starts_with("# ")).collect();
    if is_older {
        normal.stdout = normal.stdout.lines().map(|line| newer_label(line) + "\n").collect();
    }
    if outcome.stdout.starts_with("veritysetup ") {
        normal.stdout = "the version\n".to_owned();
    }
    if outcome.stderr.starts_with("Usage: ") {
        // The message stands below the usage, in a line of its own.
        let last = outcome.stderr.lines().next_back().unwrap_or_default();
        let is_usage = last.starts_with([' ', '\t']) || last.starts_with("Usage: ");
        normal.stderr = if is_usage { "the usage\n".to_owned() } else { format!("U {last}\n") };
    }
    normal
}

/// Takes random salts and UUIDs, and what follows from them, out of two outcomes.
fn without_random(theirs: &mut Outcome, ours: &mut Outcome) {
    let differs = |label| value(theirs, label) != value(ours, label);
    if !theirs.stdout.contains("Root hash:") || !ours.stdout.contains("Root hash:") {
        return;
    }
    let (has_random_uuid, has_random_salt) = (differs("UUID:"), differs("Salt:"));
    if !has_random_uuid && !has_random_salt {
        return;
    }
    for outcome in [theirs, ours] {
        let kept = lines(&outcome.stdout).map(|line| {
            let is_random = (has_random_uuid && line.starts_with("UUID:"))
                || (has_random_salt
                    && (line.starts_with("Salt:") || line.starts_with("Root hash:")));
            // As long as before, at least.
            if is_random { format!("{} characters\n", line.len()) } else { line }
        });
        outcome.stdout = kept.collect();
        for content in outcome.files.values_mut() {
            content.bytes = content.bytes.len().to_string().into_bytes();
        }
    }
}

/// What stands behind a label.
fn value(outcome: &Outcome, label: &str) -> Option<String> {
    let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(label));
    line.map(|value| value.trim().to_owned())
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("{line}\n"))
}

/// A line of 2.6 as 2.8 prints it.
fn newer_label(line: &str) -> String {
    if line.starts_with("VERITY header information for ") {
        return format!("{line}.");
    }
    if line.starts_with("Data block size:") || line.starts_with("Hash block size:") {
        return format!("{line} [bytes]");
    }
    line.to_owned()
}

impl Pair<'_> {
    /// Whether exit code and both channels are the same.
    fn says_the_same(&self) -> bool {
        self.theirs.code == self.ours.code && self.says_alike()
    }

    /// Whether both channels are the same.
    fn says_alike(&self) -> bool {
        (&self.theirs.stdout, &self.theirs.stderr) == (&self.ours.stdout, &self.ours.stderr)
    }

    /// Whether both say the same on standard error.
    fn errors_alike(&self) -> bool {
        self.theirs.stderr == self.ours.stderr
    }

    /// Whether ours failed and left everything as it was.
    fn failed_cleanly(&self) -> bool {
        self.ours.code != Some(0) && self.ours.files == self.template.files()
    }

    fn ours_say(&self, line: &str) -> bool {
        self.ours.stderr.lines().any(|said| said == line)
    }

    /// What differs, for people.
    fn told(&self) -> String {
        let mut told = String::new();
        if self.theirs.code != self.ours.code {
            told += &format!("  exit {:?}, ours {:?}\n", self.theirs.code, self.ours.code);
        }
        for (channel, theirs, ours) in [
            ("stdout", &self.theirs.stdout, &self.ours.stdout),
            ("stderr", &self.theirs.stderr, &self.ours.stderr),
        ] {
            if theirs != ours {
                told += &format!("  {channel} {theirs:?}\n  ours   {ours:?}\n");
            }
        }
        let names = self.theirs.files.keys().chain(self.ours.files.keys());
        let names: std::collections::BTreeSet<_> = names.collect();
        for name in names {
            let (theirs, ours) = (self.theirs.files.get(name), self.ours.files.get(name));
            if theirs != ours {
                told += &format!("  {name}: {theirs:?}, ours {ours:?}\n");
            }
        }
        told
    }
}
