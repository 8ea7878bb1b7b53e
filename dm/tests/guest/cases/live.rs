//! Devices that are opened, looked at and closed, by us and by the original.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use verity::table::{OnCorruption, OnError, TableOptions};
use verity_dm::{Difference, Run};
use verity_testdata::guest::without_count;

use crate::image::{Image, Shape, UUID};
use crate::tools::{Guest, ok, tool};

pub(crate) fn files(guest: &Guest) {
    let image = Image::new(guest);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, []);
    assert_eq!(opened.node, Path::new("/dev/mapper/root"));
    assert_eq!(opened.loop_devices.len(), 2);
    image.check_device(&opened.node);

    let status = guest.status("root");
    assert_eq!(status.node.as_deref(), Some(&*opened.node));
    assert_eq!((status.name.plain(), status.number), ("root", opened.status.number));
    assert_eq!(status.uuid, format!("CRYPT-VERITY-{}-root", UUID.replace('-', "")));
    assert!(status.is_read_only && !status.is_suspended && !status.is_deferred);
    assert!(!status.has_inactive_table && status.open_count == 0);
    let verity = status.verity().unwrap();
    assert_eq!(verity.sectors, 512);
    assert!(verity.health.is_uncorrupted() && verity.health.repaired.is_none());
    assert_eq!(verity.line.root_hash, image.root_hash.to_string());
    assert_eq!(verity.line.salt, image.params.salt().to_string());
    assert!(!verity.line.is_signed() && verity.fec.is_none());
    for (backing, path) in [(&verity.data, &image.data), (&verity.hash, &image.hash)] {
        let file = backing.loop_file.as_ref().unwrap();
        assert_eq!(&file.path, path);
        assert!(!file.is_deleted);
        assert!(opened.loop_devices.contains(backing.path.as_ref().unwrap()));
        let name = backing.path.as_ref().unwrap().file_name().unwrap().to_str().unwrap();
        let of_sysfs = |name: String| fs::read_to_string(name).unwrap().trim_end().to_owned();
        assert_eq!(of_sysfs(format!("/sys/block/{name}/ro")), "1");
        assert_eq!(of_sysfs(format!("/sys/block/{name}/loop/autoclear")), "1");
    }
    // A name that went does not change which file it is.
    fs::remove_file(&image.data).unwrap();
    let status = guest.status("root");
    let file = status.verity().unwrap().data.loop_file.clone().unwrap();
    assert!(file.is_deleted);
    assert_eq!(file.path, image.data);
    guest.close("root");
}

pub(crate) fn ours_is_what_theirs_sees(guest: &Guest) {
    let image = Image::of(guest, Shape { fec: true, ..Shape::default() });
    let open = image.open(guest, "root");
    open.run(&guest.device_mapper, Run::default()).unwrap();
    let ours = ok("veritysetup", &["status", "root"]);
    let table = ok("dmsetup", &["table", "root"]);
    assert_eq!(without_count(&ok("dmsetup", &["status", "root"])), "0 512 verity V");
    let info = ok("dmsetup", &["info", "root"]);
    guest.close("root");

    // The original makes the same device of the same files, up to the order of options and the
    // number of loop devices.
    image.open_by_original("root", &[]);
    let theirs = ok("veritysetup", &["status", "root"]);
    let lines = |text: &str| {
        let is_same = |line: &&str| !line.contains("/dev/loop");
        text.lines().filter(is_same).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&ours), lines(&theirs));
    assert!(theirs.contains("verified"), "{theirs}");
    let their_table = ok("dmsetup", &["table", "root"]);
    let words = |text: &str| {
        let mut words: Vec<_> =
            text.split(' ').filter(|word| !word.starts_with("7:")).map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(&table), words(&their_table));
    let uuid = |info: &str| {
        let line = info.lines().find(|line| line.starts_with("UUID:"));
        line.unwrap().to_owned()
    };
    assert_eq!(uuid(&info), uuid(&ok("dmsetup", &["info", "root"])));
    guest.close("root");
}

