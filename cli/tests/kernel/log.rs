//! What the kernel writes into its log about signatures: every line of it is predicted, in order,
//! as often as it comes.
//!
//! Compared is how a line begins, as the lint tells it: what follows are numbers that are others in
//! another release. Lines about other things are passed over, and `PKCS7: Unknown OID`, of which
//! the lint says nothing: which identifiers a release knows beside those that matter is its own
//! affair. The kernel limits how often it writes about corrupt blocks, but not about signatures.

use std::collections::BTreeSet;

use verity_sign::lint::{EnrolledCertificate, KernelError, Lint, Report};

/// How every line begins that is about signatures: those of `crypto/asymmetric_keys`, `certs` and
/// dm-verity.
const FAMILY: [&str; 7] = [
    "PKCS7: ",
    "PKCS#7 ",
    "X.509: ",
    "Unsupported digest algo",
    "Unsupported pkey algo",
    REFUSED,
    NO_KEY,
];
const UNKNOWN: &str = "PKCS7: Unknown OID: ";
const REFUSED: &str = "verity: Root hash verification failed";
const NO_KEY: &str = "verity: DM Verity Sig Verification";
/// What device-mapper puts before the words of a target; the numbers of the device follow.
const TABLE: &str = "device-mapper: table: ";
/// A message of which the kernel writes two lines. The second one is the lint's.
const BEFORE: [&str; 2] =
    ["PKCS7: Data already supplied", "PKCS#7 signature with non-detached data"];

/// How the lines begin that a case leaves in the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Vec<String>);

impl Log {
    /// Of a signature that does not do, or is not there.
    pub(crate) fn refused(error: &str) -> Log {
        Log(vec![format!("{REFUSED} (-{error})")])
    }

    /// Of a key that the kernel does not give out.
    pub(crate) fn no_key(error: &str) -> Log {
        Log(vec![format!("{NO_KEY} Invalid key specified (-{error})")])
    }

    /// Of a signature in a key, after the lint. dm-verity looks twice: the keyrings that it asks
    /// first hold none of these keys, and only for want of a key, or if another is meant, it goes
    /// on to `.platform`.
    pub(crate) fn predicted(
        root_hash: &str,
        platform: &[EnrolledCertificate],
        signature: &[u8],
    ) -> Log {
        let lint = Lint::new().root_hash(root_hash);
        let first = lint.keyring(&[]).run(signature);
        let second = lint.platform_keyring(platform).run(signature);
        if second.refusal().is_some_and(|point| point.name() == "size") {
            return Log::default(); // No key holds it: nothing is looked at.
        }
        let mut lines = of_one_look(&first);
        if matches!(first.error(), Some(KernelError::Nokey | KernelError::Keyrejected)) {
            lines.extend(of_one_look(&second));
        }
        let refused = second.error().map(|error| Log::refused(error.name()));
        lines.extend(refused.unwrap_or_default().0);
        Log(lines)
    }

    /// # Errors
    /// What is otherwise, in words.
    pub(crate) fn check(&self, log: &[String]) -> Result<(), String> {
        let actual: Vec<_> = log.iter().filter_map(|line| about_signatures(line)).collect();
        let mut pairs = self.0.iter().zip(&actual);
        if self.0.len() == actual.len() && pairs.all(|(begin, line)| line.starts_with(begin)) {
            return Ok(());
        }
        let (expected, actual) = (self.0.join("\n  "), actual.join("\n  "));
        Err(format!("it logs\n  {actual}\ninstead of\n  {expected}"))
    }

    /// What to count it as: for each line of its own.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        let (words, refusals): (BTreeSet<_>, BTreeSet<_>) =
            self.0.iter().map(String::as_str).partition(|line| !line.starts_with(REFUSED));
        let silent = words.is_empty() && !refusals.is_empty();
        words.into_iter().chain(silent.then_some("refused without a word"))
    }

    /// What differs in one thing.
    pub(crate) fn wrong_ones(&self) -> Vec<(&'static str, Log)> {
        let changed = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = self.0.clone();
            change(&mut lines);
            Log(lines)
        };
        let mut wrong = vec![("a line more", changed(&|lines| lines.push(REFUSED.to_owned())))];
        for index in 0..self.0.len() {
            wrong.push(("a line less", changed(&|lines| drop(lines.remove(index)))));
            wrong.push(("another line", changed(&|lines| lines[index].push('~'))));
        }
        wrong
    }
}

/// How the kernel's lines about the certificates in `db` begin.
const LOADED: &str = "integrity: Loaded X.509 cert '";
const NOT_LOADED: &str = "integrity: Problem loading X.509 certificate ";

/// How the line about a certificate begins that is loaded, or is not, with this errno.
pub(crate) fn of_certificate(errno: Option<i32>) -> String {
    errno.map_or(LOADED.to_owned(), |errno| format!("{NOT_LOADED}-{errno}"))
}

/// Compares the lines of all certificates, in their order, with what they should be.
///
/// # Errors
/// What is otherwise, in words.
pub(crate) fn check_certificates(expected: &[String], boot: &[String]) -> Result<(), String> {
    let is_one = |line: &&String| line.starts_with(LOADED) || line.starts_with(NOT_LOADED);
    let actual: Vec<_> = boot.iter().filter(is_one).collect();
    let mut pairs = expected.iter().zip(&actual);
    if expected.len() == actual.len() && pairs.all(|(begin, line)| line.starts_with(begin)) {
        return Ok(());
    }
    Err(format!("of certificates it logs {actual:#?} instead of {expected:#?}"))
}

/// What the kernel writes when it looks once, until it stops.
fn of_one_look(report: &Report) -> Vec<String> {
    let refusal = report.refusal();
    let before = report.points().iter().take_while(|point| Some(*point) != refusal);
    let messages = before.chain(refusal).filter_map(|point| point.kernel_message());
    let lines = messages.flat_map(|message| match message == BEFORE[1] {
        true => BEFORE.to_vec(),
        false => vec![message],
    });
    lines.map(str::to_owned).collect()
}

/// The line without what device-mapper puts before it; none if it is about something else.
fn about_signatures(line: &str) -> Option<&str> {
    let words = match line.strip_prefix(TABLE) {
        Some(rest) => rest.split_once(' ')?.1,
        None => line,
    };
    let is_one = FAMILY.iter().any(|begin| words.starts_with(begin)) && !words.starts_with(UNKNOWN);
    is_one.then_some(words)
}

#[test]
fn other_lines_are_passed_over() {
    let of = |lines: &[&str]| lines.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let refused = "device-mapper: table: 253:2: verity: Root hash verification failed (-ENOKEY)";
    let others = [
        "device-mapper: verity: sha256 using shash \"sha256-generic\"",
        "PKCS7: Unknown OID: [46] 1.2.3",
        "device-mapper: table: 253:2: verity: Cannot initialize hash function (-ENOENT)",
        "device-mapper: ioctl: error adding target to table",
    ];
    let said = of(&[&others[..], &[refused]].concat());
    assert_eq!(Log::refused("ENOKEY").check(&said), Ok(()));
    for (_, wrong) in Log::refused("ENOKEY").wrong_ones() {
        wrong.check(&said).unwrap_err();
    }
    Log::default().check(&said).unwrap_err();
    assert_eq!(Log::default().check(&of(&others)), Ok(()));
    for line in ["X.509: x", "PKCS7: Sig 1: x", "PKCS#7 x", "Unsupported pkey algo: 103"] {
        Log::default().check(&of(&[line])).unwrap_err();
    }
}
