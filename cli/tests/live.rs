//! `open`, `close` and `status`: in a virtual machine with a real kernel, beside `dmsetup` and
//! `veritysetup`; and what they say where there is no device to be had.

pub(crate) mod steps;

use verity_testdata::machine::Machine;
use verity_testdata::{files, oracle, pattern};

use self::steps::{Step, run, step};
use crate::common::Dir;

/// What lies in the machine, and how it came there.
fn images() -> Option<Dir> {
    let dir = Dir::with_data(64);
    let root = dir.format("--fec-device fec --seed live");
    dir.write("root", root.as_bytes());
    dir.ok("format data hash2 --seed other --root-hash-file root2");
    for (name, at) in [("bad0", 100), ("bad40", 40 * 4096 + 7)] {
        let mut bytes = dir.read("data");
        bytes[at] ^= 1;
        dir.write(name, &bytes);
    }
    for name in ["rsa2048", "p256", "other"] {
        dir.key(name);
    }
    for (image, key, blocks) in [("known.raw", "rsa2048", 32), ("unknown.raw", "p256", 33)] {
        dir.write(image, &pattern::sha256_stream(blocks * 4096));
        dir.ok(&format!("build {image} --key {key}.key --certificate {key}.cert --seed live"));
    }
    disk(&dir)?;
    // A file system that can be mounted.
    let mkfs = oracle::require("mkfs.ext4")?;
    files::sparse(&dir.path("fs"), 4 << 20);
    oracle::run_ok(dir.tool(mkfs).args(["-q", "-b", "4096", "-O", "^has_journal", "fs"]));
    dir.ok("format fs fs.hash --root-hash-file fs.root");
    Some(dir)
}

/// Puts data and tree into partitions of a disk image.
fn disk(dir: &Dir) -> Option<()> {
    let table = "label: gpt\nname=data, start=2048, size=512\nname=tree, start=4096, size=512\n";
    dir.write("table", table.as_bytes());
    let sfdisk = oracle::require("sfdisk")?;
    files::sparse(&dir.path("disk.raw"), 4 << 20);
    let mut command = dir.tool("sh");
    command.args(["-c", "$0 -q disk.raw <table"]).arg(sfdisk);
    oracle::run_ok(&mut command);
    dir.patch("disk.raw", 2048 * 512, &dir.read("data"));
    dir.patch("disk.raw", 4096 * 512, &dir.read("hash"));
    Some(())
}

const OPEN: &str = "verity open data root hash --root-hash-file root";

/// Plain files: the kernel, `dmsetup` and `veritysetup` see what was opened.
const FILES: &[Step] = &[
    step(
        "verity open data root hash --root-hash-file root --dry-run",
        0,
        &["not opened, as was asked for: /dev/mapper/root"],
    ),
    step("verity status root", 4, &["there is no device root"]),
    step(OPEN, 0, &["geometry: not authenticated (superblock)", "opened: /dev/mapper/root"]),
    step("cmp data /dev/mapper/root", 0, &[]),
    step("dmsetup table root", 0, &["0 512 verity 1 7:", " 4096 4096 64 1 sha256 "]),
    step("dmsetup info -c --noheadings -o uuid root", 0, &["CRYPT-VERITY-", "-root"]),
    step("veritysetup status root", 0, &["verified", "data loop:   /tmp/images/data"]),
    step(
        "verity status root",
        0,
        &["status: no corruption seen", "(file /tmp/images/data)", "signature: none given"],
    ),
    step("verity status /dev/mapper/root", 0, &["device: root (/dev/mapper/root, 25"]),
    step("verity status", 0, &["root: no corruption seen, 262144 bytes on /dev/loop"]),
    step("verity status root --json", 0, &["\"corrupt\":false", "\"signed\":false"]),
    step(OPEN, 0, &["already open, and the same: /dev/mapper/root"]),
    step(
        "verity open data root hash2 --root-hash-file root2",
        7,
        &["is open already", "another one by", "hash device", "root hash"],
    ),
    step(
        "verity open data root hash --root-hash-file root --option ignore_zero_blocks",
        7,
        &["another one by: options"],
    ),
    step("sleep 1 </dev/mapper/root & verity close root", 0, &["closed: root"]),
    step("verity close root", 4, &["there is no device root"]),
    step("verity status root", 4, &["there is no device root"]),
    step("verity status", 0, &["there is no verity device"]),
    step("verity open data 'a b' hash --root-hash-file root", 0, &["/dev/mapper/a\\\\x20b"]),
    step("verity close 'a b' && losetup -a", 0, &["closed: a b"]),
];

