//! What a real Linux kernel makes of our images and tables: it maps them and reads every block.
//!
//! One boot of a virtual machine judges all cases, another one mounts root filesystems
//! (`testdata/kernel/README.md`). `VERITY_TEST_SEED` repeats the random ones, `VERITY_KERNEL_CASE`
//! leaves only the cases with this in their names, and `VERITY_KERNEL_DIR` keeps the disks and the
//! console. `target/judge.txt` tells how many cases there were of each kind (`test.sh` shows it),
//! and has a line for each.

mod by_hand;
mod corrupt;
mod image;
mod intact;
mod keys;
mod lint;
mod log;
mod made;
mod messages;
mod mutation;
mod options;
mod parity;
mod rootfs;
mod signed;
mod trial;
mod unpacked;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use verity_testdata::cases;
use verity_testdata::kernel::{Case, ENOENT, Expectation, Kernel};
use verity_testdata::pattern::Prng;

use keys::Keys;
use trial::{Classes, Judged, Trial};

/// How many geometries there are: every algorithm comes that many times twelve.
const GEOMETRIES: usize = 20 * 12;
/// How many geometries with parity there are, beside them.
const PARITY_GEOMETRIES: usize = 3 * 12;
/// How many of both a kernel with all algorithms must map, at the least.
const MAPPED_GEOMETRIES: usize = 220;
/// How many images become corrupt in each way.
const CORRUPTIONS: usize = 4;

/// All trials of one seed.
fn trials(seed: u64, keys: &Keys) -> Vec<Trial> {
    let mut prng = Prng::new(seed);
    let mut trials = intact::trials(GEOMETRIES, &mut prng);
    trials.extend(corrupt::trials(CORRUPTIONS, &mut prng));
    trials.extend(options::trials(&mut prng));
    trials.extend(parity::trials(&mut prng));
    trials.extend(parity::geometries(PARITY_GEOMETRIES, &mut prng));
    trials.extend(signed::trials(&mut prng));
    trials.extend(lint::trials(keys, &mut prng));
    trials
}

/// The classes whose cases are geometries.
const GEOMETRY_CLASSES: [&str; 2] = ["intact", "parity: geometry"];

/// An errno that no table is refused with.
const EINTR: i32 = 4;

/// What every run has at least, whatever the seed.
const CLASSES: [(&str, usize); 53] = [
    ("intact", GEOMETRIES),
    ("intact: sha1", 20),
    ("intact: sha224", 20),
    ("intact: sha256", 20),
    ("intact: sha384", 20),
    ("intact: sha512", 20),
    ("intact: sha3-256", 20),
    ("intact: sha3-384", 20),
    ("intact: sha3-512", 20),
    ("intact: blake2b-256", 20),
    ("intact: blake2b-512", 20),
    ("intact: hash type 0", 60),
    ("intact: hash type 1", 160),
    ("intact: data blocks of 512 bytes", 70),
    ("intact: data blocks of 1024 bytes", 35),
    ("intact: data blocks of 2048 bytes", 35),
    ("intact: data blocks of 4096 bytes", 70),
    ("intact: hash blocks of 512 bytes", 30),
    ("intact: hash blocks of 8192 bytes", 30),
    ("intact: hash blocks of 65536 bytes", 30),
    ("intact: unequal block sizes", 160),
    ("intact: equal block sizes", 40),
    ("intact: salt of 0 bytes", 18),
    ("intact: salt of 256 bytes", 18),
    ("intact: superblock false", 70),
    ("intact: files Three", 100),
    ("intact: files DataWithHash", 100),
    ("corrupt: data block", CORRUPTIONS),
    ("corrupt: hash block of level 0", CORRUPTIONS),
    ("corrupt: hash block of level 1", CORRUPTIONS),
    ("corrupt: top hash block", CORRUPTIONS),
    ("corrupt: wrong root hash", CORRUPTIONS),
    ("corrupt: wrong salt", CORRUPTIONS),
    ("refused: unknown algorithm", 1),
    ("option on an intact image", 9),
    ("option on a corrupt image", 6),
    ("parity: geometry", PARITY_GEOMETRIES),
    ("parity: files One", 7),
    ("parity: hash type 0", 12),
    ("parity: Bit", 60),
    ("parity: Roots", 14),
    ("parity: Block", 13),
    ("parity: Beyond", 5),
    ("parity: HashBlock", 25),
    ("parity: HashBeyond", 5),
    ("parity: blocks of 4096 bytes", 10),
    ("signature: good", 16),
    ("signature: of another root hash", 5),
    ("signature: by an unknown key", 1),
    ("signature: none", 1),
    ("signature: cut short", 1),
    ("signature: required", 3),
    ("signature: in a key that is not given out", 3),
];

/// What is in the names of the cases that are wanted; without it all are.
fn wanted() -> Option<String> {
    std::env::var("VERITY_KERNEL_CASE").ok()
}

/// The one boot that the tests share, with what should be logged of the certificates; none without
/// a kernel.
fn boot() -> Option<&'static (Judged, Vec<String>)> {
    static JUDGED: OnceLock<Option<(Judged, Vec<String>)>> = OnceLock::new();
    let judged = JUDGED.get_or_init(|| {
        let kernel = Kernel::find()?;
        let seed = cases::seed();
        let keys = Keys::new();
        let mut trials = trials(seed, &keys);
        match wanted() {
            Some(part) => trials.retain(|trial| trial.case.name.contains(&part)),
            None => {
                Classes::of(&trials).expect(&CLASSES);
                if keys.openssl {
                    Classes::of(&trials).expect(&lint::CLASSES);
                }
            }
        }
        if trials.is_empty() {
            return None;
        }
        let judged = Judged::by(&kernel, trials, &keys.certificates())?;
        judged.report(seed);
        Some((judged, lint::loading(&keys)))
    });
    judged.as_ref()
}