pub(crate) fn theirs_is_what_ours_sees(guest: &Guest) {
    for shape in [
        Shape::default(),
        Shape { fec: true, ..Shape::default() },
        Shape { block_size: 1024, ..Shape::default() },
        Shape { one_file: true, ..Shape::default() },
    ] {
        let image = Image::of(guest, shape);
        image.open_by_original("root", &["--ignore-corruption", "--ignore-zero-blocks"]);
        let options = TableOptions {
            on_corruption: Some(OnCorruption::Ignore),
            ignore_zero_blocks: true,
            ..TableOptions::default()
        };
        let open = image.open(guest, "root").options(options);
        let existing = open.existing(&guest.device_mapper).unwrap().unwrap();
        assert_eq!(existing.differences, []);
        assert!(existing.is_equal());
        let verity = existing.status.verity().unwrap();
        assert_eq!(verity.fec.is_some(), shape.fec);
        assert_eq!(verity.line.options.flag_words(), ["ignore_corruption", "ignore_zero_blocks"]);
        guest.close("root");
    }
}

pub(crate) fn theirs_closes_ours(guest: &Guest) {
    let image = Image::new(guest);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    ok("veritysetup", &["close", "root"]);
    assert!(guest.find("root").is_none());
}

pub(crate) fn block_devices(guest: &Guest) {
    let image = Image::of(guest, Shape { fec: true, ..Shape::default() });
    let (fec, area) = image.fec.as_ref().unwrap();
    let attach = |path: &Path| {
        let arguments = ["--find", "--show", "--sector-size", "4096", path.to_str().unwrap()];
        std::path::PathBuf::from(ok("losetup", &arguments))
    };
    let [data, hash, parity] = [&image.data, &image.hash, fec].map(|path| attach(path));
    let open = image.open_at(guest, "root", &data, &hash).fec(&parity, area);
    let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
    assert!(opened.loop_devices.is_empty());
    image.check_device(&opened.node);
    let verity = opened.status.verity().unwrap();
    assert_eq!(verity.data.path.as_ref(), Some(&data));
    assert_eq!(verity.hash.path.as_ref(), Some(&hash));
    assert_eq!(verity.fec.as_ref().unwrap().path.as_ref(), Some(&parity));
    let existing = open.existing(&guest.device_mapper).unwrap().unwrap();
    assert_eq!(existing.differences, []);
    // A file and a loop device over all of it are the same bytes.
    let files = image.open(guest, "root").existing(&guest.device_mapper).unwrap().unwrap();
    assert_eq!(files.differences, []);
    guest.close("root");
    for device in [data, hash, parity] {
        ok("losetup", &["-d", device.to_str().unwrap()]);
    }
}

pub(crate) fn one_file(guest: &Guest) {
    let image = Image::of(guest, Shape { one_file: true, fec: true, ..Shape::default() });
    // By other names it is the same file.
    let link = image.data.with_file_name("link");
    std::os::unix::fs::symlink(&image.data, &link).unwrap();
    let opened = image
        .open_at(guest, "root", &link, &image.hash)
        .run(&guest.device_mapper, Run::default())
        .unwrap();
    assert_eq!(opened.loop_devices.len(), 1);
    image.check_device(&opened.node);
    let verity = opened.status.verity().unwrap();
    assert_eq!(verity.data.number, verity.hash.number);
    assert_eq!(verity.fec.as_ref().unwrap().number, verity.data.number);
    guest.close("root");
}

pub(crate) fn sector_sizes(guest: &Guest) {
    for (block_size, more, expected) in [
        (4096, 0, "4096"),
        (1024, 0, "1024"),
        (512, 0, "512"),
        (4096, 512, "512"),
        (4096, 1, "512"),
    ] {
        let image = Image::of(guest, Shape { block_size, ..Shape::default() });
        let file = fs::OpenOptions::new().write(true).open(&image.data).unwrap();
        file.set_len(file.metadata().unwrap().len() + more).unwrap();
        let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
        let data = opened.status.verity().unwrap().data.path.clone().unwrap();
        assert_eq!(ok("blockdev", &["--getss", data.to_str().unwrap()]), expected);
        image.check_device(&opened.node);
        guest.close("root");
    }
}

