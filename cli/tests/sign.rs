//! `verity sign`: signatures that openssl accepts, and keys that are refused.

use std::fs;

use crate::common::{self, Dir, ROOT, wrong};
use verity_testdata::oracle;

const KEY: &str = "--key rsa2048.key --certificate rsa2048.cert";

fn with_key() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir
}

#[test]
fn a_root_hash_signature_is_that_of_openssl() {
    let dir = with_key();
    dir.ok(&format!("sign {ROOT} {KEY} --output sig"));
    dir.write("root", format!("{}\n", ROOT.to_uppercase()).as_bytes());
    dir.ok(&format!("sign --root-hash-file root {KEY} --output again"));
    assert_eq!(
        dir.read("sig"),
        dir.read("again"),
        "lower-case hex is signed, however it was given"
    );
    if oracle::require("openssl").is_none() {
        return;
    }
    dir.write("content", ROOT.as_bytes());
    let mut openssl = dir.tool("openssl");
    openssl.args(["smime", "-sign", "-nocerts", "-noattr", "-binary", "-outform", "DER"]);
    openssl.args([
        "-in",
        "content",
        "-inkey",
        "rsa2048.key",
        "-signer",
        "rsa2048.cert",
        "-out",
        "theirs",
    ]);
    oracle::run_ok(&mut openssl);
    assert_eq!(dir.read("sig"), dir.read("theirs"));
}

#[test]
fn prints_one_json_object() {
    let dir = with_key();
    let json = dir.run(&format!("sign {ROOT} {KEY} --output sig --digest sha512 --json")).json();
    assert_eq!(json["signed"], "root-hash");
    assert_eq!(json["root_hash"], ROOT);
    assert_eq!(json["digest"], "sha512");
    assert_eq!(json["certificate_embedded"], false);
    assert_eq!(json["signature_bytes"].as_u64(), u64::try_from(dir.read("sig").len()).ok());
}

#[test]
fn certificates_are_embedded_only_on_request() {
    let dir = with_key();
    dir.ok(&format!("sign {ROOT} {KEY} --output small"));
    dir.ok(&format!("sign {ROOT} {KEY} --embed-certificate --output large"));
    assert!(dir.read("large").len() > dir.read("small").len() + 500);
}

#[test]
fn contradictions_are_usage_errors() {
    let dir = with_key();
    dir.write("root", wrong(ROOT).as_bytes());
    for (line, word) in [
        (format!("sign {KEY} --output sig"), "required"),
        (format!("sign {ROOT} {KEY}"), "--output"),
        (format!("sign {ROOT} --key rsa2048.key --output sig"), "--certificate"),
        (format!("sign {ROOT} --manifest m {KEY} --output sig"), "cannot be used with"),
        (format!("sign {ROOT} --root-hash-file root {KEY} --output sig"), "on the command line"),
        (format!("sign {ROOT} {KEY} --digest md5 --output sig"), "md5"),
        (format!("sign {ROOT} {KEY} --output rsa2048.key"), "rsa2048.key"),
        (format!("sign --root-hash-file root {KEY} --output root"), "root"),
    ] {
        dir.fails(&line, 2, word);
    }
    assert_eq!(dir.names(), ["root", "rsa2048.cert", "rsa2048.key"]);
}

#[test]
fn k01_loose_key_modes_warn_or_are_refused() {
    let dir = with_key();
    for (mode, code, word) in [
        (0o600, 0, ""),
        (0o400, 0, ""),
        (0o644, 0, "warning: rsa2048.key: others than its owner may read"),
        (0o640, 0, "may read"),
        (0o620, 5, "may write"),
        (0o602, 5, "may write"),
        (0o666, 5, "may write"),
    ] {
        dir.set_mode("rsa2048.key", mode);
        let run = dir.run(&format!("sign {ROOT} {KEY} --output sig"));
        assert_eq!(run.code, code, "{mode:o}: {run:?}");
        assert!(run.stderr.contains(word) && (run.stderr.is_empty() == word.is_empty()), "{run:?}");
    }
}

