//! The machine: a disk with two slots, a firmware, a network card; and the boot loader's rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use verity_testdata::machine::{Booted, Machine};
use verity_testdata::nginx::Nginx;
use verity_testdata::{files, oracle};

use super::release::{self, Release};
use crate::common::Dir;

/// As Bottlerocket has it, but small, and with the data of the machine at the end.
const LAYOUT: &str = r#"{"version":1,"partitions":[
    {"type":"6b636168-7420-6568-2070-6c616e657421","label":"BOOT-A","content":"file",
     "size_bytes":1048576,"attributes":[48,56]},
    {"type":"5526016a-1a97-4ea4-b39a-b7c8c6ca4502","label":"ROOT-A","content":"root",
     "size_bytes":134217728},
    {"type":"598f10af-c955-4456-6a99-7720068a6cea","label":"HASH-A","content":"root-verity",
     "size_bytes":4194304},
    {"type":"6b636168-7420-6568-2070-6c616e657421","label":"BOOT-B","size_bytes":1048576},
    {"type":"5526016a-1a97-4ea4-b39a-b7c8c6ca4502","label":"ROOT-B","size_bytes":134217728},
    {"type":"598f10af-c955-4456-6a99-7720068a6cea","label":"HASH-B","size_bytes":4194304},
    {"type":"440408bb-eb0b-4328-a6e5-a29038fad706","label":"PRIVATE","content":"file"}]}"#;
/// The boot partitions, and the first megabyte of each.
const BOOT: [(char, u32, u64); 2] = [('a', 1, 1), ('b', 4, 134)];
/// What the machine boots first.
const INIT: &str = include_str!("init.sh");

/// A machine that is off.
pub(crate) struct Board {
    dir: Dir,
    machine: Machine,
    releases: Vec<Release>,
    web: Nginx,
}

/// One that runs.
pub(crate) struct Boot<'a> {
    board: &'a Board,
    booted: Booted,
    release: &'a Release,
    slot: char,
    /// Whether it reads every file.
    is_read: bool,
}

impl Board {
    /// With the first release in slot A, and the others on a server; `None` where something is
    /// missing, by the rule of [`oracle::require`].
    pub(crate) fn new() -> Option<Board> {
        let mut machine = Machine::find()?;
        let (dir, web) = (Dir::new(), Nginx::start()?);
        machine.trust(&[release::key(&dir)])?;
        let tree = release::tree(&dir)?;
        let make = |number| Release::make(&dir, &tree, number);
        let releases = Release::NUMBERS.map(make).into_iter().collect::<Option<_>>()?;
        make_disk(&dir)?;
        for entry in fs::read_dir(dir.path("")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with(['2', '3']) {
                fs::copy(entry.path(), web.file(&name)).unwrap();
            }
        }
        machine.add_text(INIT, "init");
        machine.add_program(Path::new(env!("CARGO_BIN_EXE_verity")), "usr/sbin/verity");
        machine.add_network();
        machine.add_kept_disk(&dir.path("disk.raw"));
        Some(Board { dir, machine, releases, web })
    }

