//! Devices that one program opens, and each of them sees and closes.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use verity_testdata::guest::without_count;

use crate::image::{Image, Shape};
use crate::tools::{Guest, Tool, tool};

/// The lines of `status` as the original has them that ours follows.
fn status(by: Tool, name: &str) -> Vec<String> {
    let said = by.ok(&["status", name]);
    let lines = said.lines().map(str::to_owned);
    match by {
        // For the loop device the original asks the wrong device, and prints none; repairs, which
        // kernels count since Linux 6.19, are in versions after these two.
        Tool::Ours => lines
            .filter(|line| !line.starts_with("  FEC loop:") && !line.starts_with("  FEC repaired:"))
            .collect(),
        // It prints no blanks between the last flags.
        Tool::Newer => lines.map(|line| line.replace("_oncetry", "_once try")).collect(),
        Tool::Older => lines.collect(),
    }
}

/// What older versions print too: sizes have no units there.
fn without_sizes(lines: &[String]) -> Vec<String> {
    let sizes = ["data block", "hash block", "size", "hash offset", "FEC offset"];
    let has_size =
        |line: &&String| sizes.iter().any(|size| line.starts_with(&format!("  {size}:")));
    lines.iter().filter(|line| !has_size(line)).cloned().collect()
}

/// All of them say the same. Returns what that is.
fn status_by_each(name: &str) -> Vec<String> {
    let [ours, newer, older] = Tool::ALL.map(|by| status(by, name));
    assert_eq!(ours, newer);
    assert_eq!(without_sizes(&ours), without_sizes(&older));
    ours
}

