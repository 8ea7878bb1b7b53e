//! That no secret gets out of the process that holds it. K02 and K09.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Dir, PASSPHRASE, ROOT, Run};
use verity_testdata::oracle;

const CERTIFICATE: &str = "--certificate rsa2048.cert --output sig";

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is the command by now, and may leave no core dump.
fn leaves_no_core(process: u32) -> bool {
    if fs::read_to_string(format!("/proc/{process}/comm")).unwrap() != "verity\n" {
        return false;
    }
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    core.split_whitespace().skip(4).take(2).eq(["0", "0"])
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Whether a process has a handler for a signal.
fn catches(process: u32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

/// K02, K09: while the command holds a key, its arguments show no secret, it writes no core dump,
/// and its memory is closed to the user's other processes: what belongs to such a process in /proc
/// is root's.
#[test]
fn k02_k09_a_process_with_a_key_gives_nothing_away() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    if !oracle::require_root() || oracle::require("setpriv").is_none() {
        return;
    }
    for name in [".", "enc.key", "rsa2048.cert"] {
        std::os::unix::fs::chown(dir.path(name), Some(65534), None).unwrap();
    }
    dir.own_verity();
    let mut setpriv = dir.tool("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./verity", "sign", ROOT]);
    setpriv.args(["--key", "enc.key", "--passphrase-fd", "0"]).args(CERTIFICATE.split(' '));
    setpriv.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = setpriv.spawn().unwrap();
    let proc = format!("/proc/{}", child.id());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(PASSPHRASE.as_bytes()).unwrap();
    wait_until("no protection", || {
        leaves_no_core(child.id()) && fs::metadata(format!("{proc}/mem")).unwrap().uid() == 0
    });
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("{proc}/{file}")).unwrap();
        assert!(!bytes.is_empty());
        assert!(!String::from_utf8_lossy(&bytes).contains(PASSPHRASE));
    }
    drop(stdin);
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_eq!(dir.read("sig"), dir.read("plain"));
}

/// K02: no option takes a secret, and what somebody writes as if there were one is not repeated.
#[test]
fn k02_no_option_takes_a_secret() {
    let dir = Dir::new();
    dir.key("rsa2048");
    for command in ["sign", "build"] {
        let help = dir.ok(&format!("{command} --help"));
        for option in ["--passphrase", "--pin", "--password"] {
            let takes =
                help.lines().any(|line| line.trim_start().starts_with(&format!("{option} ")));
            assert!(!takes, "{help}");
        }
    }
    for option in [
        "--passphrase",
        "--pin",
        "--password",
        "--passphrase-value",
        "--key-passphrase",
        // Takes a number.
        "--passphrase-fd",
    ] {
        for words in [vec![option, PASSPHRASE], vec![&*format!("{option}={PASSPHRASE}")]] {
            let line = format!("sign {ROOT} --key rsa2048.key {CERTIFICATE}");
            let words: Vec<_> = line.split(' ').chain(words).map(str::to_owned).collect();
            let run = dir.run_words(&words);
            assert_eq!(run.code, 2, "{run:?}");
            assert!(!format!("{run:?}").contains(PASSPHRASE), "{run:?}");
        }
    }
}

/// K09: a process that holds a passphrase and is killed by a signal of the kind that dumps leaves
/// no dump, whatever its limits were when it began.
#[test]
fn k09_no_core_dump() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    // A program without secrets, for comparison: it shows whether there are dumps here at all.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.starts_with(['|', '/']) {
        println!("core dumps go elsewhere here ({}): nothing to compare with", pattern.trim());
    } else {
        let script = "ulimit -c unlimited && kill -ABRT $$";
        let status = dir.tool("sh").args(["-c", script]).status().unwrap();
        println!("other programs leave core dumps here: {}", status.core_dumped());
    }
    let cores = || dir.names().into_iter().filter(|name| name.starts_with("core")).count();
    let before = cores();
    for name in ["-ABRT", "-QUIT", "-ILL"] {
        let mut shell = dir.tool("sh");
        let script = format!(
            "ulimit -c unlimited; exec \"$VERITY\" sign {ROOT} --key enc.key \
             --passphrase-fd 0 {CERTIFICATE}"
        );
        shell.args(["-c", &script]).env("VERITY", env!("CARGO_BIN_EXE_verity"));
        let mut child = shell.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // It has read the first half, and waits for the other.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&PASSPHRASE.as_bytes()[..12]).unwrap();
        wait_until("no protection", || leaves_no_core(child.id()));
        signal(child.id(), name);
        wait_until("it goes on", || child.try_wait().unwrap().is_some());
        let status = child.wait().unwrap();
        assert!(status.signal().is_some(), "{status}");
        assert!(!status.core_dumped(), "{status}");
        assert_eq!(cores(), before);
    }
}

