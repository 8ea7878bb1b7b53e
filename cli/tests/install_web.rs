//! Releases from servers that fail, fall silent or lie: that costs time, and nothing else.

use std::process::Stdio;
use std::sync::Arc;

use verity_testdata::pattern::Prng;

use crate::common::web::WebServer;
use crate::common::{Dir, assert_no_leftovers};
use crate::signals::{Impatience, SIGNALS, end, wait_until};

#[path = "hostile/web.rs"]
mod hostile;

use hostile::{ANSWERS, Answer, Published, Web};

const BLOCK: usize = 4096;
const NAMES: [&str; 5] =
    ["new.raw", "new.verity", "new.manifest.json", "new.manifest.json.p7s", "new.verity-sig"];

/// A signed release of 300 blocks, of which `old` has every third, and a slot full of other bytes.
fn release() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    let data = verity_testdata::pattern::sha256_stream(300 * BLOCK);
    let old: Vec<_> = data.chunks(BLOCK).step_by(3).collect();
    dir.write("old", &old.concat());
    dir.write("new.raw", &data);
    dir.ok("build new.raw --key rsa2048.key --certificate rsa2048.cert --seed s --systemd");
    dir.write("slot", &vec![0xa5; 310 * BLOCK]);
    dir.write("tree", &vec![0xa5; 10 * BLOCK]);
    dir.write("sig", &[0xa5; 16 << 10]);
    dir
}

/// From a URL, with a request for each missing block.
fn install(url: &str) -> String {
    format!(
        "install {url} --certificate rsa2048.cert --data-device slot --hash-device tree \
         --signature-device sig --reuse old --bridge 0 --max-requests 3"
    )
}

fn is_vouched(dir: &Dir) -> bool {
    dir.read("tree")[..512] == dir.read("new.verity")[..512]
}

#[track_caller]
fn assert_installed(dir: &Dir) {
    let [slot, tree, sig] = ["slot", "tree", "sig"].map(|name| dir.read(name));
    let is = |device: &[u8], name: &str| {
        let content = dir.read(name);
        assert!(device.starts_with(&content), "{name}");
        assert!(device[content.len()..].iter().all(|byte| *byte == 0), "zeros behind {name}");
    };
    is(&slot, "new.raw");
    is(&tree, "new.verity");
    is(&sig, "new.verity-sig");
}

fn published(dir: &Dir) -> Vec<(&'static str, Published)> {
    let file = |name| {
        let bytes = dir.read(name);
        (name, Published { size: bytes.len() as u64, bytes: Arc::new(bytes) })
    };
    NAMES.map(file).to_vec()
}

/// Makes the slot one that was never written.
fn empty(dir: &Dir) {
    for name in ["slot", "tree", "sig"] {
        let size = dir.read(name).len();
        dir.write(name, &vec![0xa5; size]);
    }
}

/// Whatever a server answers from some request on, for that one or for all that follow: either the
/// release is in the slot in the end, or the slot does not verify, and an honest server goes on
/// where that one left off.
#[test]
fn u15_whatever_a_server_answers_the_slot_has_the_release_or_does_not_verify() {
    let dir = release();
    let honest = Web::new(published(&dir), |_| Answer::Good);
    let mut prng = Prng::new(18);
    let (mut failed, mut done) = (0, 0);
    for answer in ANSWERS {
        for first in [0, prng.below(12), 12 + prng.below(150)] {
            let is_once = prng.one_in(2);
            let server = Web::new(published(&dir), move |number| {
                let is_hit = number == first || number > first && !is_once;
                if is_hit { answer } else { Answer::Good }
            });
            empty(&dir);
            let run = dir.run(&install(&server.url("new.raw")));
            let words = format!("{answer:?} from {first} on, once: {is_once}: {run:?}");
            match run.code {
                0 => done += 1,
                1 | 3 | 4 | 5 | 7 => {
                    assert!(!is_vouched(&dir), "{words}");
                    failed += 1;
                }
                _ => panic!("{words}"),
            }
            // What was written is right: it counts as there.
            dir.ok(&install(&honest.url("new.raw")));
            assert_installed(&dir);
        }
    }
    assert!(failed > 12 && done > 6, "{failed} failed, {done} did not");
    assert_no_leftovers(&dir);
}

/// Each file in turn is not there.
#[test]
fn a_file_that_its_server_has_not_is_named() {
    let dir = release();
    for missing in NAMES {
        let files: Vec<_> = published(&dir).into_iter().filter(|it| it.0 != missing).collect();
        let server = Web::new(files, |_| Answer::Good);
        let run = dir.run(&install(&server.url("new.raw")));
        assert!([4, 5].contains(&run.code), "{missing}: {run:?}");
        assert!(run.stderr.contains(&server.url("new.")), "{missing}: {run:?}");
        assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5), "{missing}: nothing is written");
    }
}

/// The server falls silent at every request in turn: the signal ends the run, the slot does not
/// verify, and the next run goes on.
#[test]
fn a03_a_signal_ends_an_installation_that_waits_for_its_server() {
    let dir = release();
    let files = || NAMES.map(|name| (name, dir.read(name))).to_vec();
    let honest = WebServer::start(files(), usize::MAX);
    dir.ok(&install(&honest.url("new.raw")));
    let all = honest.asked();
    let places = (0..12).chain([all / 2, all - 1]);
    for (number, answered) in places.filter(|&it| it < all).enumerate() {
        let (signal, code) = SIGNALS[number % 2];
        empty(&dir);
        let server = WebServer::start(files(), answered);
        let mut command = dir.command();
        command.args(install(&server.url("new.raw")).split_whitespace());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("no request comes", || server.is_silent());
        let ended = end(child, signal, [Impatience::Once, Impatience::Twice][number / 2 % 2]);
        assert_eq!(ended, code, "silent after {answered}");
        assert!(!is_vouched(&dir), "silent after {answered}");
    }
    dir.ok(&install(&honest.url("new.raw")));
    assert_installed(&dir);
    assert_no_leftovers(&dir);
}

/// The command is killed while all its requests wait: what came before is in the slot, and counts.
#[test]
fn u02_a_killed_installation_fetches_again_only_what_was_on_its_way() {
    let dir = release();
    let files = || NAMES.map(|name| (name, dir.read(name))).to_vec();
    let honest = WebServer::start(files(), usize::MAX);
    let again = install(&honest.url("new.raw"));
    let dry = dir.run(&format!("{again} --dry-run --json")).json();
    // All but those for data, each of which is for two blocks.
    let others = honest.asked();
    assert_eq!((&dry["missing"], &dry["requests"]), (&200.into(), &100.into()));
    for answered in [0, 1, 40, 97] {
        empty(&dir);
        let server = WebServer::start(files(), others + answered);
        let mut command = dir.command();
        command.args(install(&server.url("new.raw")).split_whitespace());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Who asks for more has written what came.
        wait_until("no three requests wait", || server.asked() >= others + answered + 3);
        assert_eq!(end(child, "KILL", Impatience::Once), 128 + 9);
        assert!(!is_vouched(&dir));

        let said = dir.run(&format!("{again} --json")).json();
        let missing = 200 - 2 * answered as u64;
        assert_eq!(said["missing"], missing, "{answered} were answered: {said}");
        assert_eq!(said["request_bytes"], missing * BLOCK as u64);
        // The top hash block alone: it lets a slot verify.
        assert_eq!(said["missing_tree_bytes"], BLOCK);
        assert_installed(&dir);
    }
    assert_no_leftovers(&dir);
}
