//! Partitions as systemd finds them: ours and those of `systemd-repart`, over the same data and by
//! the same key.

use std::fs;

use crate::common::{self, CHECK, Dir, SIGNED_BUILD};
use serde_json::Value;
use verity::disk::types::Architecture;
use verity_testdata::{oracle, pattern};

const BUILD: &str =
    "build image.raw --key rsa2048.key --certificate rsa2048.cert --seed test --systemd";
const PARTITION: &str = "image.verity-sig";

/// A disk image by `systemd-repart`, and what it says of its partitions.
struct Disk {
    bytes: Vec<u8>,
    partitions: Vec<Value>,
}

/// Data, hash area and signature for this mount point and architecture.
fn repart(dir: &Dir, mount_point: &str, architecture: &str) -> Disk {
    let size = "SizeMinBytes=1M\nSizeMaxBytes=1M\n";
    let copied = format!("{size}CopyBlocks={}\n", dir.path("image.raw").display());
    let definitions =
        [("", "data", &*copied), ("-verity", "hash", size), ("-verity-sig", "signature", "")];
    fs::create_dir(dir.path("repart.d")).unwrap();
    for (number, (suffix, content, more)) in definitions.into_iter().enumerate() {
        let name = format!("{mount_point}-{architecture}{suffix}");
        let text =
            format!("[Partition]\nType={name}\nVerity={content}\nVerityMatchKey=image\n{more}");
        dir.write(&format!("repart.d/{number}.conf"), text.as_bytes());
    }
    let mut repart = dir.tool("systemd-repart");
    repart.args(["--definitions=repart.d", "--empty=create", "--size=auto", "--dry-run=no"]);
    repart.args([
        "--private-key=rsa2048.key",
        "--certificate=rsa2048.cert",
        "--json=short",
        "disk",
    ]);
    let said = oracle::run_ok(&mut repart);
    let json = said.lines().find(|line| line.starts_with('[')).expect("a list of partitions");
    let partitions = serde_json::from_str(json).unwrap();
    fs::remove_dir_all(dir.path("repart.d")).unwrap();
    Disk { bytes: dir.read("disk"), partitions }
}

impl Disk {
    fn partition(&self, number: usize) -> &[u8] {
        let field =
            |name: &str| usize::try_from(self.partitions[number][name].as_u64().unwrap()).unwrap();
        &self.bytes[field("offset")..field("offset") + field("raw_size")]
    }

    /// The GUID of a partition's type and its own, from the partition table on the disk: sectors of
    /// 512 bytes, entries of 128 from the third one on (UEFI specification, section 5.3).
    fn guids(&self, number: usize) -> [String; 2] {
        let entry = &self.bytes[1024 + 128 * number..];
        [0, 16].map(|start| {
            uuid::Uuid::from_bytes_le(entry[start..start + 16].try_into().unwrap()).to_string()
        })
    }
}

/// Everything that our `build` says of partitions of this architecture: type, and UUID where one
/// follows.
fn told(json: &Value, mount_point: &str, architecture: &str) -> Vec<(String, Option<String>)> {
    let partitions = json["partitions"].as_array().unwrap();
    ["", "-verity", "-verity-sig"]
        .into_iter()
        .zip(partitions)
        .map(|(suffix, partition)| {
            let types = partition["types"].as_array().unwrap();
            let named = format!("{mount_point}-{architecture}{suffix}");
            let of = types.iter().find(|one| one["name"] == named).expect("a type of this name");
            assert_eq!(of["architecture"], architecture);
            let uuid = partition["uuid"].as_str().map(str::to_owned);
            (of["guid"].as_str().unwrap().to_owned(), uuid)
        })
        .collect()
}