/// Who waits for a passphrase that nobody writes can be stopped.
#[test]
fn k03_a_signal_ends_the_waiting_for_a_passphrase() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    for (name, number) in [("-INT", 2), ("-TERM", 15)] {
        let mut command = dir.command();
        command.args(["sign", ROOT, "--key", "enc.key", "--passphrase-fd", "0"]);
        command.args(CERTIFICATE.split(' ')).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"half").unwrap();
        wait_until("no protection", || leaves_no_core(child.id()) && catches(child.id(), number));
        signal(child.id(), name);
        wait_until("it goes on", || child.try_wait().unwrap().is_some());
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 128 + i32::try_from(number).unwrap(), "{run:?}");
        assert!(run.stderr.contains("interrupted by signal"), "{run:?}");
        assert!(!dir.exists("sig"));
    }
}

/// A command that strace has stopped when it syncs its first output: the key was used, and is still
/// there.
struct Stopped {
    strace: Child,
    process: u32,
}

impl Stopped {
    fn start(dir: &Dir, words: &[&str], input: Stdio) -> Stopped {
        let mut strace = dir.tool("strace");
        strace.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:signal=STOP:when=1",
        ]);
        strace.arg(env!("CARGO_BIN_EXE_verity")).args(words);
        strace.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let strace = strace.spawn().unwrap();
        let mut process = None;
        wait_until("it is not stopped", || {
            let children = format!("/proc/{0}/task/{0}/children", strace.id());
            let children = fs::read_to_string(children).unwrap_or_default();
            process = children.split_whitespace().next().and_then(|id| id.parse::<u32>().ok());
            process.is_some_and(|process| {
                let status =
                    fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
                // Traced, and stopped by that very signal.
                let pending = status
                    .lines()
                    .any(|line| line.starts_with("State:\tt") || line.starts_with("State:\tT"));
                pending
                    && dir.names().iter().any(|name| name.contains("verity-tmp"))
                    && is_syncing(process)
            })
        });
        Stopped { strace, process: process.unwrap() }
    }

    /// Everything that can be written in its memory.
    fn memory(&self) -> Vec<u8> {
        let proc = format!("/proc/{}", self.process);
        let mut mem = File::open(format!("{proc}/mem")).unwrap();
        let maps = fs::read_to_string(format!("{proc}/maps")).unwrap();
        let mut all = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            mem.seek(SeekFrom::Start(number(start))).unwrap();
            let length = number(end) - number(start);
            Read::by_ref(&mut mem).take(length).read_to_end(&mut all).unwrap();
        }
        all
    }

    fn go_on(self) -> Run {
        signal(self.process, "-CONT");
        Run::of(self.strace.wait_with_output().unwrap())
    }
}

/// Whether some thread of a process is in one of the calls that sync.
fn is_syncing(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| {
        fs::read_to_string(thread.path().join("syscall"))
            .is_ok_and(|call| call.starts_with("74 ") || call.starts_with("82 "))
    })
}

