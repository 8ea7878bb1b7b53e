//! Signals, kills, failing storage and runs at the same time: old or new, never torn.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FallocateFlags;

use crate::common::{
    CHECK, Dir, Run, SIGNED_BUILD, assert_no_leftovers, root_hash, wait_until_reading,
};
use verity_testdata::{files, oracle, pattern};

/// So large that hashing takes a while, by the slowest algorithm and on one of however many
/// processors. Holes would not do: they are not read.
const LARGE: u64 = 512 << 20;
const SLOW: [&str; 2] = ["--hash=sha3-512", "--threads=1"];

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits until the run has begun to write its temporary file.
fn wait_for_temporary(dir: &Dir) {
    let begun = Instant::now();
    while !dir.names().iter().any(|name| name.contains("verity-tmp")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", dir.names());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn c02_signals_leave_the_old_file_and_no_temporary_one() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let dir = Dir::new();
        files::dense(&dir.path("data"), LARGE);
        dir.write("hash", b"old");
        let mut child = spawn(dir.command().args(["format", "data", "hash"]).args(SLOW));
        wait_for_temporary(&dir);
        thread::sleep(Duration::from_millis(50));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{name}");
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("interrupted by signal"), "{run:?}");
        assert_eq!(dir.names(), ["data", "hash"]);
        assert_eq!(dir.read("hash"), b"old");
    }
}

#[test]
fn c02_a_signal_leaves_old_parity_too() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), LARGE);
    dir.write("hash", b"old");
    dir.write("fec", b"old parity");
    let mut command = dir.command();
    let mut child =
        spawn(command.args(["format", "data", "hash", "--fec-device", "fec"]).args(SLOW));
    wait_until_reading(&child);
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(dir.names(), ["data", "fec", "hash"]);
    assert_eq!((dir.read("hash"), dir.read("fec")), (b"old".to_vec(), b"old parity".to_vec()));
}

#[test]
fn ignored_signals_stay_ignored() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), LARGE);
    let script = "trap '' HUP; exec \"$0\" format data hash --hash=sha3-512 --threads=1";
    let mut shell = dir.tool("sh");
    let mut child = spawn(shell.args(["-c", script, env!("CARGO_BIN_EXE_verity")]));
    wait_for_temporary(&dir);
    signal(&child, "HUP");
    assert_eq!(child.wait().unwrap().code(), Some(0), "as under nohup");
}

/// Our own writes to a file that holds its own hash area do not hide those of others.
#[test]
fn x06_an_image_that_changes_while_it_gets_its_own_hash_area_is_not_vouched_for() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), 256 << 20);
    let line = "format data data --data-blocks 65536 --hash-offset 256M";
    let mut command = dir.command();
    command.args(line.split(' ')).args(SLOW);
    let mut child = spawn(&mut command);
    wait_until_reading(&child);
    signal(&child, "STOP");
    let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
    file.write_all_at(b"x", 12345).unwrap();
    signal(&child, "CONT");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(fs::metadata(dir.path("data")).unwrap().len(), 256 << 20, "nothing was written");
    dir.fails("dump data --hash-offset 256M", 3, "superblock");
    assert_eq!(dir.names(), ["data"]);
}

/// Parity in the file of the data does not hide the writes of others either.
#[test]
fn x06_an_image_that_changes_while_it_gets_its_own_parity_is_not_vouched_for() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), 256 << 20);
    let line = "format data hash --data-blocks 65536 --fec-device data --fec-offset 256M";
    let mut command = dir.command();
    command.args(line.split(' ')).args(SLOW);
    let mut child = spawn(&mut command);
    wait_until_reading(&child);
    signal(&child, "STOP");
    let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
    file.write_all_at(b"x", 12345).unwrap();
    signal(&child, "CONT");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(fs::metadata(dir.path("data")).unwrap().len(), 256 << 20, "nothing was written");
    assert_eq!(dir.names(), ["data"]);
}

/// Makes a hole of the second half of a file.
fn punch(file: &fs::File) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, LARGE / 2, LARGE / 2)?)
}

#[test]
fn x06_an_image_that_changes_during_the_run_gives_no_output() {
    for change in ["written", "appended", "truncated", "punched"] {
        let dir = Dir::new();
        files::dense(&dir.path("data"), LARGE);
        let mut child = spawn(dir.command().args(["format", "data", "hash"]).args(SLOW));
        wait_for_temporary(&dir);
        signal(&child, "STOP");
        let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
        match change {
            "written" => file.write_all_at(b"x", 12345),
            "appended" => file.set_len(LARGE + 1),
            // Nothing that is known of holes is true any more.
            "punched" => punch(&file),
            _ => file.set_len(100 << 20),
        }
        .unwrap();
        signal(&child, "CONT");
        let code = child.wait().unwrap().code();
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(code, Some(7), "{change}: {run:?}");
        assert_eq!(dir.names(), ["data"], "{change}");
    }
}