/// Partitions: of an image file by loop devices, of a disk by their nodes.
const PARTITIONS: &[Step] = &[
    step("verity open disk.raw#data part disk.raw#tree --root-hash-file root", 0, &["opened"]),
    step("cmp data /dev/mapper/part", 0, &[]),
    step("dmsetup table part", 0, &["0 512 verity 1 7:"]),
    step(
        "verity open disk.raw#data part disk.raw#tree --root-hash-file root",
        0,
        &["already open, and the same"],
    ),
    step("verity open data part hash --root-hash-file root", 7, &["data device, hash device"]),
    step("verity close part", 0, &[]),
    step("verity open disk.raw#none part disk.raw#tree --root-hash-file root", 3, &["none"]),
    step("losetup -P /dev/loop7 disk.raw; ls /dev/loop7p2", 0, &[]),
    step("verity open /dev/loop7#1 part /dev/loop7#tree --root-hash-file root", 0, &["opened"]),
    step("verity status part", 0, &["on /dev/loop7p1\n", "of /dev/loop7p2\n"]),
    step("verity close part && losetup -d /dev/loop7", 0, &[]),
];

/// What ours opens theirs reads and closes, and the reverse.
const OTHERS: &[Step] = &[
    step("veritysetup open data root hash $(cat root)", 0, &[]),
    step("verity status root", 0, &["status: no corruption seen", "(file /tmp/images/data)"]),
    step(OPEN, 0, &["already open, and the same"]),
    step("verity close root", 0, &["closed: root"]),
    step(OPEN, 0, &["opened"]),
    step("veritysetup close root", 0, &[]),
    step("verity status root", 4, &["there is no device"]),
    step("losetup /dev/loop7 data && dmsetup create lin --table '0 8 linear /dev/loop7 0'", 0, &[]),
    step("verity close lin", 3, &["no verity device"]),
    step("verity status lin", 3, &["no verity device"]),
    step("verity open data lin hash --root-hash-file root", 7, &["it is no verity device"]),
    step("verity status", 0, &["there is no verity device"]),
    step("dmsetup remove lin", 0, &[]),
    step("verity open /dev/loop7 dev hash --root-hash-file root", 0, &["opened"]),
    step(
        "verity open /dev/loop7 dev2 hash --root-hash-file root",
        7,
        &["/dev/loop7: data device", "in use", "--shared"],
    ),
    step("verity open /dev/loop7 dev2 hash --root-hash-file root --shared", 0, &["opened"]),
    step("verity close dev && verity close dev2 && losetup -d /dev/loop7", 0, &[]),
];

/// What a run that was killed has left behind.
const LEFT: &[Step] = &[
    step(
        "dmsetup create half --notable -u CRYPT-VERITY-00112233445566778899aabbccddeeff-half",
        0,
        &[],
    ),
    step("verity status half", 3, &["has no table", "verity close removes it"]),
    step("verity status", 0, &["half: no table"]),
    step("verity open data half hash --root-hash-file root", 0, &["note: a device of this name"]),
    step("verity close half", 0, &["closed: half"]),
    step(
        "dmsetup create half --notable && verity open data half hash --root-hash-file root",
        7,
        &["exists already"],
    ),
    step("dmsetup remove half", 0, &[]),
];