fn judged() -> Option<&'static Judged> {
    boot().map(|(judged, _)| judged)
}

#[test]
fn the_kernel_does_what_is_expected() {
    let Some(judged) = judged() else { return };
    geometries_are_mapped(judged);
    let mut wrong = Vec::new();
    for (trial, expected, verdict) in judged.results() {
        if let Err(difference) =
            expected.check(verdict).and_then(|()| trial.log.check(&verdict.log))
        {
            let key =
                trial.case.key.iter().map(|key| format!("\n  key: {}", hex::encode(&key.payload)));
            let (name, table, key) = (&trial.case.name, &trial.case.table, key.collect::<String>());
            wrong.push(format!("{name}: {difference}\n  table: {table}{key}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// Enough of them, whatever algorithms the kernel lacks.
fn geometries_are_mapped(judged: &Judged) {
    let is_geometry =
        |trial: &Trial| trial.classes.iter().any(|name| GEOMETRY_CLASSES.contains(&name.as_str()));
    let geometries = judged.results().filter(|(trial, _, _)| is_geometry(trial));
    let mapped = geometries.filter(|(_, _, verdict)| verdict.table == 0).count();
    println!(
        "{mapped} geometries are mapped; the kernel lacks these algorithms: {}",
        judged.lacks().join(", ")
    );
    let of_each = (GEOMETRIES + PARITY_GEOMETRIES) / verity::Algorithm::ALL.len();
    let least = MAPPED_GEOMETRIES - of_each * judged.lacks().len();
    assert!(mapped >= least || wanted().is_some(), "{mapped} geometries are mapped");
}

/// A judge that agrees with everything is none.
#[test]
fn wrong_expectations_are_not_met() {
    let Some(judged) = judged() else { return };
    let mut count = 0;
    for (trial, expected, verdict) in judged.results() {
        for (what, wrong) in wrong_ones(&expected) {
            let name = &trial.case.name;
            assert!(wrong.check(verdict).is_err(), "{name}: an expectation with {what} is met");
            count += 1;
        }
        for (what, wrong) in trial.log.wrong_ones() {
            let name = &trial.case.name;
            assert!(wrong.check(&verdict.log).is_err(), "{name}: a log with {what} is met");
        }
    }
    assert!(count >= 2 * judged.trials.len(), "only {count} wrong expectations");
}

/// What differs from an expectation in one thing.
fn wrong_ones(expected: &Expectation) -> Vec<(&'static str, Expectation)> {
    let Expectation::Activated { data, block_size, unreadable, corrupt } = expected else {
        return vec![
            ("another errno", Expectation::Refused(EINTR)),
            ("a device", Expectation::intact(&[0; 512], 512)),
        ];
    };
    let of = |data: &[u8], unreadable: &BTreeSet<u64>| {
        let unreadable = unreadable.iter().copied();
        Expectation::without(data, *block_size, unreadable).corrupt(*corrupt)
    };
    let size = usize::try_from(*block_size).unwrap();
    let last = u64::try_from(data.len() / size).unwrap() - 1;
    let mut other = unreadable.clone();
    if !other.remove(&last) {
        other.insert(last);
    }
    let mut wrong = vec![
        ("an errno", Expectation::Refused(ENOENT)),
        ("another status", expected.clone().corrupt(!corrupt)),
        ("other unreadable blocks", of(data, &other)),
        ("fewer blocks", of(&data[..data.len() - size], unreadable)),
    ];
    if !unreadable.contains(&last) {
        let mut bytes = data.clone();
        *bytes.last_mut().unwrap() ^= 1;
        wrong.push(("another byte", of(&bytes, unreadable)));
    }
    wrong
}

/// Which of them the kernel takes into its keyring, and with which error it does not; and another
/// answer is noticed.
#[test]
fn certificates_are_loaded_as_the_lint_says() {
    let Some((judged, expected)) = boot() else { return };
    if let Err(wrong) = log::check_certificates(expected, judged.boot()) {
        panic!("{wrong}");
    }
    for index in 0..expected.len() {
        let other = if expected[index] == log::of_certificate(None) { Some(EINTR) } else { None };
        let (mut wrong, mut less) = (expected.clone(), expected.clone());
        wrong[index] = log::of_certificate(other);
        less.remove(index);
        assert!(log::check_certificates(&wrong, judged.boot()).is_err(), "{index}: {other:?}");
        assert!(log::check_certificates(&less, judged.boot()).is_err(), "{index} less");
    }
}

/// What our options say is what the machine does; and a machine that does not come to its end is a
/// failure.
#[test]
fn the_machine_can_end_at_a_corrupt_block() {
    let Some(kernel) = Kernel::find() else { return };
    let [panic, restart] = options::ends_of_the_machine(&mut Prng::new(1));
    let words = failure(&kernel, panic);
    assert!(words.contains("Kernel panic - not syncing: dm-verity device corrupted"), "{words}");
    let words = failure(&kernel, restart);
    assert!(words.contains("reboot: Restarting system with command 'dm-verity device"), "{words}");
}

/// What the judge says of a machine that it could not bring to its end.
fn failure(kernel: &Kernel, case: Case) -> String {
    let judge = || kernel.judge(&case.name, std::slice::from_ref(&case), &[]);
    let payload = std::panic::catch_unwind(judge).expect_err("the machine has ended early");
    payload.downcast_ref::<String>().expect("words").clone()
}
