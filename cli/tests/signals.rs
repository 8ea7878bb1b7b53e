//! A signal ends any command, whatever it waits for, and nothing is left behind.
//!
//! Nothing here asserts how long it takes: what a command waits for never comes, so that it would
//! hang without the signal.

use std::fs::{self, File};
use std::io::{PipeReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

#[cfg(feature = "http")]
use crate::common::web::WebServer;
use crate::common::{CHECK, Dir, ROOT, SIGNED_BUILD, assert_no_leftovers};
use verity_testdata::{oracle, pattern};

/// By then a command that hangs would still hang: no test waits longer.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// How often the signal is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Impatience {
    Once,
    Twice,
}

/// Sends the signal to a command that waits for something, and returns how it ended.
#[track_caller]
pub(crate) fn end(mut child: Child, signal: &str, impatience: Impatience) -> i32 {
    send(child.id(), signal);
    if impatience == Impatience::Twice {
        thread::sleep(Duration::from_millis(20));
        send(child.id(), signal);
    }
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("SIG{signal} does not end it");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn send(process: u32, signal: &str) {
    // The process may have ended after the first one.
    let mut kill = Command::new("kill");
    let _ = kill.args([&format!("-{signal}"), &process.to_string()]).stderr(Stdio::null()).status();
}

/// Waits until every thread of a process sleeps, and goes on sleeping.
fn wait_until_quiet(process: u32) {
    wait_until_steady("it works on", || sleeps(process));
}

/// Waits until something has been so for a while.
fn wait_until_steady(otherwise: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    let mut steady = 0;
    while steady < 6 {
        assert!(begun.elapsed() < LIMIT, "{otherwise}");
        thread::sleep(Duration::from_millis(20));
        steady = if is_so() { steady + 1 } else { 0 };
    }
}

fn sleeps(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    let mut states = threads.flatten().map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    });
    states.all(|state| matches!(state, Some('S' | 'D')))
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// A pipe that takes nothing any more.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(writer.as_fd()).unwrap();
    rustix::fs::fcntl_setfl(writer.as_fd(), flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
    }
    rustix::fs::fcntl_setfl(writer.as_fd(), flags).unwrap();
    (reader, writer.into())
}

/// An image with every kind of file beside it.
fn full_dir() -> (Dir, String) {
    let dir = Dir::with_signed_set(100);
    dir.write("data", &pattern::sha256_stream(100 * 4096));
    let root = dir.format("--fec-device fec --root-hash-file root --salt 00");
    let content = format!("{ROOT} --certificate rsa2048.cert --output prepared");
    dir.ok(&format!("prepare-signature {content}"));
    dir.openssl("pkeyutl -sign -inkey rsa2048.key -in prepared -out raw -pkeyopt digest:sha256");
    (dir, root)
}

/// One run of each command.
fn every_command(root: &str) -> Vec<String> {
    let key = "--key rsa2048.key --certificate rsa2048.cert";
    vec![
        "format data hash2 --fec-device fec2 --root-hash-file root2".to_owned(),
        format!("verify data hash {root}"),
        "dump hash".to_owned(),
        "plan --image 1G".to_owned(),
        format!("read data hash {root} --output out"),
        format!("repair data hash {root} --fec-device fec --output out"),
        format!("table hash {root} --data-dev a --hash-dev b"),
        SIGNED_BUILD.to_owned(),
        format!("{CHECK} --state state"),
        "lint-signature image.roothash.p7s".to_owned(),
        format!("sign {ROOT} {key} --output signature"),
        format!("prepare-signature {ROOT} --certificate rsa2048.cert --output digest"),
        format!(
            "attach-signature {ROOT} --certificate rsa2048.cert --raw-signature raw \
             --output attached"
        ),
        format!("serve data hash {root} --socket s"),
        // Mistakes are printed, too.
        "plan --no-such-option --json".to_owned(),
        "dump data --json".to_owned(),
    ]
}

