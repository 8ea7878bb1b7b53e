//! A virtual machine with the host's tools, in which a test program starts itself again: live
//! devices are made where nothing else is.
//!
//! Each test is run twice. On the host it calls [`boot`]; in the machine, where [`is_inside`], it
//! runs its cases, and says `passed` and the name of each. The kernel is that of
//! `testdata/kernel`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::machine::Machine as Running;
use crate::{files, oracle, path, workspace};

/// What the cases use in the machine, from the host.
const TOOLS: [&str; 4] = ["dmsetup", "veritysetup", "losetup", "openssl"];
/// The rules by which udev knows of device-mapper; they come with `dmsetup`.
const RULES: [&str; 3] = ["55-dm.rules", "60-persistent-storage-dm.rules", "95-dm-notify.rules"];
/// The key that signs in the machine, below `testdata`.
const KEY: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048";
/// What tells the test that it runs in the machine. The machine's script sets it.
const INSIDE: &str = "VERITY_GUEST";
/// What starts udev in the machine.
const START_UDEV: &str = "\
/lib/systemd/systemd-udevd --daemon --resolve-names=never
udevadm trigger --action=add --subsystem-match=block
udevadm settle
";

/// What the machine has beside the kernel and the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Nothing.
    Bare,
    /// udev, with the rules of device-mapper.
    Udev,
    /// A firmware by which the kernel trusts the test key.
    Firmware,
}

/// Whether this is the machine.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// What a test adds to the machine: where it is on the host, and its place in the machine.
#[derive(Clone, Debug, Default)]
pub struct More {
    /// Programs, which come with the libraries that the host has for them.
    pub programs: Vec<(PathBuf, String)>,
    /// Files.
    pub files: Vec<(PathBuf, String)>,
}

/// Boots the machine, in which the test of this program runs that many cases.
///
/// # Panics
/// When a case fails there, or the machine does not get to its end.
pub fn boot(test: &str, machine: Machine, cases: usize, more: &More) {
    let Some(running) = make(machine, more) else { return };
    let start = if machine == Machine::Udev { START_UDEV } else { "" };
    let said = running.run(&format!(
        "{start}cd /tmp\n\
         {INSIDE}=1 /guest --exact {test} --nocapture --test-threads=1\necho exit $?\n"
    ));
    println!("{said}");
    let passed = said.lines().filter(|line| line.starts_with("passed ")).count();
    assert!(said.lines().any(|line| line == "exit 0"), "the test in the machine failed");
    assert_eq!(passed, cases, "every case has passed in the machine");
}