/// K01: who may put another file in the place of the key may write it.
#[test]
fn k01_keys_that_others_may_replace_are_refused() {
    let dir = with_key();
    for (directory, mode, code) in [
        ("open", 0o777, 5),
        ("write", 0o702, 5),
        ("sticky", 0o1777, 0),
        ("group", 0o770, 0),
        ("own", 0o700, 0),
    ] {
        fs::create_dir(dir.path(directory)).unwrap();
        fs::copy(dir.path("rsa2048.key"), dir.path(&format!("{directory}/key"))).unwrap();
        dir.set_mode(directory, mode);
        std::os::unix::fs::symlink(
            format!("{directory}/key"),
            dir.path(&format!("{directory}.link")),
        )
        .unwrap();
        for key in [format!("{directory}/key"), format!("{directory}.link")] {
            let line = format!("sign {ROOT} --key {key} --certificate rsa2048.cert --output sig");
            let run = dir.run(&line);
            assert_eq!(run.code, code, "{key}: {run:?}");
            assert_eq!(
                run.stderr.contains("anybody may replace the private key"),
                code == 5,
                "{run:?}"
            );
            assert_eq!(dir.exists("sig"), code == 0);
            let _ = fs::remove_file(dir.path("sig"));
        }
    }
}

/// K01: the same for what stands further up, and for a link.
#[test]
fn k01_the_whole_way_to_the_key_counts() {
    let dir = with_key();
    fs::create_dir_all(dir.path("outer/inner")).unwrap();
    fs::copy(dir.path("rsa2048.key"), dir.path("outer/inner/key")).unwrap();
    dir.set_mode("outer/inner", 0o700);
    std::os::unix::fs::symlink("../rsa2048.key", dir.path("outer/link")).unwrap();
    std::os::unix::fs::symlink("outer/inner", dir.path("way")).unwrap();
    for (mode, code) in [(0o777, 5), (0o755, 0), (0o1777, 0)] {
        dir.set_mode("outer", mode);
        for key in ["outer/inner/key", "outer/link", "way/key", "./outer/../outer/inner/key"] {
            let run = dir
                .run(&format!("sign {ROOT} --key {key} --certificate rsa2048.cert --output sig"));
            assert_eq!(run.code, code, "{key} {mode:o}: {run:?}");
        }
    }
}