/// Corruption, seen before the kernel sees it, by the kernel at once, and later.
const CORRUPT: &[Step] = &[
    step(
        "verity open bad0 root hash --root-hash-file root --option restart_on_corruption",
        1,
        &["data block 0 is corrupt"],
    ),
    step("verity status root", 4, &["there is no device"]),
    step("verity open bad0 root hash --root-hash-file root --no-probe", 0, &["opened"]),
    step("dd if=/dev/mapper/root of=/dev/null bs=4096 count=1", 1, &["Input/output error"]),
    step("verity status root", 1, &["status: corrupt"]),
    step("verity status", 1, &["root: corrupt, "]),
    step("verity status -q", 1, &["root: corrupt, "]),
    step(
        "verity open bad0 root hash --root-hash-file root --no-probe",
        1,
        &["has met a corrupt block"],
    ),
    step("verity close root", 0, &[]),
    step("verity open bad40 root hash --root-hash-file root", 0, &["opened"]),
    step("verity status root", 0, &["no corruption seen"]),
    step("cat /dev/mapper/root >/dev/null", 1, &["Input/output error"]),
    step("verity status root --json", 1, &["\"corrupt\":true"]),
    step("verity close root", 0, &[]),
    step(
        "verity open bad0 root hash --root-hash-file root --fec-device fec",
        0,
        &["repaired: 1 corrupt block on the way to the first one", "opened"],
    ),
    step("cmp data /dev/mapper/root", 0, &[]),
    step("verity status root", 0, &["parity: 2 roots over 65 blocks, from block 0 of "]),
    step("verity close root", 0, &[]),
];

/// Signatures, and what `build` has made.
const SIGNED: &[Step] = &[
    step("verity open known.raw usr", 2, &["nobody is trusted to sign"]),
    step("verity open known.raw usr --certificate other.cert", 5, &["known.manifest.json.p7s"]),
    step("verity open data usr --certificate rsa2048.cert", 5, &["there is no manifest"]),
    step(
        "verity open known.raw usr --certificate rsa2048.cert",
        0,
        &["geometry: manifest", "manifest: signed by", "opened"],
    ),
    step(
        "verity open known.raw usr --certificate rsa2048.cert --root-hash-signature auto",
        7,
        &["another one by: signature"],
    ),
    step("verity close usr", 0, &[]),
    step(
        "verity open known.raw usr --certificate rsa2048.cert --root-hash-signature auto",
        0,
        &["root hash: signed by", "opened"],
    ),
    step("verity status usr", 0, &["signature: checked by the kernel, key verity:"]),
    step("verity status", 0, &["usr: no corruption seen, signed, "]),
    step(
        "verity status usr --check known.manifest.json --certificate rsa2048.cert",
        0,
        &["manifest: known version "],
    ),
    step(
        "verity status usr --check unknown.manifest.json --certificate p256.cert",
        1,
        &["is not what the manifest states: its root hash is another one"],
    ),
    step(
        "verity status usr --check known.manifest.json --certificate other.cert",
        5,
        &["known.manifest.json.p7s"],
    ),
    step("verity close usr", 0, &[]),
    step(
        "verity open known.raw usr --certificate rsa2048.cert --option ignore_corruption && \
         verity status usr --check known.manifest.json --certificate rsa2048.cert",
        1,
        &["it lets corrupt blocks through"],
    ),
    step("verity close usr", 0, &[]),
    step(
        "verity open unknown.raw usr --certificate p256.cert --root-hash-signature auto",
        5,
        &["Required key not available", "the kernel has no certificate of the signer"],
    ),
    step(
        "verity open unknown.raw usr unknown.verity $(cat unknown.roothash) \
         --root-hash-signature known.roothash.p7s",
        5,
        &["the kernel refused the table of usr", "verity lint-signature"],
    ),
    step("verity status", 0, &["there is no verity device"]),
];