pub(crate) fn every_option(guest: &Guest) {
    let none = TableOptions::default;
    let options = [
        none(),
        TableOptions { on_corruption: Some(OnCorruption::Ignore), ..none() },
        TableOptions { on_corruption: Some(OnCorruption::Restart), ..none() },
        TableOptions { on_corruption: Some(OnCorruption::Panic), ..none() },
        TableOptions { on_error: Some(OnError::Restart), ..none() },
        TableOptions { on_error: Some(OnError::Panic), ..none() },
        TableOptions { ignore_zero_blocks: true, ..none() },
        TableOptions { check_at_most_once: true, ..none() },
        TableOptions { try_verify_in_tasklet: true, ..none() },
        TableOptions {
            on_corruption: Some(OnCorruption::Restart),
            on_error: Some(OnError::Panic),
            ignore_zero_blocks: true,
            check_at_most_once: true,
            try_verify_in_tasklet: true,
            ..none()
        },
    ];
    for options in options {
        let image = Image::of(guest, Shape { fec: true, ..Shape::default() });
        let open = image.open(guest, "root").options(options.clone());
        open.run(&guest.device_mapper, Run::default()).unwrap();
        let table = ok("dmsetup", &["table", "root"]);
        for word in options.words() {
            assert!(table.split(' ').any(|other| other == word), "{word}: {table}");
        }
        let status = guest.status("root");
        assert_eq!(status.verity().unwrap().line.options.flag_words(), options.words());
        assert!(open.existing(&guest.device_mapper).unwrap().unwrap().is_equal());
        guest.close("root");
    }
}

pub(crate) fn corruption_and_repair(guest: &Guest) {
    for fec in [false, true] {
        let image = Image::of(guest, Shape { fec, ..Shape::default() });
        let mut bytes = image.bytes.clone();
        bytes[5 * 4096 + 7] ^= 1;
        fs::write(&image.data, &bytes).unwrap();
        let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
        // With udev somebody may have read it already.
        if guest.udev == verity_dm::Udev::Never {
            assert!(opened.status.verity().unwrap().health.is_uncorrupted());
        }
        assert_eq!(fs::read(&opened.node).is_ok_and(|read| read == image.bytes), fec);
        let health = guest.status("root").verity().unwrap().health;
        assert_eq!(health.letter, if fec { 'V' } else { 'C' });
        assert_eq!(health.is_uncorrupted(), fec);
        guest.close("root");
    }
}

pub(crate) fn names(guest: &Guest) {
    let image = Image::new(guest);
    for (name, node) in [("a b", r"/dev/mapper/a\x20b"), ("ä", r"/dev/mapper/\xc3\xa4")] {
        let opened = image.open(guest, name).run(&guest.device_mapper, Run::default()).unwrap();
        assert_eq!(opened.node, Path::new(node));
        image.check_device(&opened.node);
        assert!(ok("veritysetup", &["status", name]).contains("verified"));
        assert!(ok("dmsetup", &["ls"]).starts_with(name));
        let by_path = guest.device_mapper.name_of_path(&opened.node).unwrap().unwrap();
        assert_eq!(by_path.plain(), name);
        guest.close(name);
    }
    let long = "x".repeat(100);
    let opened = image.open(guest, &long).run(&guest.device_mapper, Run::default()).unwrap();
    assert_eq!(opened.notes, [verity_dm::Note::UuidCut]);
    let ours = opened.status.uuid;
    guest.close(&long);
    image.open_by_original(&long, &[]);
    // The original has room for one byte less.
    assert!(ours.starts_with(&guest.status(&long).uuid));
    guest.close(&long);
}