/// Runs the cases in the machine; after one that failed, `clean` makes room for the next one.
///
/// # Panics
/// When a case has failed.
pub fn run_cases<F>(cases: &[(&'static str, F)], mut run: impl FnMut(&F), mut clean: impl FnMut()) {
    let mut failed = Vec::new();
    for (name, case) in cases {
        println!("case {name}");
        match catch_unwind(AssertUnwindSafe(|| run(case))) {
            Ok(()) => println!("passed {name}"),
            Err(_) => {
                println!("failed {name}");
                failed.push(*name);
                clean();
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Checks in the machine that no node, loop device, semaphore and key of a case is left.
///
/// # Panics
/// When one is.
pub fn check_nothing_is_left() {
    let nodes: Vec<_> = nodes().collect();
    assert!(nodes.is_empty(), "nodes: {nodes:?}");
    // What goes when it is closed last is taken apart a moment later.
    let loops = || oracle::run_ok(Command::new("losetup").arg("-a"));
    assert!(eventually(|| loops().is_empty()), "loop devices: {}", loops());
    let read = |path: &str| fs::read_to_string(path).expect("a file of the kernel");
    let semaphores = read("/proc/sysvipc/sem");
    assert_eq!(semaphores.lines().count(), 1, "semaphores: {semaphores}");
    let keys = read("/proc/keys");
    assert!(!keys.contains(" verity:"), "keys: {keys}");
}

/// Takes away in the machine what a case that failed has left; `settle` waits for udev.
///
/// # Panics
/// When there is no device-mapper.
pub fn clean(settle: impl FnOnce()) {
    for line in [&["umount", "/mnt"][..], &["dmsetup", "remove_all", "--force"], &["losetup", "-D"]]
    {
        // There may be nothing of the kind.
        let _ = Command::new(line[0]).args(&line[1..]).output();
    }
    settle();
    nodes().for_each(|node| drop(fs::remove_file(node)));
}

/// The nodes of devices.
fn nodes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/dev/mapper").expect("a directory").flatten();
    entries.map(|entry| entry.path()).filter(|path| !path.ends_with("control"))
}

/// A status line of a target without the count of repaired blocks, `-` without parity, which
/// kernels since Linux 6.19 have at its end.
#[must_use]
pub fn without_count(status: &str) -> &str {
    match status.rsplit_once(' ') {
        Some((before, count)) if count == "-" || count.parse::<u64>().is_ok() => before,
        _ => status,
    }
}

/// Waits until something has become so, for a while.
pub fn eventually(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..100 {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

/// The machine with its tools and this program; nothing if something is missing that may be.
fn make(machine: Machine, more: &More) -> Option<Running> {
    let mut running = Running::find()?;
    let this = std::env::current_exe().expect("this program");
    running.add_program(&this, "guest");
    for (part, to) in [("key", "keys/key"), ("cert", "keys/cert")] {
        running.add(&path(&format!("{KEY}.{part}.pem")), to);
    }
    for tool in TOOLS {
        running.add_tool(tool)?;
    }
    for (from, to) in &more.programs {
        running.add_program(from, to.trim_start_matches('/'));
    }
    for (from, to) in &more.files {
        running.add(from, to.trim_start_matches('/'));
    }
    running.add_file_system()?;
    match machine {
        Machine::Bare => {}
        Machine::Udev => add_udev(&running)?,
        Machine::Firmware => running.trust(&[certificate()])?,
    }
    Some(running)
}

/// The certificate of the key, in DER.
fn certificate() -> Vec<u8> {
    let dir = files::tempdir();
    let to = dir.path().join("certificate");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-outform", "DER", "-in"]).arg(path(&format!("{KEY}.cert.pem")));
    oracle::run_ok(openssl.arg("-out").arg(&to).stderr(Stdio::null()));
    files::read(&to)
}

/// Adds udev, its rules, and those of device-mapper.
fn add_udev(machine: &Running) -> Option<()> {
    let packages = workspace().join("target/udev/packages");
    if !packages.is_dir() {
        oracle::skip("target/udev (made by testdata/guest/udev.sh)");
        return None;
    }
    let udevadm = ["usr/bin/udevadm", "bin/udevadm"].map(|path| packages.join(path));
    let udevadm = udevadm.iter().find(|path| path.is_file()).expect("udevadm");
    machine.add(udevadm, "bin/udevadm");
    machine.add_libraries(udevadm, Some(&packages));
    machine.link("/bin/udevadm", "lib/systemd/systemd-udevd");
    let rules = fs::read_dir(packages.join("lib/udev/rules.d")).expect("rules").flatten();
    for rule in rules {
        let name = rule.file_name().into_string().expect("UTF-8");
        machine.add(&rule.path(), &format!("lib/udev/rules.d/{name}"));
    }
    for rule in RULES {
        let paths = ["/lib/udev/rules.d", "/usr/lib/udev/rules.d"];
        let path = paths.map(|dir| Path::new(dir).join(rule));
        let path = path.iter().find(|path| path.is_file()).expect("a rule of dmsetup");
        machine.add(path, &format!("lib/udev/rules.d/{rule}"));
    }
    machine.add_text("root:x:0:0:root:/:/bin/sh\n", "etc/passwd");
    machine.add_text("root:x:0:\ndisk:x:6:\n", "etc/group");
    Some(())
}
