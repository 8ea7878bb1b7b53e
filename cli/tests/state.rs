//! `check --state`: no way back to an older image. And `check --ca`, `lint-signature`.

use std::process::Command;

use crate::common::{CHECK, Dir, SIGNED_BUILD, assert_no_leftovers};
use verity_testdata::pattern;

/// A signed set of the image `name` in this version, in place of the one before.
fn build(dir: &Dir, name: &str, version: u64, content: usize) {
    dir.write("image.raw", &pattern::sha256_stream(content * 4096));
    dir.ok(&format!("{SIGNED_BUILD} --image-name {name} --image-version {version}"));
}

fn state_check(dir: &Dir) -> String {
    dir.ok(&format!("{CHECK} --state state"))
}

fn state(dir: &Dir) -> String {
    String::from_utf8(dir.read("state")).unwrap()
}

#[test]
fn p31_older_images_are_refused() {
    let dir = Dir::new();
    dir.key("rsa2048");
    build(&dir, "rootfs", 7, 3);
    assert!(state_check(&dir).contains("state: first use, state made\n"));
    let first = state(&dir);
    assert!(
        first.starts_with(
            r#"{"state_version":1,"images":[{"name":"rootfs","version":7,"root_hash":""#
        )
    );

    // The same image again, and a newer one.
    assert!(state_check(&dir).contains("state: version 7 was accepted before (state)\n"));
    assert_eq!(state(&dir), first);
    build(&dir, "rootfs", 8, 4);
    assert!(state_check(&dir).contains("version 7 was accepted"));
    let second = state(&dir);
    assert!(second.contains(r#""version":8"#));

    // The older one, validly signed; the same version with another root hash; a version nothing can
    // follow.
    for (version, content, words) in [
        (7, 3, "version 8 was accepted before"),
        (0, 3, "version 8 was accepted before"),
        (8, 3, "another root hash"),
        (u64::MAX, 5, "no newer one could follow"),
    ] {
        build(&dir, "rootfs", version, content);
        dir.ok(CHECK);
        let run = dir.fails(&format!("{CHECK} --state state"), 5, words);
        assert!(run.stderr.contains("state"), "{run:?}");
        assert_eq!(state(&dir), second);
    }

    // Another name has versions of its own, once it was expected.
    build(&dir, "another", 1, 3);
    dir.fails(&format!("{CHECK} --state state"), 5, "no image \"another\" was accepted before");
    assert_eq!(state(&dir), second);
    let text = dir.ok(&format!("{CHECK} --state state --image-name another"));
    assert!(text.contains("state: first image of this name in state\n"), "{text}");
    let json = dir.run(&format!("{CHECK} --state state --json")).json();
    assert_eq!(json["state"]["previous_version"], 1);
    assert_eq!(json["state"]["first_use"], false);
    assert_no_leftovers(&dir);
}

/// I12: nothing is remembered of an image that is not good.
#[test]
fn p31_a_failed_check_changes_nothing() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.key("other");
    build(&dir, "rootfs", 7, 3);
    let good = dir.read("image.raw");
    dir.patch("image.raw", 5000, b"changed");
    dir.fails(&format!("{CHECK} --state state"), 1, "");
    assert!(!dir.exists("state"));
    dir.write("image.raw", &good);
    dir.fails("check image.raw --certificate other.cert --state state", 5, "untrusted");
    assert!(!dir.exists("state"));
    state_check(&dir);
    let before = state(&dir);
    build(&dir, "rootfs", 9, 3);
    dir.patch("image.raw", 5000, b"changed");
    dir.fails(&format!("{CHECK} --state state"), 1, "");
    assert_eq!(state(&dir), before);
    assert_no_leftovers(&dir);
}

#[test]
fn p31_a_damaged_state_is_never_begun_anew() {
    let dir = Dir::new();
    dir.key("rsa2048");
    build(&dir, "rootfs", 7, 3);
    state_check(&dir);
    let good = dir.read("state");
    let mut damaged =
        vec![Vec::new(), b"{}".to_vec(), [good.as_slice(), b"\n"].concat(), vec![0; 64]];
    damaged.extend((0..good.len()).step_by(7).map(|length| good[..length].to_vec()));
    for bytes in damaged {
        dir.write("state", &bytes);
        let run = dir.run(&format!("{CHECK} --state state"));
        assert_eq!(run.code, 5, "{run:?}");
        assert_eq!(dir.read("state"), bytes);
    }
    // Neither is anything but a file.
    std::fs::remove_file(dir.path("state")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path("state")).unwrap();
    assert_ne!(dir.run(&format!("{CHECK} --state state")).code, 0);
    assert!(!dir.exists("nowhere"));
}

/// Two runs at a time: one waits for nobody, and neither forgets what the other has accepted.
#[test]
fn p31_runs_exclude_each_other() {
    let dir = Dir::new();
    dir.key("rsa2048");
    build(&dir, "rootfs", 7, 3);
    let run = || {
        let mut command = dir.command();
        command.args(CHECK.split(' ')).args(["--state", "state"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let runs: Vec<_> = (0..6).map(|_| run()).collect();
    let codes: Vec<_> =
        runs.into_iter().map(|mut run| run.wait().unwrap().code().unwrap()).collect();
    assert!(codes.iter().all(|code| [0, 7].contains(code)), "{codes:?}");
    assert!(codes.contains(&0), "{codes:?}");
    assert!(state(&dir).contains(r#""version":7"#));
    assert_no_leftovers(&dir);
}

/// Rollback protection is not walked around by an image of another name.
#[test]
fn a05_another_image_of_the_same_signer_is_not_taken_for_the_expected_one() {
    let dir = Dir::new();
    dir.key("rsa2048");
    build(&dir, "os", 7, 3);
    let manifest = "--manifest image.manifest.json --certificate rsa2048.cert";
    let lines = [
        CHECK.to_owned(),
        format!("verify image.raw image.verity {manifest}"),
        format!("read image.raw image.verity {manifest} --output out"),
        format!("table {manifest} --data-dev a --hash-dev b"),
        "table --manifest image.manifest.json --data-dev a --hash-dev b".to_owned(),
    ];
    for line in &lines {
        dir.ok(&format!("{line} --image-name os"));
    }
    let _ = std::fs::remove_file(dir.path("out"));
    dir.ok(&format!("{CHECK} --state state --image-name os"));
    let before = state(&dir);
    // An old image of another name, validly signed, in the place of the expected one.
    build(&dir, "factory-debug", 1, 4);
    for line in &lines {
        dir.fails(
            &format!("{line} --image-name os"),
            5,
            "about image \"factory-debug\", but \"os\" is expected",
        );
        assert!(!dir.exists("out"), "{line}");
        dir.ok(line);
        let _ = std::fs::remove_file(dir.path("out"));
    }
    let serve = format!("serve image.raw image.verity {manifest} --image-name os --socket s");
    dir.fails(&serve, 5, "\"os\" is expected");
    dir.fails(&format!("{CHECK} --state state"), 5, "--image-name");
    dir.fails(&format!("{CHECK} --state state --image-name os"), 5, "\"os\" is expected");
    assert_eq!(state(&dir), before);
    // A state file that is empty takes any name, and what is expected is added.
    dir.ok(&format!("{CHECK} --state fresh"));
    dir.ok(&format!("{CHECK} --state state --image-name factory-debug"));
    assert!(state(&dir).contains("factory-debug") && state(&dir).contains("\"os\""));
    dir.ok(&format!("{CHECK} --state state"));
    assert_no_leftovers(&dir);
}

#[test]
fn a05_an_image_name_is_refused_where_nothing_names_the_image() {
    let dir = Dir::with_data(10);
    let root = dir.format("");
    for line in [
        format!("verify data hash {root}"),
        format!("read data hash {root} --output out"),
        format!("serve data hash {root} --socket s"),
        format!("table hash {root} --data-dev a --hash-dev b"),
    ] {
        dir.fails(&format!("{line} --image-name os"), 2, "--image-name goes with --manifest");
    }
}

fn openssl(dir: &Dir, line: &str) {
    let status = Command::new("openssl").args(line.split(' ')).current_dir(dir.path("")).output();
    let output = status.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a signer under it.
fn issued(dir: &Dir) {
    const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    openssl(dir, &format!("genpkey {EC} -out ca.key"));
    openssl(dir, &format!("genpkey {EC} -out leaf.key"));
    openssl(
        dir,
        "req -x509 -new -key ca.key -subj /CN=authority -days 30 -out ca.cert \
         -addext keyUsage=keyCertSign",
    );
    openssl(dir, "req -new -key leaf.key -subj /CN=signer -out leaf.csr");
    dir.write(
        "ext",
        b"keyUsage=digitalSignature\nextendedKeyUsage=codeSigning\nsubjectKeyIdentifier=hash\n",
    );
    openssl(
        dir,
        "x509 -req -in leaf.csr -CA ca.cert -CAkey ca.key -days 20 -extfile ext -out leaf.cert",
    );
    dir.set_mode("leaf.key", 0o600);
}

#[test]
fn an_authority_in_place_of_the_certificate() {
    if verity_testdata::oracle::require("openssl").is_none() {
        return;
    }
    let dir = Dir::new();
    dir.key("rsa2048");
    issued(&dir);
    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    dir.ok(
        "build image.raw --key leaf.key --certificate leaf.cert --embed-certificate --seed test",
    );
    let text = dir.ok("check image.raw --ca ca.cert");
    assert!(text.contains("under CN=authority"), "{text}");
    dir.ok("check image.raw --certificate leaf.cert");
    dir.ok("verify image.raw image.verity --manifest image.manifest.json --ca ca.cert");
    let table = "table --manifest image.manifest.json --ca ca.cert --data-dev a --hash-dev b";
    assert!(dir.ok(table).contains(" verity "));
    // P13: the time decides, and may be told.
    dir.fails("check image.raw --ca ca.cert --at 1", 5, "not valid yet");
    dir.fails("check image.raw --ca ca.cert --at 4102444800", 5, "expired");
    dir.ok("check image.raw --certificate leaf.cert --at 4102444800");
    // Neither the signer itself nor a stranger is an authority.
    dir.fails("check image.raw --ca leaf.cert", 5, "no authority");
    dir.fails("check image.raw --ca rsa2048.cert", 5, "no authority");
    dir.fails("check image.raw --ca ca.cert --certificate leaf.cert", 2, "cannot be used with");
    dir.fails("check image.raw", 2, "--ca");
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    dir.fails(&format!("verify image.raw image.verity {root} --ca ca.cert"), 2, "--manifest");
    // A signer that is named by its key identifier.
    let build = "build image.raw --key leaf.key --certificate leaf.cert --seed test \
                 --subject-key-identifier";
    dir.ok(&format!("{build} --embed-certificate"));
    dir.ok("check image.raw --ca ca.cert");
    dir.fails("check image.raw --ca ca.cert --at 4102444800", 5, "expired");
    dir.ok(build);
    dir.fails("check image.raw --ca ca.cert", 5, "not embedded");
    dir.ok("check image.raw --certificate leaf.cert");
    // Without the certificate in the signature there is no chain.
    dir.ok("build image.raw --key leaf.key --certificate leaf.cert --seed test");
    dir.fails("check image.raw --ca ca.cert", 5, "not embedded");
}

#[test]
fn lint_signature_tells_what_the_kernel_does() {
    let dir = Dir::with_signed_set(3);
    dir.key("other");
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    let lint = format!("lint-signature image.roothash.p7s --root-hash {root}");
    let text = dir.ok(&format!("{lint} --certificate rsa2048.cert"));
    assert!(text.contains("accepted by the kernel: yes\nsince: Linux 5.4\n"), "{text}");
    assert!(text.contains("ok   trust: "), "{text}");
    let json = dir.run(&format!("{lint} --json")).json();
    assert_eq!((&json["accepted"], &json["schema"]), (&"unknown".into(), &2.into()));

    let run = dir.run(&format!("{lint} --certificate other.cert --json"));
    assert_eq!((run.code, run.json()["error"].clone()), (5, "ENOKEY".into()));

    dir.write("pem", b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n");
    let run = dir.run("lint-signature pem --json");
    assert_eq!((run.code, run.json()["error"].clone()), (5, "EBADMSG".into()));
    let fails = run.json()["points"].as_array().unwrap().iter().any(|point| {
        point["verdict"] == "fail" && point["explanation"].as_str().unwrap().contains("PEM")
    });
    assert!(fails, "{run:?}");
    dir.write("large", &vec![0; 1 << 20]);
    assert_eq!(dir.run("lint-signature large").code, 5);
    assert_ne!(dir.run("lint-signature /dev/zero").code, 0);
    dir.fails("lint-signature pem --root-hash xyz", 2, "root hash");
    dir.fails("lint-signature missing", 4, "missing");
    // It is a prediction: a good one makes no image good.
    dir.fails("check image.raw --certificate other.cert", 5, "untrusted");
}