pub(crate) fn a_list(guest: &Guest) {
    assert_eq!(guest.device_mapper.list().unwrap(), []);
    let (first, second) = (Image::new(guest), Image::new(guest));
    second.open(guest, "b").run(&guest.device_mapper, Run::default()).unwrap();
    first.open(guest, "a").run(&guest.device_mapper, Run::default()).unwrap();
    ok("dmsetup", &["create", "c", "--table", "0 8 error"]);
    let list = guest.device_mapper.list().unwrap();
    let names: Vec<_> = list.iter().map(|status| status.name.plain()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(list[0], guest.status("a"));
    // A device over another is found by its name.
    ok("dmsetup", &["create", "d", "--table", "0 8 linear /dev/mapper/a 0"]);
    let users = verity_dm::Users::find(guest.status("a").number);
    assert_eq!(users.holders.len(), 1);
    for name in ["d", "c"] {
        ok("dmsetup", &["remove", name]);
    }
    for name in ["a", "b"] {
        guest.close(name);
    }
}

pub(crate) fn suspended(guest: &Guest) {
    let image = Image::new(guest);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    ok("dmsetup", &["suspend", "root"]);
    let status = guest.status("root");
    assert!(status.is_suspended && status.verity().is_some());
    ok("dmsetup", &["resume", "root"]);
    assert!(!guest.status("root").is_suspended);
    let table = ok("dmsetup", &["table", "root"]);
    ok("dmsetup", &["load", "--readonly", "root", "--table", &table]);
    assert!(guest.status("root").has_inactive_table);
    guest.close("root");
}

pub(crate) fn differences(guest: &Guest) {
    let image = Image::of(guest, Shape { fec: true, ..Shape::default() });
    let existing = |open: verity_dm::Open| {
        open.existing(&guest.device_mapper).unwrap().map(|existing| existing.differences)
    };
    assert_eq!(existing(image.open(guest, "root")), None);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    let loops = tool("losetup", &["-a"]).stdout;
    assert_eq!(existing(image.open(guest, "root")), Some(vec![]));
    let signed = image.open(guest, "root").signature(vec![1]);
    assert_eq!(existing(signed), Some(vec![Difference::Signature]));
    let options = TableOptions { ignore_zero_blocks: true, ..TableOptions::default() };
    let options = image.open(guest, "root").options(options);
    assert_eq!(existing(options), Some(vec![Difference::Options]));
    // A copy is another file.
    let copy = image.data.with_file_name("copy");
    fs::copy(&image.data, &copy).unwrap();
    let other = image.open_at(guest, "root", &copy, &image.hash);
    assert_eq!(existing(other), Some(vec![Difference::Data]));
    let other = image.open_at(guest, "root", &image.data, &copy);
    assert_eq!(existing(other), Some(vec![Difference::Hash]));
    let (_, area) = image.fec.as_ref().unwrap();
    let other = image.open(guest, "root").fec(&copy, area);
    assert_eq!(existing(other), Some(vec![Difference::Fec]));
    let another = Image::of(guest, Shape { data_blocks: 32, ..Shape::default() });
    let mut all = vec![Difference::Data, Difference::Hash, Difference::Fec];
    all.extend([Difference::Parameters, Difference::RootHash]);
    assert_eq!(existing(another.open(guest, "root")), Some(all));
    assert_eq!(tool("losetup", &["-a"]).stdout, loops, "no loop device was made for it");
    guest.close("root");
    ok("dmsetup", &["create", "root", "--table", "0 8 error"]);
    assert_eq!(existing(image.open(guest, "root")), Some(vec![Difference::Target]));
    ok("dmsetup", &["remove", "root"]);
    ok("dmsetup", &["create", "root", "--notable"]);
    assert_eq!(existing(image.open(guest, "root")), Some(vec![Difference::NoTable]));
    ok("dmsetup", &["remove", "root"]);
}

/// A table may cover the first blocks alone.
pub(crate) fn shorter(guest: &Guest) {
    let image = Image::new(guest);
    let attach = |path: &Path| ok("losetup", &["--find", "--show", path.to_str().unwrap()]);
    let [data, hash] = [&image.data, &image.hash].map(|path| attach(path));
    let open = image.open_at(guest, "root", Path::new(&data), Path::new(&hash));
    open.run(&guest.device_mapper, Run::default()).unwrap();
    let table = ok("dmsetup", &["table", "root"]);
    guest.close("root");
    for (sectors, expected) in [("512", &[][..]), ("256", &[Difference::Parameters])] {
        let table = table.replacen("0 512 ", &format!("0 {sectors} "), 1);
        ok("dmsetup", &["create", "--readonly", "root", "--table", &table]);
        let existing = open.existing(&guest.device_mapper).unwrap().unwrap();
        assert_eq!(existing.differences, expected);
        assert_eq!(existing.status.verity().unwrap().sectors.to_string(), sectors);
        guest.close("root");
    }
    for device in [data, hash] {
        ok("losetup", &["-d", &device]);
    }
}

pub(crate) fn paths_that_are_not_utf8(guest: &Guest) {
    let image = Image::new(guest);
    let path = image.data.with_file_name(OsStr::from_bytes(b"\xff\xe4"));
    fs::rename(&image.data, &path).unwrap();
    let open = image.open_at(guest, "root", &path, &image.hash);
    let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
    let file = opened.status.verity().unwrap().data.loop_file.clone().unwrap();
    assert_eq!((file.path, file.is_deleted), (path.clone(), false));
    assert!(open.existing(&guest.device_mapper).unwrap().unwrap().is_equal());
    fs::remove_file(&path).unwrap();
    let status = guest.status("root");
    let file = status.verity().unwrap().data.loop_file.clone().unwrap();
    assert_eq!((file.path, file.is_deleted), (path, true));
    guest.close("root");
}

/// Another program's device, for whose name there is not even room.
pub(crate) fn names_that_are_not_utf8(guest: &Guest) {
    let image = Image::new(guest);
    image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    let dmsetup = |words: &[&str], after: &[&str]| {
        let mut command = Command::new("dmsetup");
        command.args(["--manglename", "none"]).args(words);
        command.arg(OsStr::from_bytes(&[0xff; 60])).args(after);
        assert!(command.status().unwrap().success());
    };
    dmsetup(&["create"], &["--table", "0 8 error"]);
    assert_eq!(guest.device_mapper.names().unwrap().len(), 2);
    assert_eq!(guest.device_mapper.list().unwrap(), [guest.status("root")]);
    dmsetup(&["remove"], &[]);
    guest.close("root");
}

/// The original opens such files for writing, and cannot.
pub(crate) fn read_only_files(guest: &Guest) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let image = Image::new(guest);
    let set = |flag: bool| {
        for path in [&image.data, &image.hash] {
            let file = fs::File::open(path).unwrap();
            let flags = ioctl_getflags(&file).unwrap();
            let flags = if flag { flags | IFlags::IMMUTABLE } else { flags - IFlags::IMMUTABLE };
            ioctl_setflags(&file, flags).unwrap();
        }
    };
    set(true);
    let opened = image.open(guest, "root").run(&guest.device_mapper, Run::default()).unwrap();
    image.check_device(&opened.node);
    guest.close("root");
    set(false);
}

/// Files that nobody can change any more, and that only descriptors name.
pub(crate) fn sealed_files(guest: &Guest) {
    use std::os::fd::AsRawFd;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let image = Image::new(guest);
    let sealed = |path: &Path| {
        let file = memfd_create("sealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let mut file = fs::File::from(file.unwrap());
        std::io::copy(&mut fs::File::open(path).unwrap(), &mut file).unwrap();
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&file, seals).unwrap();
        file
    };
    let [data, hash] = [&image.data, &image.hash].map(|path| sealed(path));
    let path = |file: &fs::File| format!("/proc/self/fd/{}", file.as_raw_fd());
    let open = image.open_at(guest, "root", Path::new(&path(&data)), Path::new(&path(&hash)));
    let opened = open.run(&guest.device_mapper, Run::default()).unwrap();
    image.check_device(&opened.node);
    guest.close("root");
}
