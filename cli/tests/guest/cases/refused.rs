//! What cannot be opened, closed or shown: exit codes and words are the original's.

use std::fs;
use std::path::Path;

use crate::image::{Image, Shape};
use crate::tools::{Guest, Said, Tool, attach, detach, tool};

/// What both of them say, ours perhaps with lines that begin with these words more.
fn both(line: &[String], more: &str) -> Said {
    let (ours, theirs) = (Tool::Ours.run(line), Tool::Newer.run(line));
    let mut without = ours.clone();
    let is_theirs = |line: &&str| more.is_empty() || !line.starts_with(more);
    without.stderr =
        ours.stderr.lines().filter(is_theirs).map(|line| format!("{line}\n")).collect();
    assert_eq!(without, theirs, "{line:?}");
    assert_ne!(ours.code, 0, "{line:?}");
    if !more.is_empty() {
        assert_ne!(without, ours, "{line:?}: nothing that begins with {more}");
    }
    ours
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn tables(guest: &Guest) {
    // Blocks that are smaller than the device's.
    let image = Image::of(guest, Shape { small_blocks: true, ..Shape::default() }, Tool::Newer);
    let device = attach(&image.data, &["--sector-size", "4096"]);
    let mut line = image.line("root", &[]);
    line[1].clone_from(&device);
    let said = both(&line, "The kernel says: ");
    assert!(said.code == 5 && said.stderr.contains("Invalid data device block size"), "{said:?}");
    detach(&device);
    // Parity that is cut short.
    let image = Image::of(guest, Shape { fec: true, ..Shape::default() }, Tool::Newer);
    let cut = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(4096);
    cut(&image.data.with_file_name("fec")).unwrap();
    let said = both(&image.line("root", &[]), "The kernel says: ");
    assert!(said.code == 5 && said.stderr.contains("FEC device is too small"), "{said:?}");
    // A tree that is: ours finds that out, where the kernel says less.
    let image = Image::new(guest);
    cut(&image.hash).unwrap();
    let line = image.line("root", &[]);
    let (ours, theirs) = (Tool::Ours.run(&line), Tool::Newer.run(&line));
    let expected = format!("Device {} is too small.\n", image.hash.display());
    assert_eq!((ours.code, ours.stderr), (5, expected));
    assert!(theirs.code == 5 && theirs.stderr.contains("Argument list too long"), "{theirs:?}");
    guest.check_clean();
}

pub(crate) fn names(guest: &Guest) {
    let image = Image::new(guest);
    let long = "0123456789abcdef".repeat(8);
    for name in ["x/x", "/dev/mapper/root", &long, "", ".", "..", "control"] {
        both(&image.line(name, &[]), "");
    }
    tool("dmsetup", &["create", "root", "--verifyudev", "--table", "0 8 error"]);
    assert_eq!(both(&image.line("root", &[]), "").code, 5);
    tool("dmsetup", &["remove", "--verifyudev", "root"]);
    for opener in [Tool::Ours, Tool::Newer] {
        opener.silently(&image.line("root", &[]));
        assert_eq!(both(&image.line("root", &[]), "").stderr, "Device root already exists.\n");
        opener.silently(&["close", "root"]);
    }
}

pub(crate) fn devices_below(guest: &Guest) {
    let image = Image::new(guest);
    // Another mapping has it.
    let device = attach(&image.data, &[]);
    let table = format!("0 8 linear {device} 0");
    tool("dmsetup", &["create", "over", "--verifyudev", "--table", &table]);
    let mut line = image.line("root", &[]);
    line[1].clone_from(&device);
    let said = both(&line, "");
    assert!(said.code == 5 && said.stderr.contains("is in use"), "{said:?}");
    // With `--shared` others may have it too.
    line.push("--shared".to_owned());
    for opener in [Tool::Ours, Tool::Newer] {
        opener.silently(&line);
        image.check_device("root");
        opener.silently(&["close", "root"]);
    }
    tool("dmsetup", &["remove", "--verifyudev", "over"]);
    detach(&device);
    for (place, path) in [(1, "/nowhere"), (3, "/nowhere"), (1, "/tmp"), (3, "/dev/null")] {
        let mut line = image.line("root", &[]);
        path.clone_into(&mut line[place]);
        assert_eq!(both(&line, "").code, 4, "{path}");
    }
    // Data that is shorter than the tree says.
    fs::File::options().write(true).open(&image.data).unwrap().set_len(4096).unwrap();
    assert_eq!(both(&image.line("root", &[]), "").code, 1);
    // A file that nobody may write: the original cannot open it at all.
    let image = Image::new(guest);
    for path in [&image.data, &image.hash] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
        fs::set_permissions(path, mode).unwrap();
    }
    Tool::Ours.silently(&image.line("root", &[]));
    image.check_device("root");
    Tool::Newer.silently(&["close", "root"]);
    guest.check_clean();
}

pub(crate) fn other_devices(guest: &Guest) {
    let dmsetup = |line: &[&str]| {
        tool("dmsetup", &[line, &["--verifyudev"]].concat());
    };
    for action in ["status", "close"] {
        for name in ["root", "/dev/mapper/root", "/nowhere", "/dev/null", "/tmp", ""] {
            both(&words(&[action, name]), "");
        }
    }
    both(&words(&["close", "root", "--deferred"]), "");
    both(&words(&["close", "root", "--cancel-deferred"]), "");
    // Another target's.
    dmsetup(&["create", "root", "--table", "0 8 error"]);
    for name in ["root", "/dev/mapper/root"] {
        both(&words(&["status", name]), "");
        // The original would remove it.
        let said = Tool::Ours.run(&["close", name]);
        let expected = format!("Device {name} is no VERITY device, and is not removed.\n");
        assert_eq!((said.code, said.stderr), (4, expected));
    }
    assert!(Path::new("/dev/mapper/root").exists());
    dmsetup(&["remove", "root"]);
    // One without a table.
    tool("dmsetup", &["create", "root", "--notable"]);
    both(&words(&["status", "root"]), "");
    both(&words(&["close", "root"]), "");
    dmsetup(&["remove", "root"]);
    guest.check_clean();
}

/// The kernel of this machine trusts no key.
pub(crate) fn signatures(guest: &Guest) {
    let image = Image::new(guest);
    let signature = super::signed::signature(&image);
    let option = format!("--root-hash-signature={}", signature.display());
    let said = both(&image.line("root", &[&option]), "The kernel says: ");
    assert!(said.code == 1 && said.stderr.contains("Required key not available"), "{said:?}");
    for (content, code) in [(&b"no signature"[..], 5), (&[], 1), (&[1; 32_768], 1)] {
        fs::write(&signature, content).unwrap();
        let more = if code == 5 { "The kernel says: " } else { "" };
        assert_eq!(both(&image.line("root", &[&option]), more).code, code);
    }
    fs::remove_file(&signature).unwrap();
    both(&image.line("root", &[&option]), "");
}