/// The keyring of dm-verity itself, which Linux has from 7.0 on: sealed unless the module is asked
/// to leave it open, and looked into only once it is sealed.
const KEYRING: &[Step] = &[
    step("keyctl padd asymmetric '' %:.dm-verity <p256.der", 1, &["Operation not permitted"]),
    step("verity open unknown.raw usr --certificate p256.cert --root-hash-signature auto", 5, &[]),
    step("rmmod dm_verity && insmod /modules/dm-verity.ko keyring_unsealed=1", 0, &[]),
    step("keyctl padd asymmetric '' %:.dm-verity <p256.der", 0, &[]),
    step(
        "verity open unknown.raw usr --certificate p256.cert --root-hash-signature auto",
        5,
        &["Required key not available"],
    ),
    step("keyctl restrict_keyring %:.dm-verity", 0, &[]),
    step(
        "verity open unknown.raw usr --certificate p256.cert --root-hash-signature auto",
        0,
        &["opened"],
    ),
    step("verity status usr", 0, &["signature: checked by the kernel, key verity:"]),
    step("keyctl padd asymmetric '' %:.dm-verity <other.der", 1, &["Operation not permitted"]),
    step("verity close usr", 0, &[]),
];

/// Who uses a device is named, and a removal can wait.
const USED: &[Step] = &[
    step("verity open fs fs fs.hash --root-hash-file fs.root", 0, &["opened"]),
    step("mount -t ext4 -o ro /dev/mapper/fs /mnt", 0, &[]),
    step("verity close fs", 7, &["device fs is in use", "mounted at /mnt", "--deferred"]),
    step("verity close fs --deferred", 0, &["in use: fs goes when it is closed last"]),
    step("verity status fs", 0, &["goes when it is closed last", "open: 1 time"]),
    step("verity open fs fs fs.hash --root-hash-file fs.root", 7, &["goes when it is closed last"]),
    step("verity close fs --cancel-deferred", 0, &["kept: fs stays"]),
    step("verity close fs --deferred && ls /dev/mapper && umount /mnt", 0, &["fs"]),
    step("verity status fs", 4, &["there is no device fs"]),
];

/// The link that makes it veritysetup costs no more than the original: calls of the system, and
/// time, which the machine counts in instructions.
const COST: &[Step] = &[
    step("mkdir link && ln -s /usr/sbin/verity link/veritysetup", 0, &[]),
    step(
        "count() { strace -f -qq -o calls $1 open data v hash $(cat root) && $1 close v; \
         grep -vc -e exited -e SIG calls; }; ours=$(count link/veritysetup); \
         theirs=$(count /usr/sbin/veritysetup); \
         echo \"calls of open: ours $ours, the original's $theirs\"; test $ours -le $theirs",
        0,
        &["calls of open: ours "],
    ),
    step(
        "now() { cut -d\" \" -f1 /proc/uptime | tr -d .; }; \
         span() { a=$(now); for i in 1 2 3 4 5 6 7 8; do $1 open data v hash $(cat root); \
         $1 close v; done; echo $(($(now) - a)); }; \
         span link/veritysetup; span /usr/sbin/veritysetup; \
         ours=$(span link/veritysetup); theirs=$(span /usr/sbin/veritysetup); \
         echo \"hundredths of a second for eight opens: ours $ours, the original's $theirs\"; \
         test $ours -le $theirs",
        0,
        &["eight opens: ours "],
    ),
];

/// Ends `open` at one call of the system after the other, and looks whether the next one works, and
/// whether anything is left once that is closed. `STEP` is how far it is to the next call.
const KILLED: &str = r#"
open="verity open data root hash --root-hash-file root"
n=1; killed=0; left=0
while :; do
    strace -f -qq -o calls --inject=all:signal=KILL:when=$n $open >/tmp/said 2>&1 && break
    killed=$((killed + 1))
    [ -z "$(dmsetup ls | grep root)" ] || left=$((left + 1))
    $open >/tmp/said 2>&1 || { echo "call $n blocks the next open:"; cat /tmp/said; }
    cmp data /dev/mapper/root || echo "call $n: other bytes"
    verity close root >/tmp/said || { echo "call $n: no close:"; cat /tmp/said; }
    [ -z "$(losetup -a)" ] || sleep 1
    [ -z "$(losetup -a)" ] || { echo "call $n leaves a loop device:"; losetup -a; }
    n=$((n + STEP))