/// K09: once a signature is made, neither the passphrase nor the bytes of the key file are in
/// memory, though the key is: it is in the library's own form.
#[test]
fn k09_memory_after_signing() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    if !oracle::require_root() || oracle::require("strace").is_none() {
        return;
    }
    dir.key("p256");
    dir.openssl("pkcs8 -topk8 -in p256.key -passout file:passphrase -scrypt -out p256.enc");
    dir.set_mode("p256.enc", 0o600);
    const PART: usize = 16;
    for (name, secret_at) in [("rsa2048", 310), ("p256", 36)] {
        dir.openssl(&format!("pkey -in {name}.key -outform DER -out der"));
        let (der, pem) = (dir.read("der"), dir.read(&format!("{name}.key")));
        fs::remove_file(dir.path("der")).unwrap();
        // Behind the public modulus; the scalar alone.
        let secret =
            if name == "p256" { &der[secret_at..secret_at + 32] } else { &der[secret_at..] };
        let text = pem.split(|&byte| byte == b'\n').filter(|line| line.len() == 64).skip(1);
        let mut parts: HashSet<&[u8]> = text.flat_map(|line| line.chunks_exact(PART)).collect();
        parts.extend(secret.chunks_exact(PART));
        parts.extend(PASSPHRASE.as_bytes().chunks_exact(PART));
        let encrypted = if name == "p256" { "p256.enc" } else { "enc.key" };
        for key in
            [vec![&*format!("{name}.key")], vec![encrypted, "--passphrase-file", "passphrase"]]
        {
            let certificate = format!("{name}.cert");
            let mut words =
                vec!["sign", ROOT, "--output", "sig", "--certificate", &certificate, "--key"];
            words.extend(&key);
            let stopped = Stopped::start(&dir, &words, Stdio::null());
            assert!(leaves_no_core(stopped.process));
            let memory = stopped.memory();
            let holds = |part: &[u8]| memory.windows(part.len()).any(|window| window == part);
            assert!(holds(ROOT.as_bytes()), "this is its memory");
            let found = memory.windows(PART).enumerate().find(|(_, window)| parts.contains(window));
            assert!(found.is_none(), "{name} {key:?}: {found:x?}");
            let run = stopped.go_on();
            assert_eq!(run.code, 0, "{run:?}");
            assert!(dir.exists("sig"));
            fs::remove_file(dir.path("sig")).unwrap();
        }
    }
}

/// K09: a key beside the certificate is in memory no longer than the certificate is read.
#[test]
fn k09_a_key_beside_a_certificate_is_wiped() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    if !oracle::require_root() || oracle::require("strace").is_none() {
        return;
    }
    let pem = dir.read("rsa2048.key");
    // The key is read from a file that is encrypted, so that these are from beside.
    dir.write("both", &[pem.clone(), dir.read("rsa2048.cert")].concat());
    const PART: usize = 16;
    let lines = pem.split(|&byte| byte == b'\n').filter(|line| line.len() == 64).skip(1);
    let parts: HashSet<&[u8]> = lines.flat_map(|line| line.chunks_exact(PART)).collect();
    for certificate in ["both", "-"] {
        let words = ["sign", ROOT, "--output", "sig", "--certificate", certificate];
        let key = ["--key", "enc.key", "--passphrase-file", "passphrase"];
        let input = File::open(dir.path("both")).unwrap();
        let stopped = Stopped::start(&dir, &[&words[..], &key].concat(), input.into());
        let memory = stopped.memory();
        let found = memory.windows(PART).enumerate().find(|(_, window)| parts.contains(window));
        assert!(found.is_none(), "{certificate}: {found:x?}");
        let run = stopped.go_on();
        assert_eq!(run.code, 0, "{run:?}");
        fs::remove_file(dir.path("sig")).unwrap();
    }
}

/// K09: while certificates are read, beside which a key may lie, no core dump is left.
#[test]
fn k09_no_core_dump_while_certificates_are_read() {
    let dir = Dir::with_signed_set(20);
    for line in [
        format!("sign {ROOT} --key rsa2048.key --certificate - --output sig"),
        format!("sign {ROOT} --key rsa2048.key {CERTIFICATE} --chain -"),
        format!("prepare-signature {ROOT} --certificate - --output digest"),
        "check image.raw --certificate -".to_owned(),
        "check image.raw --ca -".to_owned(),
        "lint-signature image.roothash.p7s --certificate -".to_owned(),
    ] {
        let mut command = dir.command();
        command.args(line.split(' ')).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_until(&line, || leaves_no_core(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