#[test]
fn partitions_are_those_of_systemd_repart() {
    if oracle::require("systemd-repart").is_none() || !oracle::require_root() {
        return;
    }
    // Every architecture, and both kinds of each in turn: systemd-repart takes its time.
    let all = Architecture::ALL.iter().enumerate().map(|(number, architecture)| {
        (if number % 2 == 0 { "root" } else { "usr" }, architecture.name())
    });
    let both = [("root", "x86-64"), ("root", "arm64"), ("usr", "x86-64"), ("usr", "arm64")];
    let all: std::collections::BTreeSet<_> = all.chain(both).collect();
    for (mount_point, architecture) in all {
        let dir = Dir::new();
        dir.key("rsa2048");
        dir.write("image.raw", &pattern::sha256_stream(1 << 20));
        let disk = repart(&dir, mount_point, architecture);
        assert_eq!(disk.partition(0), dir.read("image.raw"));
        dir.write("theirs", disk.partition(1));
        let header = dir.run("dump theirs --json").json();
        let field = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
        let size = |name: &str| header[name].as_u64().unwrap();
        let usr = if mount_point == "usr" { "--usr" } else { "" };
        let built = dir.run(&format!(
            "build image.raw --key rsa2048.key --certificate rsa2048.cert --systemd {usr} --json \
             --salt {} --uuid {} \
             --data-block-size {} --hash-block-size {}",
            field("salt"),
            field("uuid"),
            size("data_block_size"),
            size("hash_block_size"),
        ));
        assert_eq!(built.code, 0, "{built:?}");
        let json = built.json();
        assert_eq!(json["root_hash"], disk.partitions[1]["roothash"]);
        let hash = dir.read("image.verity");
        assert!(disk.partition(1).starts_with(&hash));
        assert!(dir.read(PARTITION) == disk.partition(2), "the signature partition");
        for (number, (guid, uuid)) in told(&json, mount_point, architecture).into_iter().enumerate()
        {
            let [of_type, own] = disk.guids(number);
            assert_eq!(guid, of_type, "{number} of {mount_point} {architecture}");
            assert!(
                uuid.is_none_or(|uuid| uuid == own),
                "{number} of {mount_point} {architecture}"
            );
        }
        assert_eq!(told(&json, mount_point, architecture)[2].1, None);
        let checked = dir.ok(&format!("{CHECK} {usr}"));
        assert!(
            checked.contains("\nsignature partition: signed by CN=verity test rsa2048"),
            "{checked}"
        );
    }
}

#[test]
fn the_text_tells_what_the_json_tells() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    let text = dir.ok(BUILD);
    let json = dir.run(&format!("{BUILD} --json")).json();
    let mut told = 0;
    for partition in json["partitions"].as_array().unwrap() {
        let label = partition["label"].as_str().unwrap();
        assert!(text.contains(&format!("Partition label: \t{label}\n")), "{text}");
        told += 1;
        if let Some(uuid) = partition["uuid"].as_str() {
            let content = partition["content"].as_str().unwrap();
            assert!(text.contains(&format!("Partition UUID:  \t{uuid} {content}\n")), "{text}");
            told += 1;
        }
        for of in partition["types"].as_array().unwrap() {
            let text_of = |key: &str| of[key].as_str().unwrap();
            let line = format!("Partition type:  \t{} {}\n", text_of("guid"), text_of("name"));
            assert!(text.contains(&line), "{text}");
            told += 1;
        }
    }
    assert_eq!(told, 3 + 2 + 3 * Architecture::ALL.len());
    assert_eq!(text.matches("Partition ").count(), told);
    let root_hash = common::root_hash(&text);
    let uuid = json["partitions"][0]["uuid"].as_str().unwrap().replace('-', "");
    assert_eq!(uuid, root_hash[..32]);
}

/// What was made for systemd goes when it is not wanted any more, and it takes a key.
#[test]
fn a_set_has_it_only_if_asked() {
    let dir = Dir::with_signed_set(3);
    assert!(!dir.exists(PARTITION));
    let stdout = dir.ok(BUILD);
    assert!(stdout.contains("Written:         \timage.verity-sig\n"), "{stdout}");
    assert_eq!(dir.mode(PARTITION), 0o644);
    dir.ok(SIGNED_BUILD);
    assert!(!dir.exists(PARTITION));
    dir.ok(BUILD);
    let stdout = dir.ok("build image.raw --seed test --systemd");
    assert!(stdout.contains("Partition UUID:  \t"), "{stdout}");
    assert!(!dir.exists(PARTITION));
    // systemd reads the superblock, from the partition's first byte on.
    dir.fails("build image.raw --systemd --no-superblock", 2, "--no-superblock");
    dir.fails("build image.raw --systemd --hash-offset 4096", 2, "--hash-offset");
}

