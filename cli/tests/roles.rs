//! No output is an input, whatever command has both and under whatever name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::common::{CHECK, Dir, PASSPHRASE, ROOT, Run, SIGNED_BUILD, assert_no_leftovers};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::{oracle, pattern};

/// Every kind of file that a command can be given.
fn full_dir() -> Dir {
    let dir = Dir::with_signed_set(40);
    dir.key("other");
    dir.write("data", &pattern::sha256_stream(40 * 4096));
    dir.format("--fec-device fec --root-hash-file root --salt 00");
    dir.write("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    dir.set_mode("passphrase", 0o600);
    dir.script("signer", "exec openssl pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256");
    dir.ok(&format!("prepare-signature {ROOT} --certificate rsa2048.cert --output prepared"));
    if oracle::require("openssl").is_some() {
        dir.openssl("pkcs8 -topk8 -in rsa2048.key -passout file:passphrase -out enc.key");
        dir.set_mode("enc.key", 0o600);
        dir.openssl(
            "pkeyutl -sign -inkey rsa2048.key -in prepared -out raw -pkeyopt digest:sha256",
        );
    }
    dir
}

/// All files of a directory.
fn contents(dir: &Dir) -> BTreeMap<String, Vec<u8>> {
    let files = dir.names().into_iter().filter(|name| dir.path(name).is_file());
    files.map(|name| (name.clone(), dir.read(&name))).collect()
}

const MANIFEST: &str =
    "image.raw image.verity --manifest image.manifest.json --certificate rsa2048.cert";

/// Command lines whose output is `OUT`, and the inputs that it must not be.
fn lines() -> Vec<(String, &'static str)> {
    let sign = "--key rsa2048.key --certificate rsa2048.cert";
    let image = "data hash --root-hash-file root --fec-device fec";
    vec![
        (format!("read {image} --output OUT"), "data hash root fec"),
        (format!("repair {image} --output OUT"), "data hash root fec"),
        (format!("repair {image} --output new --hash-output OUT"), "data hash root fec"),
        (
            format!("read {MANIFEST} --output OUT"),
            "image.raw image.verity image.manifest.json image.manifest.json.p7s rsa2048.cert",
        ),
        (
            format!(
                "read {MANIFEST} --certificate other.cert --root-hash-file image.roothash \
                     --output OUT"
            ),
            "other.cert image.roothash",
        ),
        (
            format!("repair {MANIFEST} --fec-device fec --output OUT --hash-output new"),
            "image.raw image.verity image.manifest.json image.manifest.json.p7s rsa2048.cert fec",
        ),
        ("format data new --root-hash-file OUT".to_owned(), "data"),
        ("format data new --fec-device newer --root-hash-file OUT".to_owned(), "data"),
        (
            format!("sign --root-hash-file root {sign} --output OUT"),
            "root rsa2048.key rsa2048.cert",
        ),
        (
            format!("sign --root-hash-file root {sign} --output new --signature-partition OUT"),
            "root rsa2048.key rsa2048.cert",
        ),
        (format!("sign --manifest image.manifest.json {sign} --output OUT"), "image.manifest.json"),
        (
            format!(
                "sign {ROOT} --key enc.key --passphrase-file passphrase \
                     --certificate rsa2048.cert --output OUT"
            ),
            "enc.key passphrase",
        ),
        (
            "prepare-signature --root-hash-file root --certificate rsa2048.cert --output OUT"
                .to_owned(),
            "root rsa2048.cert",
        ),
        (
            "prepare-signature --manifest image.manifest.json --certificate rsa2048.cert \
             --output new --content-output OUT"
                .to_owned(),
            "image.manifest.json rsa2048.cert",
        ),
        (
            format!(
                "attach-signature {ROOT} --raw-signature raw --certificate rsa2048.cert \
                     --output OUT"
            ),
            "raw rsa2048.cert",
        ),
        (
            format!(
                "attach-signature {ROOT} --raw-signature raw --certificate rsa2048.cert \
                     --output new --signature-partition OUT"
            ),
            "raw rsa2048.cert",
        ),
    ]
}

#[test]
fn a04_no_output_is_an_input() {
    let dir = full_dir();
    if !dir.exists("raw") {
        return;
    }
    fs::create_dir(dir.path("deep")).unwrap();
    symlink("deep", dir.path("way")).unwrap();
    let before = contents(&dir);
    for (line, inputs) in lines() {
        // The line is good, but for the output.
        dir.ok(&line.replace("OUT", "good"));
        for made in ["good", "new", "newer"] {
            let _ = fs::remove_file(dir.path(made));
        }
        for input in inputs.split(' ') {
            fs::hard_link(dir.path(input), dir.path("deep/hard")).unwrap();
            for name in [input, &format!("./{input}"), &format!("way/../{input}"), "way/hard"] {
                let line = line.replace("OUT", name);
                let run = dir.fails(&line, 2, "is the input");
                assert!(run.stdout.is_empty(), "{line}: {run:?}");
                assert!(contents(&dir) == before, "{line}");
                assert_no_leftovers(&dir);
            }
            fs::remove_file(dir.path("deep/hard")).unwrap();
        }
        // A symbolic link is never written through.
        symlink(inputs.split(' ').next().unwrap(), dir.path("soft")).unwrap();
        assert_eq!(dir.run(&line.replace("OUT", "soft")).code, 2, "{line}");
        fs::remove_file(dir.path("soft")).unwrap();
        assert!(contents(&dir) == before, "{line}");
    }
}

/// Files that the command itself does not read: a program, and what is behind a descriptor.
#[test]
fn a04_no_output_is_a_program_or_an_open_descriptor() {
    let dir = full_dir();
    if !dir.exists("raw") {
        return;
    }
    let before = contents(&dir);
    let line = "--certificate rsa2048.cert --output signer";
    dir.fails(&format!("sign {ROOT} --signer-command ./signer {line}"), 2, "is the input");
    let mut command = dir.command();
    command.args(["sign", ROOT, "--signer-command", "signer"]).args(line.split(' '));
    let path = format!("{}:{}", dir.path("").display(), std::env::var("PATH").unwrap());
    let run = Run::of(command.env("PATH", path).output().unwrap());
    assert!(run.code == 2 && run.stderr.contains("is the input"), "{run:?}");
    let line = format!(
        "sign {ROOT} --key enc.key --passphrase-fd 0 --certificate rsa2048.cert --output passphrase"
    );
    let mut command = dir.command();
    command.args(line.split(' ')).stdin(File::open(dir.path("passphrase")).unwrap());
    let run = Run::of(command.output().unwrap());
    assert!(run.code == 2 && run.stderr.contains("is the input"), "{run:?}");
    assert!(contents(&dir) == before);
}

/// Data goes to standard output, which a shell may have led to an input.
#[test]
fn a04_standard_output_is_no_input() {
    let dir = full_dir();
    let before = contents(&dir);
    for input in ["data", "hash", "root", "fec"] {
        let mut command = dir.command();
        command.args("read data hash --root-hash-file root --fec-device fec".split(' '));
        let output = File::options().append(true).open(dir.path(input)).unwrap();
        let run = Run::of(command.stdout(output).output().unwrap());
        assert!(run.code == 2 && run.stderr.contains("is the input"), "{input}: {run:?}");
        assert!(contents(&dir) == before, "{input}");
    }
}

#[test]
fn a04_a_loop_device_does_not_hide_that_the_output_is_the_input() {
    let dir = full_dir();
    let Some(device) = LoopDevice::attach(&dir.path("data"), 512) else { return };
    let before = contents(&dir);
    let device = device.path().to_str().unwrap();
    for line in [
        format!("read {device} hash --root-hash-file root --output data"),
        format!("repair {device} hash --root-hash-file root --fec-device fec --output data"),
        format!("format {device} new --root-hash-file data"),
    ] {
        dir.fails(&line, 2, "is the input");
        assert!(contents(&dir) == before, "{line}");
    }
}

/// The state file is read and written; nothing else is that.
#[test]
fn a04_the_state_file_is_no_other_input() {
    let dir = full_dir();
    let before = contents(&dir);
    let set = ["image.raw", "image.verity", "image.roothash", "image.roothash.p7s"];
    let rest = ["image.manifest.json", "image.manifest.json.p7s", "rsa2048.cert"];
    for input in set.into_iter().chain(rest) {
        dir.fails(&format!("{CHECK} --state {input}"), 2, "is the input");
        assert!(contents(&dir) == before, "{input}");
    }
    dir.ok(&format!("{CHECK} --state state"));
    dir.ok(&format!("{CHECK} --state state"));
}

/// What is rewritten where it lies is exempt, if nothing else is there.
#[test]
fn a04_data_and_hash_area_may_be_in_one_file_and_a_repair_in_place() {
    let dir = full_dir();
    dir.write("disk", &pattern::sha256_stream(60 * 4096));
    dir.ok("format disk disk --data-blocks 40 --hash-offset 163840 --root-hash-file new");
    dir.fails(
        "format disk disk --data-blocks 40 --hash-offset 163840 --root-hash-file disk",
        2,
        "disk",
    );
    dir.ok("verify disk disk --root-hash-file new --hash-offset 163840");
    dir.patch("data", 5000, b"corrupt");
    dir.ok("repair data hash --root-hash-file root --fec-device fec --in-place");
    dir.ok("verify data hash --root-hash-file root");
}

/// Of two outputs that are one file under two names, the second would destroy the first.
#[test]
fn a12_two_outputs_on_one_file_are_refused() {
    let dir = full_dir();
    dir.write("old", b"old");
    fs::hard_link(dir.path("old"), dir.path("hard")).unwrap();
    let before = contents(&dir);
    let key = "--certificate rsa2048.cert --output old";
    for line in [
        "format data old --root-hash-file hard".to_owned(),
        "format data new --fec-device old --root-hash-file hard".to_owned(),
        "repair data hash --root-hash-file root --fec-device fec --output old --hash-output hard"
            .to_owned(),
        format!("sign {ROOT} --key rsa2048.key {key} --signature-partition hard"),
        format!("prepare-signature {ROOT} {key} --content-output hard"),
    ] {
        dir.fails(&line, 2, "which is an output too");
        assert!(contents(&dir) == before, "{line}");
        assert_no_leftovers(&dir);
    }
}

/// What is removed is a name, and nothing is written to its file.
#[test]
fn a_name_that_is_removed_may_be_another_one_of_an_output() {
    let dir = full_dir();
    let old = dir.read("image.roothash");
    fs::hard_link(dir.path("image.roothash"), dir.path("image.usrhash")).unwrap();
    let text = dir.ok(&SIGNED_BUILD.replace("test", "other"));
    assert!(text.contains("Removed:         \timage.usrhash\n"), "{text}");
    assert!(!dir.exists("image.usrhash") && dir.read("image.roothash") != old);
    fs::hard_link(dir.path("rsa2048.cert"), dir.path("image.usrhash")).unwrap();
    dir.fails(SIGNED_BUILD, 2, "is the input");
}

#[test]
fn a12_loop_devices_do_not_hide_that_two_outputs_are_one_file() {
    let dir = full_dir();
    dir.write("disk", &pattern::painted(64 * 4096));
    let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
    let before = contents(&dir);
    let device = device.path().to_str().unwrap();
    let parity = format!("--fec-device {device} --fec-offset 200K");
    for line in [
        format!("format data {device} --root-hash-file disk"),
        format!("format data {device} {parity} --root-hash-file disk"),
        format!("format data new --fec-device {device} --root-hash-file disk"),
    ] {
        dir.fails(&line, 2, "which is an output too");
        assert!(contents(&dir) == before, "{line}");
        assert_no_leftovers(&dir);
    }
    let mut command = dir.command();
    command.args(["format", "data", device, "--root-hash-file", "-"]);
    let output = File::options().append(true).open(dir.path("disk")).unwrap();
    let run = Run::of(command.stdout(output).output().unwrap());
    assert!(run.code == 2 && run.stderr.contains("standard output: is the same file"), "{run:?}");
    assert!(contents(&dir) == before);
    // Hash area and parity may share a device.
    dir.ok(&format!("format data {device} {parity}"));
}

#[test]
fn a12_two_outputs_of_one_name_are_refused() {
    let dir = full_dir();
    if !dir.exists("raw") {
        return;
    }
    let before = contents(&dir);
    let repair = "repair data hash --root-hash-file root --fec-device fec";
    let certificate = "--certificate rsa2048.cert";
    for line in [
        format!("{repair} --output y --hash-output y"),
        format!("{repair} --output y --hash-output ./y"),
        format!("sign {ROOT} --key rsa2048.key {certificate} --output y --signature-partition y"),
        format!("prepare-signature {ROOT} {certificate} --output y --content-output ./y"),
        format!(
            "attach-signature {ROOT} --raw-signature raw {certificate} --output y \
             --signature-partition ./y"
        ),
        "format data y --root-hash-file y".to_owned(),
        "format data new --fec-device y --root-hash-file ./y".to_owned(),
    ] {
        let run = dir.fails(&line, 2, "y: ");
        assert!(!run.stderr.contains("another run"), "{line}: {run:?}");
        assert!(contents(&dir) == before, "{line}");
    }
    dir.ok(SIGNED_BUILD);
}

/// Files are opened in two places, where they are compared; whoever opens one elsewhere has a
/// reason.
#[test]
fn a04_inputs_and_outputs_are_opened_where_they_are_compared() {
    // What is opened again only to be compared, and what is read and written.
    let inputs = ["disks.rs", "inputs.rs", "parity.rs", "state.rs", "target.rs"];
    let allowed: [(&str, &[&str]); 5] = [
        ("Input::open", &inputs),
        ("Output::create", &["outputs.rs"]),
        ("Output::update", &["outputs.rs"]),
        ("Removal::of", &["outputs.rs"]),
        ("InPlace::open", &["disks.rs", "locked_disk.rs", "target.rs"]),
    ];
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut sources = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            sources += 1;
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            // It compares its few files itself, as the original does, and `personality` tests it.
            if path.parent().is_some_and(|folder| folder.ends_with("front/veritysetup")) {
                continue;
            }
            for (call, files) in allowed {
                assert!(!text.contains(call) || files.contains(&name), "{call} in {path:?}");
            }
        }
    }
    assert!(sources > 90, "{sources} files of sources");
}