/// The result cannot be written, as nobody reads.
#[test]
fn a03_a_signal_ends_every_command_that_waits_to_print() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let (dir, root) = full_dir();
    for line in every_command(&root) {
        for (signal, code) in SIGNALS {
            for json in [&[][..], &["--json"]] {
                if !json.is_empty() && line.contains("--json") {
                    continue;
                }
                let (_reader, full) = full_pipe();
                let mut command = dir.command();
                command.args(words(&line)).args(json).stdout(full).stderr(Stdio::null());
                let child = command.spawn().unwrap();
                wait_until_quiet(child.id());
                assert_eq!(end(child, signal, Impatience::Twice), code, "{line} SIG{signal}");
                assert_no_leftovers(&dir);
                assert!(!dir.exists("s"), "{line}: the socket");
            }
        }
    }
}

/// Neither data nor messages are read by anybody.
#[test]
fn a03_a_signal_ends_a_read_into_a_full_pipe() {
    let dir = Dir::with_data(4000);
    let root = dir.format("");
    for (signal, code) in SIGNALS {
        for impatience in [Impatience::Once, Impatience::Twice] {
            let (_reader, full) = full_pipe();
            let (_other, too) = full_pipe();
            let mut command = dir.command();
            command.args(["read", "data", "hash", &root, "--verbose"]).stdout(full).stderr(too);
            let child = command.spawn().unwrap();
            wait_until_quiet(child.id());
            assert_eq!(end(child, signal, impatience), code, "SIG{signal}");
            assert_eq!(dir.names(), ["data", "hash"]);
        }
    }
}

/// A server that falls silent at the first request, or at any later one.
#[cfg(feature = "http")]
#[test]
fn a03_a_signal_ends_commands_that_wait_for_a_server() {
    let dir = Dir::with_data(1500);
    let root = dir.format("--fec-device fec");
    let files = || vec![("data", dir.read("data")), ("hash", dir.read("hash"))];
    let before = dir.names();
    for (line, most) in [
        ("verify DATA HASH ROOT", 6),
        ("verify DATA HASH ROOT --all --fec-device fec", 6),
        ("read DATA HASH ROOT --output out", 8),
        ("read DATA HASH ROOT --preload --threads 3", 6),
        ("repair DATA HASH ROOT --fec-device fec --output out", 8),
        ("repair DATA HASH ROOT --fec-device fec --dry-run", 4),
        ("serve DATA HASH ROOT --socket s", 3),
        ("dump HASH", 2),
        ("table HASH ROOT --data-dev a --hash-dev b", 2),
        ("rehash data HASH --root-hash ROOT --range 4K+4K --output out", 4),
        ("rehash data hash --root-hash ROOT --old-image DATA --output out", 3),
    ] {
        for answered in 0..most {
            let (signal, code) = SIGNALS[answered % 2];
            let server = WebServer::start(files(), answered);
            let (data, hash) = (server.url("data"), server.url("hash"));
            let line = line.replace("DATA", &data).replace("HASH", &hash).replace("ROOT", &root);
            let mut command = dir.command();
            command.args(words(&line)).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap();
            wait_until("no request comes", || server.is_silent());
            let impatience = [Impatience::Once, Impatience::Twice][answered / 2 % 2];
            let ended = end(child, signal, impatience);
            assert_eq!(ended, code, "{line}, silent after {answered}, SIG{signal}");
            assert_eq!(dir.names(), before, "{line}, silent after {answered}");
        }
    }
}