done
verity close root
echo "killed at $killed calls; $left devices were left to the next open"
"#;

/// Nothing is left behind.
const END: &[Step] = &[
    step("dmsetup ls", 0, &["No devices found"]),
    step("sleep 1; test -z \"$(losetup -a)\"", 0, &[]),
    // Nobody is there to remove the node of what the kernel has removed later.
    step("rm /dev/mapper/fs; ls /dev/mapper | grep -v control", 1, &[]),
];

#[test]
fn devices_are_opened_watched_and_closed() {
    let Some(dir) = images() else { return };
    let all = [FILES, PARTITIONS, OTHERS, LEFT, CORRUPT, SIGNED, USED, COST, END].concat();
    run(&dir, &all);
}

/// Where the machine's kernel has that keyring: `testdata/kernel/make.sh --newest` brings one.
#[test]
fn keys_of_dm_veritys_own_keyring_count_once_it_is_sealed() {
    let Some(machine) = Machine::find() else { return };
    let release = machine.release();
    let major = release.split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < 7) {
        println!("Linux {release} has no keyring of dm-verity");
        return;
    }
    let Some(dir) = images() else { return };
    for name in ["p256", "other"] {
        dir.openssl(&format!("x509 -outform DER -in {name}.cert -out {name}.der"));
    }
    run(&dir, KEYRING);
}

/// All calls with `VERITY_KILL_STEP=1`.
#[test]
fn an_open_that_is_killed_blocks_no_other() {
    let Some(dir) = images() else { return };
    let between = std::env::var("VERITY_KILL_STEP").unwrap_or_else(|_| "37".to_owned());
    let killed: &'static str = KILLED.replace("STEP", &between).leak();
    let steps = [&[step(killed, 0, &["killed at "])], END].concat();
    let said = run(&dir, &steps);
    assert!(!said.contains("call "), "{said}");
}

#[test]
fn what_cannot_be_is_refused_before_a_device_is_touched() {
    let dir = Dir::with_data(4);
    let root = dir.format("");
    let open = |more: &str| format!("open data {more}");
    for (line, code, word) in [
        (open(&format!("a/b hash {root}")), 2, "must not contain '/'"),
        (open(&format!(". hash {root}")), 2, "no device can be called \".\""),
        (open(&format!("{} hash {root}", "n".repeat(128))), 2, "the name is too long"),
        (open("x hash"), 2, "a root hash is needed"),
        (open("x"), 2, "nobody is trusted to sign"),
        (open("x --data-blocks 4"), 2, "without HASH the manifest beside the image"),
        (open(&format!("x hash {root} --root-hash-signature auto")), 2, "name the file"),
        (open(&format!("x hash {root} --option bad")), 2, "bad"),
        (open(&format!("x hash {root} --option use_fec_from_device=a")), 2, "fec_start"),
        (
            open(&format!("x hash {root} --option root_hash_sig_key_desc=k")),
            2,
            "a signature is given by --root-hash-signature",
        ),
        (open(&format!("x hash {root} --usr")), 2, "--usr"),
        (open(&format!("x hash {root} --data-blocks 3")), 3, "data blocks"),
        (open(&format!("x missing {root}")), 4, "missing"),
        ("status --check m".to_owned(), 2, "<NAME>"),
        ("status x --certificate c".to_owned(), 2, "--certificate"),
        ("close x --deferred --cancel-deferred".to_owned(), 2, "cannot be used with"),
    ] {
        dir.fails(&line, code, word);
    }
    dir.patch("data", 7, b"?");
    dir.fails(&open(&format!("x hash {root}")), 1, "data block 0 is corrupt");
    #[cfg(feature = "http")]
    dir.fails(&format!("open http://127.0.0.1:1/x x hash {root}"), 4, "127.0.0.1");
}