#[test]
fn check_refuses_one_that_is_changed_or_of_another_image() {
    let dir = Dir::with_signed_set(3);
    dir.ok(BUILD);
    let good = dir.read(PARTITION);
    dir.ok(CHECK);
    dir.patch(PARTITION, 1000, b"\0");
    dir.fails(CHECK, 5, PARTITION);
    dir.write(PARTITION, &good);
    dir.patch(PARTITION, 16383, b"x");
    dir.fails(CHECK, 5, "byte 16383, behind the JSON of the signature partition, is not NUL");
    dir.write(PARTITION, b"");
    dir.fails(CHECK, 5, PARTITION);
    dir.write("other.raw", &pattern::sha256_stream(5 * 4096));
    dir.ok(&BUILD.replace("image.raw", "other.raw"));
    dir.write(PARTITION, &dir.read("other.verity-sig"));
    dir.fails(CHECK, 5, "the signature partition is about root hash");
    dir.write(PARTITION, &vec![0; (4 << 20) + 1]);
    dir.fails(CHECK, 5, "longer than 4194304 bytes");
    dir.write(PARTITION, &good);
    dir.ok(CHECK);
    fs::remove_file(dir.path(PARTITION)).unwrap();
    dir.ok(CHECK);
}

/// Where the key is on another machine, or the image was built before.
#[test]
fn sign_and_attach_signature_make_the_same() {
    let dir = Dir::with_signed_set(3);
    dir.ok(BUILD);
    let good = dir.read(PARTITION);
    let key = "--key rsa2048.key --certificate rsa2048.cert";
    let what = "--root-hash-file image.roothash";
    let said = dir.ok(&format!("sign {what} {key} --output p7s --signature-partition signed"));
    assert!(said.ends_with("signature partition: signed\n"), "{said}");
    assert!(dir.read("signed") == good);
    assert!(dir.read("p7s") == dir.read("image.roothash.p7s"));
    dir.ok(&format!("prepare-signature {what} --certificate rsa2048.cert --output digest"));
    if oracle::require("openssl").is_some() {
        let mut openssl = dir.tool("openssl");
        openssl.args(["pkeyutl", "-sign", "-inkey", "rsa2048.key", "-pkeyopt", "digest:sha256"]);
        oracle::run_ok(openssl.args(["-in", "digest", "-out", "raw"]));
        let raw = "--raw-signature raw --certificate rsa2048.cert";
        let run = dir.run(&format!(
            "attach-signature {what} {raw} --output p7s --signature-partition attached --json"
        ));
        assert_eq!(run.json()["signature_partition"], "attached");
        assert!(dir.read("attached") == good);
    }
    let manifest = "--manifest image.manifest.json";
    dir.fails(
        &format!("sign {manifest} {key} --output p7s --signature-partition x"),
        2,
        "--signature-partition",
    );
    dir.fails(
        &format!("sign {what} {key} --output p7s --signature-partition rsa2048.key"),
        2,
        "rsa2048.key",
    );
    dir.fails(
        &format!("sign {what} {key} --output same --signature-partition same"),
        2,
        "is named as two outputs",
    );
}

/// What systemd's own generator makes of kernel parameters, or of a veritytab: the command line
/// of each unit.
fn generated(dir: &Dir, command_line: &str, veritytab: &str) -> Vec<String> {
    let _ = fs::remove_dir_all(dir.path("units"));
    fs::create_dir(dir.path("units")).unwrap();
    dir.write("veritytab", veritytab.as_bytes());
    let mut generator = dir.tool(GENERATOR);
    generator.args(["units"; 3]).env("SYSTEMD_PROC_CMDLINE", command_line);
    generator.env("SYSTEMD_VERITYTAB", dir.path("veritytab")).env("SYSTEMD_IN_INITRD", "1");
    oracle::run_ok(&mut generator);
    let mut units = Vec::new();
    for entry in fs::read_dir(dir.path("units")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "service") {
            let unit = fs::read_to_string(path).unwrap();
            let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
            let (_, arguments) = line.split_once(" attach ").expect("a device to attach");
            units.push(arguments.to_owned());
        }
    }
    units
}