    /// Turns the machine on; what comes must be this release from this slot.
    pub(crate) fn boots(&self, number: u32, slot: char, task: &str) -> Boot<'_> {
        self.start(number, slot, task, true)
    }

    /// As [`Board::boots`], but no files are read, for a machine that is [`cut`](Board::cut).
    pub(crate) fn boots_unread(&self, number: u32, slot: char, task: &str) -> Boot<'_> {
        self.start(number, slot, task, false)
    }

    fn start(&self, number: u32, slot: char, task: &str, is_read: bool) -> Boot<'_> {
        assert_eq!(self.choose(), Some(slot), "the slot that boots");
        let server = format!("server=http://10.0.2.2:{}", self.web.port());
        let files = if is_read { "read" } else { "unread" };
        let arguments =
            format!("{} slot={slot} task={task} files={files} {server}", self.arguments(slot));
        let release = self.releases.iter().find(|release| release.number == number).unwrap();
        Boot { board: self, booted: self.machine.start(&arguments), release, slot, is_read }
    }

    /// GRUB's rule, with the patches of CoreOS: the highest priority of those that have a try left
    /// or were successful, the first of equals; what boots has a try less.
    fn choose(&self) -> Option<char> {
        let mut chosen = None;
        let mut highest = 0;
        for (slot, number, _) in BOOT {
            let bits = self.attributes(number);
            let field = |first: u32| -> u32 {
                (0..4).filter(|at| bits.contains(&(first + at))).map(|at| 1 << at).sum()
            };
            let (priority, tries) = (field(48), field(52));
            if priority > highest && (tries > 0 || bits.contains(&56)) {
                highest = priority;
                chosen = Some((slot, number, tries));
            }
        }
        let (slot, number, tries) = chosen?;
        if tries > 0 {
            self.set_tries(number, tries - 1);
        }
        Some(slot)
    }

    fn attributes(&self, number: u32) -> BTreeSet<u32> {
        let said = oracle::run_ok(self.dir.tool("sfdisk").args(["--json", "disk.raw"]));
        let table: Value = serde_json::from_str(&said).unwrap();
        let entry = &table["partitiontable"]["partitions"][usize::try_from(number).unwrap() - 1];
        let bits = entry["attrs"].as_str().unwrap_or_default().trim_start_matches("GUID:");
        bits.split(',').filter_map(|bit| bit.parse().ok()).collect()
    }

    fn set_tries(&self, number: u32, tries: u32) {
        let mut sgdisk = self.dir.tool("sgdisk");
        for bit in 0..4 {
            let what = if tries >> bit & 1 == 1 { "set" } else { "clear" };
            sgdisk.arg(format!("--attributes={number}:{what}:{}", 52 + bit));
        }
        oracle::run_ok(sgdisk.arg("disk.raw"));
    }

    /// What the kernel is told, from the slot's boot partition.
    fn arguments(&self, slot: char) -> String {
        let (_, _, start) = BOOT.into_iter().find(|boot| boot.0 == slot).unwrap();
        let mut dd = self.dir.tool("dd");
        let place = [format!("skip={start}"), "bs=1M".to_owned(), "count=1".to_owned()];
        oracle::run_ok(dd.args(["if=disk.raw", "of=boot", "status=none"]).args(place));
        oracle::run_ok(self.dir.tool("debugfs").args(["-R", "cat /arguments", "boot"]))
    }

    /// How many requests a release takes that is installed over the first one.
    pub(crate) fn requests(&self, number: u32) -> u64 {
        for device in ["slot-data", "slot-hash"] {
            files::sparse(&self.dir.path(device), 134 << 20);
        }
        let said = self.dir.ok(&format!(
            "install {} --certificate rsa2048.cert --data-device slot-data --hash-device slot-hash \
             --reuse 1.raw --bridge 0 --dry-run --json",
            self.web.url(&number.to_string())
        ));
        json(&said, "{")["requests"].as_u64().unwrap()
    }

    /// Cuts the power once an installation has made so many requests.
    pub(crate) fn cut(&self, mut boot: Boot<'_>, after: u64) -> usize {
        let data = |request: &verity_testdata::nginx::Request| request.uri.ends_with(".raw");
        let before = self.web.so_far().iter().filter(|request| data(request)).count();
        loop {
            let sent = self.web.so_far().iter().filter(|request| data(request)).count() - before;
            if u64::try_from(sent).unwrap() >= after {
                boot.check();
                return sent;
            }
            let is_running = boot.booted.is_running();
            let (said, console) = (boot.booted.said(), boot.booted.console());
            assert!(is_running, "it was to be cut:\n{said}\n{console}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Boot<'_> {
    /// Waits until the machine is off, and returns what it said.
    pub(crate) fn end(mut self) -> String {
        self.booted.wait();
        self.check()
    }

    /// What runs is the release, from the root hash that the kernel uses, and every file of it was
    /// read unless it was to be cut.
    fn check(&self) -> String {
        let said = self.booted.said();
        println!("{said}");
        let whole = format!("{said}\n{}", self.booted.console());
        let Release { number, root_hash, files } = self.release;
        let mut lines = vec![format!("release: {number}"), format!("slot: {}", self.slot)];
        lines.extend(self.is_read.then(|| format!("files: {files}")));
        for line in lines {
            assert!(said.lines().any(|of_machine| of_machine == line), "{line}:\n{whole}");
        }
        let status = json(&said, "status: {");
        assert_eq!(status["table"]["root_hash"], root_hash.as_str(), "{status}");
        assert_eq!(status["table"]["signed"], true, "{status}");
        assert!(said.contains("mounted: /dev/mapper/root / erofs ro"), "{whole}");
        let slot = self.slot.to_ascii_uppercase();
        assert!(self.board.arguments(self.slot).contains(&format!("ROOT-{slot}")), "{whole}");
        said
    }
}

/// The JSON object behind a line's beginning.
pub(crate) fn json(said: &str, begin: &str) -> Value {
    let line =
        said.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{said}"));
    serde_json::from_str(&line[begin.len() - 1..]).unwrap()
}

fn make_disk(dir: &Dir) -> Option<()> {
    dir.write("layout.json", LAYOUT.as_bytes());
    files::sparse(&dir.path("private.ext4"), 4 << 20);
    let mut mkfs = dir.tool(oracle::require("mkfs.ext4")?);
    oracle::run_ok(mkfs.args(["-q", "private.ext4"]));
    for tool in ["sfdisk", "sgdisk", "debugfs"] {
        oracle::require(tool)?;
    }
    dir.ok("image create disk.raw --root 1.raw --layout layout.json --partition BOOT-A=1.boot-a \
         --partition PRIVATE=private.ext4 --key rsa2048.key --certificate rsa2048.cert --seed 1 \
         --fec-roots 2 --image-name os --image-version 1");
    Some(())
}
