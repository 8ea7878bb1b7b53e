//! Killed and concurrent runs: a set of files is the old one, the new one, or refused; never a
//! mixture.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{self, ended, memory_tempdir, run, verity, word};
use crate::images::set::{self, Set};
use tempfile::TempDir;
use verity_testdata::pattern::Prng;
use verity_testdata::{files, oracle};

type Contents = BTreeMap<String, Vec<u8>>;

/// Every call that changes what a file system holds; a kill strikes before the call is made.
const CALLS: [&str; 7] = [
    "flock",
    "ftruncate",
    "pwrite64",
    "write",
    "fsync",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
];

/// C01: the first build.
#[test]
fn c01_a_killed_first_build() {
    Sweep::new(|_| {}).run(|set| set.build("rsa2048", "new"));
}

/// C01, M6: a build over an older set, which has no parity.
#[test]
fn c01_a_killed_build_over_an_old_set() {
    Sweep::new(build_old).run(|set| {
        let mut build = set.build("rsa2048", "new");
        build.args(["--fec-roots", "2"]);
        build
    });
}

/// M6: a build that takes the old signatures away.
#[test]
fn c01_a_killed_unsigned_build_over_a_signed_set() {
    Sweep::new(build_old).run(|set| set.build_unsigned("new"));
}

fn build_old(set: &Set) {
    run(&mut set.build("rsa2048", "old")).expect(0);
}

/// Kills a build at every call that matters, each time from the same beginning.
struct Sweep {
    dir: TempDir,
    begin: fn(&Set),
}

impl Sweep {
    fn new(begin: fn(&Set)) -> Sweep {
        let dir = memory_tempdir();
        files::write(&dir.path().join("image"), &Prng::new(3).bytes(300 * 4096));
        Sweep { dir, begin }
    }

    fn run(&self, build: fn(&Set) -> Command) {
        let Some(strace) = oracle::require("strace") else { return };
        let old = self.contents(self.begin);
        let new = self.contents(|set| drop(run(&mut build(set)).expect(0)));
        let (mut kills, mut refused) = (0, 0);
        for calls in CALLS {
            for number in 1.. {
                let set = self.set("killed");
                (self.begin)(&set);
                let inject = format!("inject={calls}:signal=KILL:when={number}");
                let survived = run(&mut traced(&strace, &inject, &build(&set))).code == 0;
                let when = format!("killed at call {number} of {calls}");
                refused += u32::from(!passes(&set, &[&old, &new], &when));
                mend(&set, build, &new, &when);
                if survived {
                    break;
                }
                kills += 1;
            }
        }
        // Every file is locked, written, synced and renamed; in between the set is incomplete.
        assert!(kills >= 20 && refused >= 3, "only {kills} kills, {refused} sets were refused");
    }

    /// What a set consists of after `make`.
    fn contents(&self, make: impl Fn(&Set)) -> Contents {
        let set = self.set("contents");
        make(&set);
        set.contents()
    }

    fn set(&self, name: &str) -> Set {
        let dir = self.dir.path().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        Set::new(&self.dir.path().join("image"), &dir)
    }
}

fn traced(strace: &Path, inject: &str, build: &Command) -> Command {
    let mut command = Command::new(strace);
    command.args(["-f", "-o", "/dev/null", "-e", inject]).arg(build.get_program());
    command.args(build.get_args()).args(["--threads", "1"]);
    command
}

/// Whether `check` passes, which only a whole set may; everything else is refused, and not by an
/// accident.
fn passes(set: &Set, whole: &[&Contents], when: &str) -> bool {
    let checked = run(&mut set.check("rsa2048"));
    if checked.code != 0 {
        let refused = [1, 3, 4, 5].contains(&checked.code);
        assert!(refused, "{when}: {}", checked.words());
        return false;
    }
    let mut found = set.contents();
    found.retain(|name, _| !name.starts_with('.'));
    assert!(whole.contains(&&found), "{when}: check passes on {:?}", found.keys());
    true
}

/// The next build makes it whole, and leaves nothing else behind.
fn mend(set: &Set, build: fn(&Set) -> Command, new: &Contents, when: &str) {
    run(&mut build(set)).expect(0);
    let found = set.contents();
    assert!(found.keys().eq(new.keys()), "{when}, then built again: {:?}", found.keys());
    assert!(found == *new, "{when}, then built again: other bytes");
}

/// X01: of builds on one output some are told that it is busy, and what is left is a whole set.
#[test]
fn x01_concurrent_builds() {
    let dir = memory_tempdir();
    let image = dir.path().join("image");
    files::write(&image, &Prng::new(9).bytes(300 * 4096));
    let set = Set::new(&image, &dir.path().join("set"));
    let mut busy = 0;
    for round in 0..20 {
        let commands = (0..8).map(|number| set.build("rsa2048", &format!("{round} {number}")));
        let codes: Vec<i32> = at_once(commands.collect()).iter().map(|ended| ended.code).collect();
        assert!(codes.contains(&0), "round {round}: {codes:?}");
        assert!(codes.iter().all(|code| [0, 7].contains(code)), "round {round}: {codes:?}");
        busy += codes.iter().filter(|code| **code == 7).count();
        run(&mut set.check("rsa2048")).expect(0);
        assert_eq!(set.contents().len(), set::SUFFIXES.len(), "{:?}", set.contents().keys());
    }
    assert!(busy > 0, "no run ever met another");
}

/// E9, X01: the same for `format`: the file is whole, and belongs to a run that said that it had
/// made it.
#[test]
fn x01_concurrent_formats() {
    let dir = memory_tempdir();
    let [data, hash] = ["data", "hash"].map(|name| word(&dir.path().join(name)));
    files::write(Path::new(&data), &Prng::new(9).bytes(300 * 4096));
    for round in 0..20 {
        let commands = (0..8).map(|number| {
            verity(&["format", &data, &hash, "--json", "--seed", &format!("{round} {number}")])
        });
        let mut roots = Vec::new();
        for ended in at_once(commands.collect()) {
            match ended.code {
                0 => roots.push(ended.string("root_hash")),
                _ => drop(ended.expect(7)),
            }
        }
        let verified = roots
            .iter()
            .filter(|root| run(&mut verity(&["verify", &data, &hash, root])).code == 0)
            .count();
        assert_eq!(verified, 1, "round {round}: of {} root hashes", roots.len());
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "nothing but data and hash");
    }
}

/// Starts all, then waits for all.
fn at_once(mut commands: Vec<Command>) -> Vec<command::Ended> {
    let start = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = commands.iter_mut().map(start).collect();
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    commands.iter().zip(outputs).map(|(command, output)| ended(command, &output)).collect()
}