/// The server is being asked when the signal comes: the client does not get what never comes, and
/// the socket goes.
#[cfg(feature = "http")]
#[test]
fn a03_a_signal_ends_serving_while_storage_is_silent() {
    use std::os::unix::net::UnixStream;
    use verity_testdata::nbd::{self, Client};
    let dir = Dir::with_data(1500);
    let root = dir.format("");
    for (signal, _) in SIGNALS {
        // The length of both, the superblock.
        let files = vec![("data", dir.read("data")), ("hash", dir.read("hash"))];
        let server = WebServer::start(files, 3);
        let (data, hash) = (server.url("data"), server.url("hash"));
        let mut command = dir.command();
        command.args(["serve", &data, &hash, &root, "--socket", "s"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("no socket", || UnixStream::connect(dir.path("s")).is_ok());
        let stream = UnixStream::connect(dir.path("s")).unwrap();
        let mut client = Client::connect(stream, true).unwrap();
        client.send(0, nbd::READ, 0, 4096, &[]).unwrap();
        wait_until("no request comes", || server.is_silent());
        let stdout = child.stdout.take().unwrap();
        assert_eq!(end(child, signal, Impatience::Once), 0, "it is meant to be ended");
        let said = std::io::read_to_string(stdout).unwrap();
        assert!(said.contains("served: "), "{said}");
        assert_eq!(dir.names(), ["data", "hash"]);
    }
}

/// Secrets that never come, and a program that never signs.
#[test]
fn a03_a_signal_ends_commands_that_wait_for_secrets_and_signers() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    dir.write("image.raw", &pattern::sha256_stream(4 * 4096));
    dir.script("signer", "exec sleep 1000");
    let before = dir.names();
    let certificate = "--certificate rsa2048.cert";
    for line in [
        format!("sign {ROOT} --key enc.key --passphrase-fd 0 {certificate} --output signature"),
        format!("build image.raw --key enc.key --passphrase-fd 0 {certificate}"),
        format!("sign {ROOT} --signer-command ./signer {certificate} --output signature"),
        format!("build image.raw --signer-command ./signer {certificate}"),
    ] {
        for (signal, code) in SIGNALS {
            for impatience in [Impatience::Once, Impatience::Twice] {
                let (_reader, writer) = std::io::pipe().unwrap();
                let mut command = dir.command();
                command.args(words(&line)).stdin(Stdio::from(_reader));
                command.stdout(Stdio::null()).stderr(Stdio::null());
                let child = command.spawn().unwrap();
                wait_until_quiet_but_polling(child.id());
                assert_eq!(end(child, signal, impatience), code, "{line} SIG{signal}");
                assert_eq!(dir.names(), before, "{line}");
                drop(writer);
            }
        }
    }
}

/// A prompt on a terminal, which shows again what is typed once the command has ended.
#[test]
fn a03_a_signal_ends_a_prompt_and_the_terminal_shows_again_what_is_typed() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    let Some(terminal) = oracle::require("script") else { return };
    let before = dir.names();
    for (signal, code) in SIGNALS {
        let line = format!(
            "{} sign {ROOT} --key enc.key --certificate rsa2048.cert --output signature; \
             echo \"code $?\"; stty -a",
            env!("CARGO_BIN_EXE_verity")
        );
        let mut command = dir.tool(&terminal);
        command.args(["-q", "-c", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Nothing is typed, and the terminal stays open.
        let stdin = child.stdin.take();
        let mut process = None;
        let begun = Instant::now();
        while process.is_none() {
            assert!(begun.elapsed() < LIMIT, "nothing is started");
            thread::sleep(Duration::from_millis(5));
            process = descendant(child.id());
        }
        wait_until_quiet_but_polling(process.unwrap());
        send(process.unwrap(), signal);
        let said = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        child.wait().unwrap();
        drop(stdin);
        assert!(said.contains("passphrase of enc.key"), "{said}");
        assert!(said.contains(&format!("code {code}")), "{said}");
        assert!(said.contains(" echo ") && !said.contains(" -echo "), "{said}");
        assert_eq!(dir.names(), before);
    }
}

/// The command under test, somewhere below a process.
fn descendant(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().find_map(|id| {
        let id: u32 = id.parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        if name.trim() == "verity" { Some(id) } else { descendant(id) }
    })
}

/// What polls is seldom seen awake; a moment is enough for it to begin.
fn wait_until_quiet_but_polling(process: u32) {
    wait_until("no command", || {
        fs::read_dir(format!("/proc/{process}/task")).is_ok_and(|threads| threads.count() > 1)
    });
    wait_until_quiet(process);
}

/// A token's module that never returns from any call, and that keeps signals from its thread.
#[cfg(feature = "pkcs11")]
#[test]
fn a03_a_signal_ends_a_command_that_waits_for_a_token() {
    let Some(compiler) = oracle::require("cc") else { return };
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write(
        "module.c",
        b"#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
          static void stay(void) { for (;;) pause(); }\n\
          unsigned long C_GetFunctionList(void **list) {\n\
            sigset_t all; sigfillset(&all); pthread_sigmask(SIG_BLOCK, &all, 0);\n\
            atexit(stay); stay(); return 0; }\n",
    );
    let mut cc = dir.tool(compiler);
    oracle::run_ok(cc.args(["-shared", "-fPIC", "-o", "module.so", "module.c"]));
    dir.write("image.raw", &pattern::sha256_stream(4 * 4096));
    let before = dir.names();
    let key = format!(
        "--key pkcs11:token=t;object=o?module-path={} --certificate rsa2048.cert",
        dir.path("module.so").display()
    );
    for line in [format!("sign {ROOT} {key} --output signature"), format!("build image.raw {key}")]
    {
        for (signal, code) in SIGNALS {
            let mut command = dir.command();
            command.args(words(&line)).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap();
            wait_until_quiet_but_polling(child.id());
            assert_eq!(end(child, signal, Impatience::Twice), code, "{line} SIG{signal}");
            assert_eq!(dir.names(), before);
        }
    }
}

/// Parity that is no good, and much of it to try.
#[test]
fn a07_a_signal_ends_a_repair_in_the_middle_of_its_rounds() {
    let dir = Dir::with_data(6000);
    let root = dir.format("--fec-device fec --fec-roots 24");
    dir.write("data", &pattern::painted(6000 * 4096));
    let before = dir.names();
    for (line, written) in [("--dry-run", false), ("--output out", true), ("--in-place", false)] {
        for (signal, code) in SIGNALS {
            let mut command = dir.command();
            command.args(["repair", "data", "hash", &root, "--fec-device", "fec"]);
            command.args(["--fec-roots", "24", "--threads", "1"]).args(words(line));
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            wait_until("nothing is read", || has_read(child.id(), 1 << 20));
            if written {
                wait_until("no copy", || {
                    dir.names().iter().any(|name| name.contains("verity-tmp"))
                });
            }
            let ended = end(child, signal, Impatience::Once);
            // It may have come to its verdict just then.
            assert!([code, 1].contains(&ended), "{line} SIG{signal}: {ended}");
            assert_eq!(dir.names(), before, "{line}");
        }
    }
}

fn has_read(process: u32, bytes: u64) -> bool {
    let io = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
    read.is_some_and(|read| read > bytes)
}

/// Starts a command under strace, which lets the n-th call of a kind take for ever; its process.
fn with_stalled_call(dir: &Dir, call: &str, n: u32, line: &str) -> Option<(Child, u32)> {
    let mut strace = dir.tool(oracle::require("strace")?);
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:delay_enter=1000s:when={n}")]);
    if call == "pread64" {
        // The loader reads the program by it, too.
        strace.args(["-P", "data"]);
    }
    strace.arg(env!("CARGO_BIN_EXE_verity")).args(words(line));
    let child = strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut process = None;
    let begun = Instant::now();
    while process.is_none() {
        assert!(begun.elapsed() < LIMIT, "strace starts nothing");
        thread::sleep(Duration::from_millis(5));
        process = descendant(child.id());
    }
    Some((child, process?))
}

/// Storage that takes for ever to read, to write, to sync or to rename.
#[test]
fn a03_a_signal_ends_commands_that_wait_for_storage() {
    let dir = Dir::with_data(300);
    let root = dir.format("--fec-device fec --salt 00");
    dir.write("out", b"old");
    let before = dir.names();
    for (call, n, line) in [
        ("pread64", 1, "format data hash --salt 01"),
        ("pwrite64", 1, "format data hash --salt 01"),
        ("fsync,fdatasync", 1, "format data hash --salt 01"),
        ("rename,renameat,renameat2", 1, "format data hash --salt 01"),
        ("fsync,fdatasync", 1, "read data hash ROOT --output out"),
        ("rename,renameat,renameat2", 1, "read data hash ROOT --output out"),
        ("pread64", 1, "verify data hash ROOT"),
        ("fsync,fdatasync", 1, "repair data hash ROOT --fec-device fec --output out"),
        ("rename,renameat,renameat2", 1, "repair data hash ROOT --fec-device fec --output out"),
    ] {
        for (signal, code) in SIGNALS {
            let line = line.replace("ROOT", &root);
            let Some((child, process)) = with_stalled_call(&dir, call, n, &line) else { return };
            wait_until_stalled(process);
            send(process, signal);
            let ended = end_of(child, process);
            assert_eq!(ended, code, "{call} {n} {line} SIG{signal}");
            assert_eq!(dir.names(), before, "{call} {n} {line}");
            assert_eq!(dir.read("out"), b"old");
            dir.ok(&format!("verify data hash {root}"));
        }
    }
}

/// What is written where it lies does not verify, or is what it was, and can be begun again.
#[test]
fn a03_a_signal_ends_a_rewrite_in_place_that_waits_for_storage() {
    let line = "format disk disk --salt 01 --data-blocks 300 --hash-offset 1228800 --threads 1";
    let data = pattern::sha256_stream(300 * 4096);
    for (call, n) in [("pwrite64", 1), ("pwrite64", 2), ("fsync,fdatasync", 1), ("fsync", 2)] {
        for (signal, code) in SIGNALS {
            let dir = Dir::new();
            dir.write("disk", &data);
            let old = dir.ok(&line.replace("--salt 01", "--salt 00"));
            let old = crate::common::root_hash(&old);
            let Some((child, process)) = with_stalled_call(&dir, call, n, line) else { return };
            wait_until_stalled(process);
            send(process, signal);
            assert_eq!(end_of(child, process), code, "{call} {n} SIG{signal}");
            assert!(dir.read("disk")[..data.len()] == data, "the data is never written");
            let is_old =
                dir.run(&format!("verify disk disk {old} --hash-offset 1228800")).code == 0;
            let dump = dir.run("dump disk --hash-offset 1228800");
            assert!(is_old || dump.code == 3, "{call} {n}: {dump:?}");
            assert_eq!(dir.names(), ["disk"]);
            dir.ok(line);
        }
    }
}

/// Waits until strace holds a call up: its thread is stopped, not asleep.
fn wait_until_stalled(process: u32) {
    let is_stopped = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('t'))
    };
    let threads = || fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    wait_until_steady("no call is held up", || threads().any(is_stopped));
}