const GENERATOR: &str = "/usr/lib/systemd/system-generators/systemd-veritysetup-generator";

#[test]
fn what_is_emitted_is_what_systemds_generator_reads() {
    if !std::path::Path::new(GENERATOR).exists() {
        oracle::skip("systemd-veritysetup-generator (Debian package systemd)");
        return;
    }
    let dir = Dir::with_data(300);
    let root = dir.format("--salt 00ff");
    dir.ok("format data bare --salt 00ff --no-superblock --hash-offset 8192");
    dir.ok("format data far --salt 00ff --hash-offset 8192");
    dir.ok("format data one --salt 00ff --fec-device one --fec-offset 32K --fec-roots 4");
    let devices = "--data-dev PARTUUID=abc --hash-dev /dev/vda2";
    let bare = "superblock=no,format=1,data-block-size=4096,hash-block-size=4096,data-blocks=300,\
                salt=00ff,hash=sha256,hash-offset=8192";
    let fec = "fec-device=/dev/vda2,fec-offset=32768,fec-roots=4";
    let words = "restart-on-corruption,ignore-zero-blocks,check-at-most-once";
    for (line, options) in [
        ("hash", ""),
        ("far --hash-offset 8192", "hash-offset=8192"),
        ("bare --no-superblock --data-blocks 300 --salt 00ff --hash-offset 8192", bare),
        ("one --fec-dev /dev/vda2 --fec-offset 32K --fec-roots 4", fec),
        (
            "hash --option restart_on_corruption --option ignore_zero_blocks \
             --option check_at_most_once",
            words,
        ),
    ] {
        let (hash, rest) = line.split_once(' ').unwrap_or((line, ""));
        let line = format!("table {hash} {root} {devices} {rest}");
        for name in ["root", "usr"] {
            let text = dir.ok(&format!("{line} --emit systemd --name {name}"));
            let expected =
                format!("'{name}' '/dev/disk/by-partuuid/abc' '/dev/vda2' '{root}' '{options}'");
            assert_eq!(generated(&dir, text.trim_end(), ""), [expected], "{text}");
        }
        let text = dir.ok(&format!("{line} --emit veritytab --name data"));
        let expected =
            format!("'data' '/dev/disk/by-partuuid/abc' '/dev/vda2' '{root}' '{options}'");
        assert_eq!(generated(&dir, "", &text), [expected], "{text}");
    }
}

#[test]
fn what_systemd_has_no_words_for_is_refused() {
    let dir = Dir::with_data(300);
    let root = dir.format("");
    dir.ok("format data one --salt 00ff --fec-device one --fec-offset 32K --fec-blocks 304");
    let devices = "--data-dev /dev/vda1 --hash-dev /dev/vda2";
    for emit in ["systemd", "veritytab"] {
        let line = format!("table hash {root} {devices} --emit {emit}");
        for (options, word) in [
            ("--option try_verify_in_tasklet", "no option that sets try_verify_in_tasklet"),
            ("--option restart_on_error", "no option that sets restart_on_error"),
            ("--option panic_on_error", "no option that sets panic_on_error"),
            ("--option root_hash_sig_key_desc=k", "root-hash-signature=FILE"),
            ("--fec-dev a,b", "no commas or quotes"),
            ("--fec-dev /dev/vda2 --fec-offset 32K --fec-blocks 304", "to cover 307 blocks"),
        ] {
            let line = match options.contains("32K") {
                true => line.replace("table hash", "table one"),
                false => line.clone(),
            };
            dir.fails(&format!("{line} {options}"), 2, word);
        }
        dir.fails(&line.replace("/dev/vda1", "a'b"), 2, "no commas or quotes");
    }
    let line = format!("table hash {root} {devices}");
    dir.fails(&format!("{line} --emit systemd --name data"), 2, "root and usr alone");
    dir.fails(&format!("{line} --emit veritytab --name a/b"), 2, "no device-mapper name");
}