/// The table, but for the numbers of loop devices and the order of options.
fn table(name: &str) -> Vec<String> {
    let table = tool("dmsetup", &["table", name]);
    let words = table.split(' ').filter(|word| !word.starts_with("7:")).map(str::to_owned);
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

fn of_shapes(guest: &Guest, shapes: &[Shape]) {
    for (round, shape) in shapes.iter().enumerate() {
        let image = Image::of(guest, *shape, Tool::ALL[round % 3]);
        let mut seen = Vec::new();
        for (turn, opener) in Tool::ALL.into_iter().enumerate() {
            opener.silently(&image.line("root", &[]));
            let lines = status_by_each("root");
            assert!(lines.contains(&"  status:      verified".to_owned()), "{lines:?}");
            assert_eq!(without_count(&tool("dmsetup", &["status", "root"])), "0 512 verity V");
            image.check_device("root");
            // Those that open files have loop devices of other numbers, and ours has one for each
            // file, whatever it holds.
            let is_number = |line: &String| line.contains("device: /dev/loop");
            let lines: Vec<_> = lines.into_iter().filter(|line| !is_number(line)).collect();
            let uuid = tool("dmsetup", &["info", "-c", "--noheadings", "-o", "uuid", "root"]);
            seen.push((lines, table("root"), uuid));
            Tool::ALL[(turn + 1) % 3].silently(&["close", "root"]);
            guest.settle();
        }
        assert_eq!(seen[0], seen[1], "{shape:?}");
        assert_eq!(seen[1], seen[2], "{shape:?}");
        image.release();
        guest.check_clean();
    }
}

pub(crate) fn by_each(guest: &Guest) {
    let (plain, fec) = (Shape::default(), Shape { fec: true, ..Shape::default() });
    of_shapes(
        guest,
        &[
            plain,
            fec,
            Shape { one_file: true, loops: true, ..fec },
            Shape { one_file: true, small_blocks: true, ..plain },
            Shape { no_superblock: true, ..fec },
            Shape { loops: true, small_blocks: true, ..fec },
        ],
    );
}

pub(crate) fn by_each_with_udev(guest: &Guest) {
    let plain = Shape::default();
    of_shapes(guest, &[plain, Shape { one_file: true, fec: true, loops: true, ..plain }]);
}

pub(crate) fn every_option(guest: &Guest) {
    let image = Image::new(guest);
    for (options, flags) in [
        (&["--ignore-corruption"][..], "ignore_corruption"),
        (&["--restart-on-corruption"], "restart_on_corruption"),
        (&["--panic-on-corruption"], "panic_on_corruption"),
        (&["--ignore-zero-blocks", "--use-tasklets"], "ignore_zero_blocks try_verify_in_tasklet"),
        (&["--check-at-most-once", "--use-tasklets"], "check_at_most_once try_verify_in_tasklet"),
        (&["--shared"], ""),
        (&["--error-as-corruption", "--panic-on-corruption"], "panic_on_corruption panic_on_error"),
        (
            &["--error-as-corruption", "--restart-on-corruption"],
            "restart_on_corruption restart_on_error",
        ),
        // Of two that contradict each other, one counts.
        (&["--ignore-corruption", "--panic-on-corruption"], "panic_on_corruption"),
    ] {
        let is_new =
            options.iter().any(|option| ["--shared", "--error-as-corruption"].contains(option));
        let line = image.line("root", options);
        let mut tables = Vec::new();
        for opener in Tool::ALL {
            if opener == Tool::Older && is_new {
                continue;
            }
            opener.silently(&line);
            let ours = status(Tool::Ours, "root");
            // The original has no blank behind the last two modes either.
            let newer = status(Tool::Newer, "root");
            let blanks = |lines: &[String]| lines.join("\n").replace(' ', "");
            assert_eq!(blanks(&ours), blanks(&newer));
            let said = ours.iter().find_map(|line| line.strip_prefix("  flags:       "));
            assert_eq!(said.unwrap_or_default(), flags);
            tables.push(table("root"));
            Tool::Newer.silently(&["close", "root"]);
        }
        assert!(tables.iter().all(|table| *table == tables[0]), "{options:?}: {tables:?}");
    }
}

pub(crate) fn corruption(guest: &Guest) {
    let image = Image::new(guest);
    let wrong = "ab".repeat(32);
    for opener in Tool::ALL {
        opener.silently(&image.line_with("root", &wrong, &[]));
        assert!(status_by_each("root").contains(&"  status:      verified".to_owned()));
        assert!(File::open("/dev/mapper/root").unwrap().read(&mut [0; 512]).is_err());
        assert_eq!(without_count(&tool("dmsetup", &["status", "root"])), "0 512 verity C");
        assert!(status_by_each("root").contains(&"  status:      corrupted".to_owned()));
        opener.silently(&["close", "root"]);
    }
    // Parity repairs, and nothing was corrupt for those who look.
    let image = Image::of(guest, Shape { fec: true, ..Shape::default() }, Tool::Ours);
    let mut bytes = image.bytes.clone();
    bytes[20_000] ^= 1;
    fs::write(&image.data, bytes).unwrap();
    for opener in Tool::ALL {
        opener.silently(&image.line("root", &[]));
        image.check_device("root");
        assert!(status_by_each("root").contains(&"  status:      verified".to_owned()));
        opener.silently(&["close", "root"]);
    }
    // What is corrupt beyond that is read by nobody.
    let mut bytes = image.bytes.clone();
    bytes[8192..65_536].fill(0);
    fs::write(&image.data, bytes).unwrap();
    Tool::Ours.silently(&image.line("root", &[]));
    let mut device = File::open("/dev/mapper/root").unwrap();
    device.seek(SeekFrom::Start(8192)).unwrap();
    assert!(device.read(&mut [0; 512]).is_err());
    drop(device);
    assert!(status_by_each("root").contains(&"  status:      corrupted".to_owned()));
    Tool::Older.silently(&["close", "root"]);
}

/// Names as they are typed, with what they are in `/dev`.
pub(crate) fn names(guest: &Guest) {
    let image = Image::new(guest);
    for (name, node) in [("a b", r"a\x20b"), ("x#+-.:=@_", "x#+-.:=@_"), ("\u{e4}", r"\xc3\xa4")] {
        for (opener, closer) in [(Tool::Ours, Tool::Newer), (Tool::Newer, Tool::Ours)] {
            opener.silently(&image.line(name, &[]));
            guest.settle();
            assert!(fs::exists(format!("/dev/mapper/{node}")).unwrap(), "{name}");
            assert_eq!(status(Tool::Ours, name), status(Tool::Newer, name));
            // The path of its node is a name too.
            let path = format!("/dev/mapper/{node}");
            assert_eq!(status(Tool::Ours, &path), status(Tool::Newer, &path));
            closer.silently(&["close", name]);
            guest.settle();
        }
    }
    // One that leaves no room for all of the UUID.
    let long = "n".repeat(100);
    for opener in [Tool::Ours, Tool::Newer] {
        let said = opener.run(&image.line(&long, &[]));
        let words = format!("DM-UUID for device {long} was truncated.\n");
        assert_eq!((said.code, said.stderr), (0, words), "{opener:?}");
        assert_eq!(status(Tool::Ours, &long), status(Tool::Newer, &long));
        opener.silently(&["close", &long]);
        guest.settle();
    }
}