/// How a process ended whose other threads strace still holds; ends strace too.
fn end_of(mut strace: Child, process: u32) -> i32 {
    let begun = Instant::now();
    let code = loop {
        if begun.elapsed() > LIMIT {
            break None;
        }
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<_> =
            stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            // The last field is the status that a parent waits for.
            break fields.last().and_then(|status| status.parse::<i32>().ok());
        }
        thread::sleep(Duration::from_millis(5));
    };
    strace.kill().unwrap();
    strace.wait().unwrap();
    let status = code.expect("it goes on");
    if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) }
}

/// The lock of a device that somebody else holds is waited for a while.
#[test]
fn a03_a_signal_ends_the_wait_for_a_lock() {
    let dir = Dir::with_data(50);
    dir.write("disk", &pattern::painted(64 * 4096));
    let Some(device) = verity_testdata::loop_device::LoopDevice::attach(&dir.path("disk"), 512)
    else {
        return;
    };
    let held = File::open(device.path()).unwrap();
    held.lock().unwrap();
    let before = dir.names();
    for (signal, code) in SIGNALS {
        let mut command = dir.command();
        command.args(["format", "data"]).arg(device.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("no command", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id()));
            tasks.is_ok_and(|threads| threads.count() > 1)
        });
        assert_eq!(end(child, signal, Impatience::Once), code, "SIG{signal}");
        assert_eq!(dir.names(), before);
    }
}