#[test]
fn k01_a_key_of_another_user_draws_a_warning() {
    if !oracle::require_root() {
        return;
    }
    let dir = with_key();
    std::os::unix::fs::chown(dir.path("rsa2048.key"), Some(65534), None).unwrap();
    let run = dir.run(&format!("sign {ROOT} {KEY} --output sig"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("belongs to another user"), "{run:?}");
}

/// K01: who owns the key may write it.
#[test]
fn k01_a_key_of_another_user_is_refused_to_all_but_root() {
    if !oracle::require_root() || oracle::require("setpriv").is_none() {
        return;
    }
    let dir = with_key();
    dir.set_mode(".", 0o755);
    dir.set_mode("rsa2048.key", 0o644);
    dir.own_verity();
    fs::create_dir(dir.path("out")).unwrap();
    std::os::unix::fs::chown(dir.path("out"), Some(65534), None).unwrap();
    let owned_by = |owner: u32| {
        std::os::unix::fs::chown(dir.path("rsa2048.key"), Some(owner), None).unwrap();
        let mut setpriv = dir.tool("setpriv");
        setpriv.args(["--reuid=65534", "--clear-groups", "./verity"]);
        let line = format!("sign {ROOT} {KEY} --output out/sig");
        common::Run::of(setpriv.args(line.split(' ')).output().unwrap())
    };
    for (owner, code) in [(65533, 5), (65534, 0), (0, 0)] {
        let run = owned_by(owner);
        assert_eq!(run.code, code, "{owner}: {run:?}");
        assert_eq!(run.stderr.contains("belongs to another user"), code == 5, "{run:?}");
    }
}

/// K10: what is no key file ends at once, and little of it is read.
#[test]
fn k10_key_paths_that_are_no_files() {
    let dir = with_key();
    oracle::run_ok(dir.tool("mkfifo").args(["-m", "600", "fifo"]));
    std::os::unix::fs::symlink("two", dir.path("one")).unwrap();
    std::os::unix::fs::symlink("one", dir.path("two")).unwrap();
    fs::File::create(dir.path("sparse")).unwrap().set_len(1 << 30).unwrap();
    dir.set_mode("sparse", 0o600);
    let socket = std::os::unix::net::UnixListener::bind(dir.path("socket")).unwrap();
    for (path, code, word) in [
        ("fifo", 2, "fifo"),
        ("one", 4, "one"),
        (".", 2, "directory"),
        ("/dev/zero", 2, "/dev/zero"),
        ("/dev/full", 2, "/dev/full"),
        ("socket", 4, "socket"),
        ("rsa2048.key/", 4, "rsa2048.key/"),
        ("sparse", 5, "larger than 65536 bytes"),
    ] {
        dir.fails(
            &format!("sign {ROOT} --key {path} --certificate rsa2048.cert --output sig"),
            code,
            word,
        );
        dir.fails(
            &format!("sign {ROOT} --key rsa2048.key --certificate {path} --output sig"),
            code,
            word,
        );
        dir.fails(&format!("sign {ROOT} {KEY} --chain {path} --output sig"), code, word);
    }
    drop(socket);
    assert!(!dir.exists("sig"));
    let line = format!("sign {ROOT} --key sparse --certificate rsa2048.cert --output sig");
    let Some((run, bytes)) = dir.bytes_read(&line, "sparse") else { return };
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(bytes, 65_537);
}

#[test]
fn k06_k10_unfit_keys_are_refused_before_anything_is_written() {
    let dir = with_key();
    dir.key("other");
    dir.fails(
        &format!("sign {ROOT} --key other.key --certificate rsa2048.cert --output sig"),
        5,
        "other.key",
    );
    dir.fails(
        &format!("sign {ROOT} --key rsa2048.cert --certificate rsa2048.cert --output sig"),
        5,
        "",
    );
    dir.fails(
        &format!("sign {ROOT} --key missing --certificate rsa2048.cert --output sig"),
        4,
        "missing",
    );
    dir.fails(
        &format!("sign {ROOT} --key /dev/zero --certificate rsa2048.cert --output sig"),
        2,
        "/dev/zero",
    );
    dir.fails(
        &format!("sign {ROOT} --key . --certificate rsa2048.cert --output sig"),
        2,
        "directory",
    );
    dir.write("large", &vec![b'-'; 1 << 20]);
    dir.set_mode("large", 0o600);
    dir.fails(
        &format!("sign {ROOT} --key large --certificate rsa2048.cert --output sig"),
        5,
        "large",
    );
    assert!(!dir.exists("sig"));
}

/// SECURITY.md says what is looked at, and what not.
#[test]
fn a09_what_is_looked_at_of_a_key_file_is_what_is_documented() {
    let dir = with_key();
    fs::create_dir_all(dir.path("way/deep")).unwrap();
    fs::copy(dir.path("rsa2048.key"), dir.path("way/deep/key")).unwrap();
    let line = format!("sign {ROOT} --key way/deep/key --certificate rsa2048.cert --output sig");
    for (file, directory, refused) in [
        (0o600, 0o755, ""),
        (0o620, 0o755, "others than its owner may write"),
        (0o602, 0o755, "others than its owner may write"),
        (0o600, 0o757, "anybody may replace"),
        (0o600, 0o1777, ""),
        // Not looked at: a group that may write the directory.
        (0o600, 0o775, ""),
    ] {
        dir.set_mode("way/deep/key", file);
        dir.set_mode("way", directory);
        let run = dir.run(&line);
        let expected = if refused.is_empty() { 0 } else { 5 };
        assert_eq!(run.code, expected, "{file:o} {directory:o}: {run:?}");
        assert!(run.stderr.contains(refused), "{file:o} {directory:o}: {run:?}");
        assert!(refused.is_empty() == run.stderr.is_empty(), "{run:?}");
    }
    if !oracle::require_root() {
        return;
    }
    dir.set_mode("way", 0o755);
    // Not looked at either: a directory of another user.
    std::os::unix::fs::chown(dir.path("way/deep"), Some(65_534), None).unwrap();
    let run = dir.run(&line);
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    std::os::unix::fs::chown(dir.path("way/deep/key"), Some(65_534), None).unwrap();
    let run = dir.run(&line);
    assert!(run.code == 0 && run.stderr.contains("belongs to another user"), "{run:?}");
}

#[test]
fn a_manifest_is_signed_byte_for_byte() {
    let set = Dir::with_signed_set(3);
    let line = format!("sign --manifest image.manifest.json {KEY} --output sig");
    assert!(set.ok(&line).starts_with("signed: manifest "));
    assert_eq!(set.read("sig"), set.read("image.manifest.json.p7s"));
    set.write("bad", &[set.read("image.manifest.json"), b"\n".to_vec()].concat());
    set.fails(&format!("sign --manifest bad {KEY} --output sig2"), 3, "bad");
    assert!(!set.exists("sig2"));
}
