//! The clients that people use: nbdinfo, nbdcopy, qemu-img and qemu-io; and what they fetch, held
//! against the tools of the file systems.

use std::path::Path;
use std::process::Command;

use verity_testdata::{image, oracle};

use super::server::Server;
use crate::common::{Dir, same_file};

/// Runs a program that must succeed, in the directory; none where it is missing.
fn program(dir: &Dir, name: &str, arguments: &[&str]) -> Option<String> {
    let mut command = dir.tool(oracle::require(name)?);
    Some(oracle::run_ok(command.args(arguments)))
}

#[test]
fn real_clients_agree_on_the_image() {
    let dir = Dir::with_data(3000);
    let root = dir.format("--data-block-size 8192 --data-blocks 1500");
    for place in ["--socket s", "--listen 127.0.0.1:0", "--socket s --export-name disk"] {
        let server = Server::start(&dir, &format!("serve data hash {root} {place}"));
        let uri = &*server.uri;
        if let Some(facts) = program(&dir, "nbdinfo", &["--json", uri]) {
            let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
            assert_eq!(facts["protocol"], "newstyle-fixed");
            assert_eq!(facts["structured"], true);
            let export = &facts["exports"][0];
            assert_eq!(export["export-size"], 3000 * 4096);
            assert_eq!(export["is_read_only"], true);
            assert_eq!(export["can_multi_conn"], true);
            assert_eq!(export["can_df"], true);
            for cannot in ["can_flush", "can_fua", "can_trim", "can_zero", "can_cache"] {
                assert_eq!(export[cannot], false, "{cannot}");
            }
            assert_eq!(export["block_size_minimum"], 1);
            assert_eq!(export["block_size_preferred"], 8192);
            assert_eq!(export["block_size_maximum"], 32 << 20);
            assert!(export["description"].as_str().unwrap().contains(&root));
        }
        if let Some(list) = program(&dir, "nbdinfo", &["--list", uri]) {
            let name = if place.ends_with("disk") { "export=\"disk\":" } else { "export=\"\":" };
            assert!(list.contains(name), "{list}");
        }
        for arguments in
            [&[uri, "copy"][..], &["--synchronous", "--request-size=33554432", uri, "copy"]]
        {
            if program(&dir, "nbdcopy", arguments).is_some() {
                assert!(same_file(&dir.path("data"), &dir.path("copy")), "nbdcopy {arguments:?}");
                std::fs::remove_file(dir.path("copy")).unwrap();
            }
        }
        let convert = ["convert", "-f", "raw", "-O", "raw", uri, "copy"];
        if program(&dir, "qemu-img", &convert).is_some() {
            assert!(same_file(&dir.path("data"), &dir.path("copy")), "qemu-img {place}");
        }
        if let Some(said) = program(&dir, "qemu-img", &["compare", "-f", "raw", "data", uri]) {
            assert!(said.contains("Images are identical."), "{said}");
        }
        let run = server.stop("TERM");
        assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    }
}

#[test]
fn qemu_io_reads_around_a_corrupt_block_and_cannot_write() {
    let Some(qemu_io) = oracle::require("qemu-io") else { return };
    let dir = Dir::with_data(300);
    let root = dir.format("");
    let good = dir.read("data");
    dir.patch("data", 77 * 4096 + 5, &[good[77 * 4096 + 5] ^ 4]);
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    let qemu_io = |mode: &str, order: &str| {
        let mut command = Command::new(&qemu_io);
        let output = oracle::run(command.args([mode, "-f", "raw", "-c", order, &server.uri]));
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), said.concat())
    };
    for (order, expected) in [
        ("read 311296 4096", true),
        ("read 315392 4096", false),
        ("read 319488 4096", true),
        ("read 0 315392", true),
        ("read 0 315393", false),
        ("read 319488 909312", true),
        ("read 315904 512", false),
    ] {
        let (_, said) = qemu_io("-r", order);
        assert_eq!(said.contains("read failed: Input/output error"), !expected, "{order}: {said}");
        assert_eq!(said.contains(" ops/sec)"), expected, "{order}: {said}");
    }
    let (written, said) = qemu_io("-n", "write -P 7 0 4096");
    assert!(!written && !said.contains(" ops/sec)"), "{said}");
    let run = server.stop("TERM");
    assert_eq!(run.code, 0);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.starts_with("verity: warning: data: data block 77 is corrupt: expected"));
    assert_eq!(dir.read("data")[..77 * 4096], good[..77 * 4096]);
}

#[test]
fn an_erofs_image_fetched_through_the_server_is_sound() {
    fetched("erofs", |dir, copy| drop(program(dir, "fsck.erofs", &["-d1", copy])));
}

#[test]
fn a_squashfs_image_fetched_through_the_server_is_sound() {
    fetched("squashfs", |dir, copy| {
        let options = ["-n", "-q", "-d", "root", copy];
        if program(dir, "unsquashfs", &options).is_some() {
            assert!(dir.path("root/usr/lib/os-release").is_file(), "files came out of it");
        }
    });
}

#[test]
fn an_ext4_image_fetched_through_the_server_is_sound() {
    fetched("ext4", |dir, copy| drop(program(dir, "e2fsck", &["-fn", copy])));
}

/// A real root filesystem, built, signed, served against its manifest, fetched and checked.
fn fetched(kind: &str, check: impl FnOnce(&Dir, &str)) {
    let Some(image) = image::rootfs(kind) else { return };
    let dir = Dir::new();
    dir.key("p256");
    let line = format!(
        "build {} --output-dir . --image-name os --key p256.key --certificate p256.cert",
        image.canonicalize().unwrap().display()
    );
    dir.ok(&line);
    let name = |suffix: &str| format!("rootfs.{kind}{suffix}");
    let server = Server::start(
        &dir,
        &format!(
            "serve {} {} --manifest {} --certificate p256.cert --socket s --preload",
            image.canonicalize().unwrap().display(),
            name(".verity"),
            name(".manifest.json"),
        ),
    );
    let copied = program(&dir, "nbdcopy", &[&server.uri, "copy"]).is_some();
    let run = server.stop("TERM");
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    if copied {
        assert!(same_file(&image, Path::new(&dir.path("copy"))), "{kind}");
        check(&dir, "copy");
    }
}