#[test]
fn c02_x06_a_verification_that_is_interrupted_or_overtaken_gives_no_verdict() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), LARGE);
    let root = dir.format(SLOW[0]);
    let begin = || {
        let child = spawn(dir.command().args(["verify", "data", "hash", &root, SLOW[1]]));
        wait_until_reading(&child);
        child
    };
    let mut child = begin();
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let mut child = begin();
    signal(&child, "STOP");
    let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
    file.write_all_at(&[0x5a], 99).unwrap();
    signal(&child, "CONT");
    assert_eq!(child.wait().unwrap().code(), Some(7), "even where the bytes are the same");
}

#[test]
fn x01_runs_on_one_output_are_busy_or_complete() {
    let dir = Dir::with_data(2000);
    for _ in 0..20 {
        let children: Vec<_> =
            (0..6).map(|_| spawn(dir.command().args(["format", "data", "hash"]))).collect();
        let runs: Vec<_> =
            children.into_iter().map(|child| Run::of(child.wait_with_output().unwrap())).collect();
        let (done, busy): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.code == 0);
        assert!(busy.iter().all(|run| run.code == 7), "{busy:?}");
        let verified = done.iter().filter(|run| {
            dir.run(&format!("verify data hash {}", root_hash(&run.stdout))).code == 0
        });
        assert_eq!(verified.count(), 1, "the file is that of exactly one run: {done:?}");
        assert_no_leftovers(&dir);
    }
}

#[test]
fn x01_builds_of_one_set_are_busy_or_complete() {
    let dir = Dir::with_signed_set(500);
    for _ in 0..10 {
        let words = SIGNED_BUILD.replace(" --seed test", "");
        let children: Vec<_> =
            (0..4).map(|_| spawn(dir.command().args(words.split(' ')))).collect();
        for child in children {
            let run = Run::of(child.wait_with_output().unwrap());
            assert!(run.code == 0 || run.code == 7, "{run:?}");
        }
        dir.ok(CHECK);
        assert_no_leftovers(&dir);
    }
}

/// Runs the command under strace with a fault in the n-th call of a kind; `None` once there is no
/// n-th.
fn with_fault(dir: &Dir, call: &str, fault: &str, n: u32, line: &str) -> Option<Run> {
    let mut strace = dir.tool("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:{fault}:when={n}")]);
    strace.arg(env!("CARGO_BIN_EXE_verity")).args(line.split(' '));
    Some(Run::of(strace.output().unwrap())).filter(|run| run.code != 0)
}

#[test]
fn e7_c04_failing_syncs_and_renames_are_errors_and_the_old_file_stays() {
    if oracle::require("strace").is_none() {
        return;
    }
    let mut faults = [0; 3];
    let calls = ["fsync,fdatasync", "rename,renameat,renameat2", "ftruncate"];
    for (call, faults) in calls.into_iter().zip(&mut faults) {
        for n in 1..20 {
            let dir = Dir::with_data(300);
            let root = dir.format("--salt 00 --root-hash-file root");
            let line = "format data hash --salt 01 --root-hash-file root";
            let Some(run) = with_fault(&dir, call, "error=EIO", n, line) else { break };
            *faults += 1;
            assert_eq!(run.code, 4, "{call} {n}: {run:?}");
            assert!(!run.stdout.contains("Root hash"), "{call} {n}: {run:?}");
            assert_no_leftovers(&dir);
            // A directory sync comes after the rename: then the new file stands, and the error is
            // told.
            let old = dir.run(&format!("verify data hash {root}")).code == 0;
            let new = dir.ok("dump hash").contains("\t01\n");
            assert!(old != new, "{call} {n}: {run:?}");
        }
    }
    // File and directory, for the hash file and for the root hash file.
    assert!(faults >= [4, 2, 1], "{faults:?}");
}

#[test]
fn e8_c01_kills_during_a_second_format_leave_old_or_new() {
    if oracle::require("strace").is_none() {
        return;
    }
    let dir = Dir::with_data(300);
    let line = "format data hash --salt 01 --uuid a60c98d2-ae9b-4865-bfcb-b4e3ace11033 --threads 1";
    let new = root_hash(&dir.ok(line));
    let mut kills = 0;
    for call in [
        "pwrite64,write",
        "ftruncate",
        "fsync,fdatasync",
        "rename,renameat,renameat2",
        "unlink,unlinkat",
    ] {
        for n in 1..60 {
            let old = dir.format("--salt 00");
            let Some(run) = with_fault(&dir, call, "signal=KILL", n, line) else { break };
            assert_eq!(run.code, 137, "{call} {n}: {run:?}");
            kills += 1;
            let verifies = |root: &str| dir.run(&format!("verify data hash {root}")).code == 0;
            assert!(verifies(&old) != verifies(&new), "{call} {n}");
        }
    }
    assert!(kills > 6, "only {kills} kills");
    dir.ok(line);
    assert_no_leftovers(&dir);
}

