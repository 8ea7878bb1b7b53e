//! Devices that others use, or make at the same time.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use verity_testdata::guest::eventually;

use crate::image::Image;
use crate::tools::{Guest, Said, Tool, tool};

/// A file system, mounted by a device that this one has opened.
fn mounted(guest: &Guest, opener: Tool) -> Image {
    let image = Image::mountable(guest);
    opener.silently(&image.line("root", &[]));
    tool("mount", &["-t", "ext4", "-o", "ro", "/dev/mapper/root", "/mnt"]);
    image
}

pub(crate) fn in_use(guest: &Guest) {
    for opener in [Tool::Ours, Tool::Newer] {
        let _image = mounted(guest, opener);
        let ours = Tool::Ours.run(&["close", "root"]);
        let lines: Vec<_> = ours.stderr.lines().collect();
        assert_eq!((ours.code, lines[0]), (5, "Device root is still in use."), "{ours:?}");
        assert!(lines[1].contains("mounted at /mnt"), "{ours:?}");
        let theirs = Tool::Newer.run(&["close", "root"]);
        assert_eq!((theirs.code, theirs.stderr.trim_end()), (5, lines[0]));
        let said = Tool::Ours.ok(&["status", "root"]);
        assert_eq!(said, Tool::Newer.ok(&["status", "root"]));
        assert!(said.starts_with("/dev/mapper/root is active and is in use.\n"), "{said}");
        tool("umount", &["/mnt"]);
        Tool::Ours.silently(&["close", "root"]);
    }
    // Merely open, for a while.
    let image = Image::new(guest);
    Tool::Ours.silently(&image.line("root", &[]));
    guest.settle();
    let held = File::open("/dev/mapper/root").unwrap();
    let mut closing = Tool::Ours.command(&["close", "root"]);
    let closing = closing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(held);
    let closed = Said::of(&closing.wait_with_output().unwrap());
    assert_eq!(closed, Said { code: 0, stdout: String::new(), stderr: String::new() });
}

pub(crate) fn deferred(guest: &Guest) {
    let close = |by: Tool, option: &str| by.ok(&["close", "root", option]);
    let is_deferred = || tool("dmsetup", &["info", "root"]).contains("DEFERRED REMOVE");
    for (one, other) in [(Tool::Ours, Tool::Newer), (Tool::Newer, Tool::Ours)] {
        let _image = mounted(guest, one);
        let said = "Device root is still active and scheduled for deferred removal.\n";
        for closer in [other, one] {
            assert_eq!(close(closer, "--deferred"), said);
            assert!(is_deferred());
            assert_eq!(close(one, "--cancel-deferred"), "");
            assert_eq!(close(other, "--cancel-deferred"), "");
            assert!(!is_deferred());
        }
        assert_eq!(close(Tool::Ours, "--deferred"), said);
        tool("umount", &["/mnt"]);
        assert!(eventually(|| Tool::Ours.run(&["status", "root"]).code == 4));
        guest.settle();
        // Without udev the node stays, or went with the original's first close.
        let node = Path::new("/dev/mapper/root");
        assert!(!guest.has_udev || !node.exists());
        let _ = fs::remove_file(node);
        guest.check_clean();
    }
    // Nobody uses it: it goes at once.
    let image = Image::new(guest);
    Tool::Newer.silently(&image.line("root", &[]));
    guest.settle();
    assert_eq!(close(Tool::Ours, "--deferred"), "");
}

/// One of them has the name, and the other one says so; nothing is left of it.
pub(crate) fn two_at_once(guest: &Guest) {
    let image = Image::new(guest);
    let line = image.line("root", &["--shared"]);
    for other in [Tool::Ours, Tool::Ours, Tool::Ours, Tool::Newer, Tool::Newer, Tool::Newer] {
        let both = [Tool::Ours, other].map(|opener| {
            let mut command = opener.command(&line);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let mut said = both.map(|opening| Said::of(&opening.wait_with_output().unwrap()));
        said.sort_by_key(|said| said.code);
        assert_eq!(said.clone().map(|said| said.code), [0, 5], "{said:?}");
        assert_eq!(said[0].stderr, "", "{said:?}");
        image.check_device("root");
        Tool::Ours.silently(&["close", "root"]);
        guest.check_clean();
    }
}