#[test]
fn e8_c01_kills_in_place_leave_new_or_nothing_that_verifies() {
    if oracle::require("strace").is_none() {
        return;
    }
    let line = "format disk disk --salt 01 --data-blocks 300 --hash-offset 1228800 --threads 1";
    let mut kills = 0;
    for call in ["pwrite64,write", "fsync,fdatasync", "ftruncate"] {
        for n in 1..60 {
            let dir = Dir::new();
            let data = pattern::sha256_stream(300 * 4096);
            dir.write("disk", &data);
            let old = root_hash(&dir.ok(&line.replace("--salt 01", "--salt 00")));
            let Some(run) = with_fault(&dir, call, "signal=KILL", n, line) else { break };
            assert_eq!(run.code, 137, "{call} {n}: {run:?}");
            kills += 1;
            assert!(dir.read("disk")[..data.len()] == data, "the data is never written");
            let after_old = dir.run(&format!("verify disk disk {old} --hash-offset 1228800")).code;
            let dump = dir.run("dump disk --hash-offset 1228800");
            let untouched = after_old == 0;
            assert!(
                untouched || dump.code == 3 || dump.stdout.contains("\t01\n"),
                "{call} {n}: {dump:?}"
            );
            dir.ok(line);
        }
    }
    assert!(kills > 4, "only {kills} kills");
}

#[test]
fn c01_kills_during_a_build_leave_a_set_that_check_refuses_or_accepts_and_build_mends() {
    if oracle::require("strace").is_none() {
        return;
    }
    let dir = Dir::with_signed_set(300);
    let line = SIGNED_BUILD.replace("--seed test", "--seed other --threads 1");
    let (mut kills, mut refused) = (0, 0);
    for call in ["pwrite64,write", "fsync,fdatasync", "rename,renameat,renameat2"] {
        for n in 1..60 {
            dir.ok(SIGNED_BUILD);
            let Some(run) = with_fault(&dir, call, "signal=KILL", n, &line) else { break };
            assert_eq!(run.code, 137, "{call} {n}: {run:?}");
            kills += 1;
            let check = dir.run(CHECK);
            assert!([0, 1, 4, 5].contains(&check.code), "{call} {n}: {check:?}");
            refused += i32::from(check.code != 0);
        }
    }
    assert!(kills > 10 && refused > 2, "{kills} kills, {refused} refused");
    dir.ok(&line);
    dir.ok(CHECK);
    assert_no_leftovers(&dir);
}

#[test]
fn i04_without_random_bytes_there_is_no_salt_and_no_output() {
    if oracle::require("strace").is_none() {
        return;
    }
    let dir = Dir::with_data(2);
    let mut failures = 0;
    for n in 1..6 {
        let Some(run) =
            with_fault(&dir, "getrandom", "error=EIO", n, "format data hash --threads 1")
        else {
            assert!(
                dir.ok("dump hash")
                    .lines()
                    .any(|line| line.starts_with("Salt:") && line.len() > 60)
            );
            fs::remove_file(dir.path("hash")).unwrap();
            continue;
        };
        failures += u32::from(run.code == 4 && run.stderr.contains("random"));
        assert!(!dir.exists("hash"), "{run:?}");
    }
    assert!(failures > 0, "getrandom failed for salt or uuid at least once");
}

#[test]
fn c06_a_file_size_limit_is_an_error_like_any_other() {
    let dir = Dir::with_data(3000);
    dir.write("hash", b"old");
    // 64 blocks of 512 bytes: less than the hash area.
    let script = "ulimit -f 64; exec \"$0\" format data hash";
    let mut shell = dir.tool("sh");
    let run = Run::of(shell.args(["-c", script, env!("CARGO_BIN_EXE_verity")]).output().unwrap());
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.stderr.contains("File too large") || run.stderr.contains("too large"), "{run:?}");
    assert_eq!(dir.read("hash"), b"old");
    assert_no_leftovers(&dir);
}

#[test]
fn c03_a_full_file_system_is_an_error_and_leaves_nothing() {
    if !verity_testdata::oracle::require_root() {
        return;
    }
    let dir = Dir::with_data(3000);
    fs::create_dir(dir.path("small")).unwrap();
    let script = "mount -t tmpfs -o size=64k none small && echo old > small/hash && \"$0\" format \
                  data small/hash; \
                  code=$?; ls -A small; cat small/hash; exit $code";
    let mut unshare = dir.tool("unshare");
    unshare.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_verity")]);
    let run = Run::of(unshare.output().unwrap());
    assert_eq!((run.code, &*run.stdout), (4, "hash\nold\n"), "{run:?}");
    assert!(run.stderr.contains("No space left"), "{run:?}");
}

/// The new hash area and its root hash appear together: neither replaces the old one without the
/// other.
#[test]
fn c03_a_root_hash_file_that_cannot_be_written_leaves_the_old_hash_area() {
    if !verity_testdata::oracle::require_root() {
        return;
    }
    let dir = Dir::with_data(300);
    let root = dir.format("");
    fs::create_dir(dir.path("full")).unwrap();
    let script = "mount -t tmpfs -o size=4k none full && head -c 4096 /dev/zero >full/filler; \
                  \"$0\" format data hash --root-hash-file full/root";
    let mut unshare = dir.tool("unshare");
    unshare.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_verity")]);
    let run = Run::of(unshare.output().unwrap());
    assert_eq!(run.code, 4, "{run:?}");
    dir.ok(&format!("verify data hash {root}"));
    assert_no_leftovers(&dir);
}
