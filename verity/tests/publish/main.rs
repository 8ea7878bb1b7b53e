//! Outputs appear whole or not at all: hostile names, failing system calls, kills and concurrent
//! runs.
//!
//! Tests that need a process of their own run this program again under `strace`, which makes system
//! calls fail or kills the process at them; see [`child`].

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

mod concurrent;
mod hostile;
mod kills;

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output as ProcessOutput, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use verity::HashArea;
use verity::Params;
use verity::io::{ReadAt, WriteAt};
use verity::publish::{
    self, Change, Distrust, FileKind, InPlace, Input, Leftover, Output, OutputSet, PublishError,
    Removal,
};
use verity_testdata::{files, loop_device::LoopDevice, oracle};

const WORK: &str = "VERITY_PUBLISH_WORK";
const DIRECTORY: &str = "VERITY_PUBLISH_DIRECTORY";
const OLD: [u8; 9000] = [1; 9000];
const NEW: [u8; 9000] = [2; 9000];

/// What a run of this program does when another test started it, by name.
fn work(name: &str, directory: &Path) -> Result<(), PublishError> {
    let path = |name| directory.join(name);
    let begin = |name| {
        let output = Output::create(path(name))?;
        write_in_pieces(output.file(), path(name).as_path())?;
        Ok(output)
    };
    match name {
        "create" => begin("a")?.commit(),
        "secret" => Output::create_with_mode(path("a"), 0o600)?.commit(),
        "update" => {
            let output = Output::update(path("a"))?;
            write_in_pieces(output.file(), output.path())?;
            output.commit()
        }
        "set" => {
            let removal = Removal::of(path("stale"))?;
            let (a, b, c) = (begin("a")?, begin("b")?, begin("c")?);
            OutputSet::new().removal(removal).output(a).output(b).output(c).commit().map(drop)
        }
        "in place" => {
            let (area, superblock, tree) = hash_area();
            let rewriting = InPlace::open(path("image"))?.begin(&area)?;
            rewriting.file().write_all_at(&tree, area.tree_range().start).map_err(write_error)?;
            rewriting.finish(Some(&superblock))
        }
        "ended" => {
            end_everything(directory);
            Ok(())
        }
        "making" => {
            end_while_making(&path("a"));
            Ok(())
        }
        "out of descriptors" => {
            let output = Output::create(path("a"))?;
            let none = Rlimit { current: Some(0), ..getrlimit(Resource::Nofile) };
            setrlimit(Resource::Nofile, none).unwrap();
            assert!(File::open(directory).is_err());
            drop(output);
            Ok(())
        }
        unknown => panic!("no work is called {unknown}"),
    }
}

/// What a thread does that ends the process while others work.
fn end_everything(directory: &Path) {
    let path = |name: &str| directory.join(name);
    let undone = Arc::<Mutex<Vec<u32>>>::default();
    let thing = |number| {
        let undone = Arc::clone(&undone);
        Leftover::new(move || undone.lock().unwrap().push(number))
    };
    let (_first, forgotten, _last) = (thing(1), thing(2), thing(3));
    let single = Output::create(path("a")).unwrap();
    let [b, c] = ["b", "c"].map(|name| Output::create(path(name)).unwrap());
    let stale = Removal::of(path("stale")).unwrap();
    let set = OutputSet::new().removal(stale).output(b).output(c);
    drop(forgotten);
    let image = |name: &str| {
        files::write(&path(name), &OLD[..5000]);
        InPlace::open(path(name)).unwrap()
    };
    let padded = |name: &str| {
        let mut image = image(name);
        image.pad(8 * 4096).unwrap();
        image
    };
    let (area, superblock, tree) = hash_area();
    let rewriting = padded("begun").begin(&area).unwrap();
    rewriting.write_all_at(&tree, area.tree_range().start).unwrap();
    let (kept, member, unpadded) = (padded("kept"), padded("member"), image("unpadded"));
    assert_eq!(names(directory).len(), 2 + 4 + 4);
    let set = set.keeping(member);
    // Nothing is being put in place, so nobody is waited for.
    publish::remove_leftovers(Duration::from_secs(3600));
    assert_eq!(*undone.lock().unwrap(), [3, 1], "the newest first");
    let left = ["a", "begun", "kept", "member", "stale", "unpadded"];
    assert_eq!(names(directory), left);
    let set = set.commit().map(drop);
    for result in [single.commit(), set] {
        let error = words(&result.unwrap_err());
        assert!(error.starts_with("cannot publish"), "{error}");
    }
    // Nothing that goes on writing makes a file long again.
    assert!(rewriting.write_all_at(&tree, area.tree_range().start).is_err());
    let mut late = image("late");
    let results = [
        late.pad(8 * 4096),
        unpadded.begin(&area).map(drop),
        kept.keep(),
        rewriting.finish(Some(&superblock)),
        publish::write(path("d"), &NEW),
    ];
    for result in results {
        let error = result.unwrap_err();
        let PublishError::Io { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.raw_os_error(), Some(Errno::CANCELED.raw_os_error()), "{error}");
    }
    for name in ["begun", "kept", "late", "member", "unpadded"] {
        assert_eq!(files::read(&path(name)), &OLD[..5000], "{name}");
        fs::remove_file(path(name)).unwrap();
    }
    let _late = thing(4);
    assert_eq!(*undone.lock().unwrap(), [3, 1, 4], "too late to be remembered");
    assert_eq!(names(directory), ["a", "stale"]);
    assert_eq!(files::read(&path("a")), OLD);
}

/// Ends the process like one that a signal asks to stop, while an output is just being made.
fn end_while_making(path: &Path) {
    let output = path.to_owned();
    thread::spawn(move || std::mem::forget(Output::create(output)));
    while !temporary(path).exists() {
        thread::yield_now();
    }
    publish::remove_leftovers(Duration::from_secs(3600));
    rustix::process::kill_process(rustix::process::getpid(), Signal::KILL).unwrap();
}

fn write_in_pieces(file: &File, path: &Path) -> Result<(), PublishError> {
    for (offset, piece) in (0..).step_by(3000).zip(NEW.chunks(3000)) {
        file.write_all_at(piece, offset).map_err(|source| PublishError::Io {
            operation: "write",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

fn write_error(source: std::io::Error) -> PublishError {
    PublishError::Io { operation: "write", path: PathBuf::new(), source }
}

/// Eight data blocks and, behind them, a hash area; what stands for superblock and tree is
/// recognisable.
fn hash_area() -> (HashArea, [u8; 512], Vec<u8>) {
    let params = Params::builder().data_blocks(8).build().unwrap();
    (HashArea::new(&params, params.data_size(), true).unwrap(), [2; 512], vec![2; 4096])
}

/// An error with its reasons.
fn words(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Not a test: the entry for runs under `strace`.
#[test]
fn child() {
    if let Ok(name) = std::env::var(WORK) {
        let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
        if let Err(error) = work(&name, &directory) {
            panic!("refused: {}", words(&error));
        }
    }
}

fn this_program(work: &str, directory: &Path) -> Command {
    prefixed(Command::new(std::env::current_exe().unwrap()), work, directory)
}

fn prefixed(mut command: Command, work: &str, directory: &Path) -> Command {
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(WORK, work).env(DIRECTORY, directory).env("RUST_BACKTRACE", "0");
    command
}

/// Runs `work` with `inject` done to its system calls; None if there is no strace.
fn run_with(inject: &str, work: &str, directory: &Path) -> Option<ProcessOutput> {
    let mut command = Command::new(oracle::require("strace")?);
    command.args(["-f", "-qq", "-o", "/dev/null"]);
    command.arg(format!("--inject={inject}")).arg(std::env::current_exe().unwrap());
    Some(oracle::run(&mut prefixed(command, work, directory)))
}

fn text(output: &ProcessOutput) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!(".{name}.verity-tmp"))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a03_nothing_is_left_or_published_once_leftovers_were_removed() {
    let directory = files::tempdir();
    for name in ["a", "stale"] {
        files::write(&directory.path().join(name), &OLD);
    }
    let output = oracle::run(&mut this_program("ended", directory.path()));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(names(directory.path()), ["a", "stale"]);
}

/// The file is there before its lock is, which takes a while here, and before it is remembered.
#[test]
fn a03_nothing_is_left_of_what_is_just_being_made() {
    let directory = files::tempdir();
    let inject = "flock:delay_enter=200000";
    let Some(output) = run_with(inject, "making", directory.path()) else { return };
    assert_eq!(output.status.code(), None, "{}", text(&output));
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn nothing_is_left_where_no_file_can_be_opened_any_more() {
    let directory = files::tempdir();
    let output = oracle::run(&mut this_program("out of descriptors", directory.path()));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn nothing_is_there_before_commit_and_nothing_after_a_drop() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let output = Output::create(&path).unwrap();
    assert!(!output.replaces());
    output.file().write_all_at(&NEW, 0).unwrap();
    assert_eq!(names(directory.path()), [".a.verity-tmp"]);
    drop(output);
    assert_eq!(names(directory.path()), [""; 0]);

    publish::write(&path, &OLD).unwrap();
    drop(Output::update(&path).unwrap());
    assert_eq!(names(directory.path()), ["a"]);
    assert_eq!(files::read(&path), OLD);
    publish::write(&path, &NEW).unwrap();
    assert_eq!(files::read(&path), NEW);
}

#[test]
fn an_update_keeps_every_other_byte_the_length_and_the_holes() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    files::sparse(&path, 64 << 20);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"middle", 32 << 20).unwrap();
    drop(file);
    let output = Output::update(&path).unwrap();
    assert!(output.replaces());
    output.file().write_all_at(b"start", 0).unwrap();
    output.commit().unwrap();

    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), 64 << 20);
    assert!(metadata.blocks() * 512 < 1 << 20, "the holes were filled");
    let file = File::open(&path).unwrap();
    let mut buf = [0; 6];
    file.read_exact_at(&mut buf, 32 << 20).unwrap();
    assert_eq!(&buf, b"middle");
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"start\0");

    let path = directory.path().join("new");
    Output::update(&path).unwrap().commit().unwrap();
    assert_eq!(files::read(&path), b"");
}

#[test]
fn an_update_fails_if_the_target_changes_meanwhile() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    files::write(&path, &OLD);
    let output = Output::update(&path).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all_at(b"x", 9000).unwrap();
    let changed = Change::Size { before: 9000, after: 9001 };
    let error = output.commit().unwrap_err();
    assert!(matches!(error, PublishError::Changed { what, .. } if what == changed), "{error}");

    let output = Output::update(&path).unwrap();
    files::write(&directory.path().join("b"), &OLD);
    fs::rename(directory.path().join("b"), &path).unwrap();
    let error = output.commit().unwrap_err();
    assert!(matches!(error, PublishError::Changed { what: Change::Replaced, .. }), "{error}");

    fs::remove_file(&path).unwrap();
    let output = Output::update(&path).unwrap();
    files::write(&path, &OLD);
    assert!(matches!(output.commit(), Err(PublishError::Changed { .. })));
    assert_eq!(names(directory.path()), ["a"]);
    assert_eq!(files::read(&path), OLD);
}

#[test]
fn x06_a_changed_input_is_noticed() {
    let directory = files::tempdir();
    let path = directory.path().join("image");
    let open = || {
        files::write(&path, &OLD);
        // Away from the clock tick in which the file was written.
        thread::sleep(Duration::from_millis(30));
        Input::open(&path).unwrap()
    };
    let writable = || OpenOptions::new().write(true).open(&path).unwrap();
    let what = |result: Result<(), PublishError>| match result.unwrap_err() {
        PublishError::Changed { what, .. } => what,
        error => panic!("{error}"),
    };

    let input = open();
    input.check_path().unwrap();
    writable().write_all_at(b"x", 5).unwrap();
    assert_eq!(what(input.check()), Change::Modified);

    let input = open();
    writable().write_all_at(b"x", 9000).unwrap();
    assert_eq!(what(input.check()), Change::Size { before: 9000, after: 9001 });

    let input = open();
    File::set_len(&writable(), 10).unwrap();
    assert_eq!(what(input.check()), Change::Size { before: 9000, after: 10 });

    // Bytes changed, size and modification time put back: the change time tells.
    let input = open();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    writable().write_all_at(b"x", 5).unwrap();
    writable().set_modified(modified).unwrap();
    assert_eq!(what(input.check()), Change::Modified);

    let input = open();
    let other = directory.path().join("other");
    files::write(&other, &OLD);
    fs::rename(&other, &path).unwrap();
    assert_eq!(what(input.check_path()), Change::Modified, "its last name is gone");
    let input = open();
    let kept = directory.path().join("kept");
    fs::rename(&path, &kept).unwrap();
    files::write(&path, &OLD);
    assert!(input.check_path().is_err());
}

#[test]
fn in_place_destroys_first_extends_and_never_shortens() {
    let directory = files::tempdir();
    let path = directory.path().join("image");
    files::write(&path, &[1; 8 * 4096]);
    let (area, superblock, tree) = hash_area();
    let rewriting = InPlace::open(&path).unwrap().begin(&area).unwrap();
    assert_eq!(ReadAt::len(rewriting.file()).unwrap(), area.end());
    rewriting.file().write_all_at(&tree, area.tree_range().start).unwrap();
    rewriting.finish(Some(&superblock)).unwrap();
    files::write(&directory.path().join("longer"), &[files::read(&path), vec![7; 99]].concat());

    let path = directory.path().join("longer");
    drop(InPlace::open(&path).unwrap().begin(&area).unwrap());
    let bytes = files::read(&path);
    assert_eq!(bytes.len(), 10 * 4096 + 99);
    assert_eq!(bytes[8 * 4096..8 * 4096 + 512], [0; 512]);
    assert_eq!(bytes[9 * 4096..10 * 4096], tree);

    // Without a superblock it is the highest hash block that goes; data block and spare bytes stay.
    let params = Params::builder().data_blocks(8).build().unwrap();
    let bare = HashArea::new(&params, 9 * 4096, false).unwrap();
    let rewriting = InPlace::open(&path).unwrap().begin(&bare).unwrap();
    assert_eq!(files::read(&path)[9 * 4096..10 * 4096], [0; 4096]);
    assert_eq!(files::read(&path)[10 * 4096..], [7; 99]);
    rewriting.finish(None).unwrap();
    let rewriting = InPlace::open(&path).unwrap().begin(&bare).unwrap();
    assert!(rewriting.finish(Some(&superblock)).is_err());

    let one = Params::builder().data_blocks(1).build().unwrap();
    let empty = HashArea::new(&one, 4096, false).unwrap();
    let before = files::read(&path);
    InPlace::open(&path).unwrap().begin(&empty).unwrap().finish(None).unwrap();
    assert_eq!(files::read(&path), before);
}

#[test]
fn in_place_follows_links_to_devices_only() {
    let directory = files::tempdir();
    let path = |name| directory.path().join(name);
    files::sparse(&path("disk"), 40 * 1024);
    symlink("disk", path("link")).unwrap();
    let error = InPlace::open(path("link")).unwrap_err();
    assert!(matches!(error, PublishError::NotRegular { what: FileKind::Symlink, .. }), "{error}");

    if !oracle::require_root() {
        return;
    }
    let Some(device) = LoopDevice::attach(&path("disk"), 512) else { return };
    symlink(device.path(), path("device")).unwrap();
    let in_place = InPlace::open(path("device")).unwrap();
    assert!(in_place.is_block_device() && in_place.is(&Input::open(device.path()).unwrap()));
    assert_eq!(in_place.size(), 40 * 1024);
    assert!(matches!(Output::create(device.path()), Err(PublishError::NotRegular { .. })));
    assert!(matches!(InPlace::open(device.path()), Err(PublishError::Busy { .. })));
    let params = Params::builder().data_blocks(10).build().unwrap();
    let area = HashArea::new(&params, 10 * 4096, true).unwrap();
    let error = in_place.begin(&area).unwrap_err();
    assert!(words(&error).contains("40960 bytes"), "{}", words(&error));
    // What another test starts at that moment holds the device a little longer.
    let freed = || when_free(|| InPlace::open(device.path()).ok());
    drop(freed());

    // As a mounted file system would hold it.
    let exclusive = 0o200; // O_EXCL
    let held = when_free(|| {
        OpenOptions::new().read(true).custom_flags(exclusive).open(device.path()).ok()
    });
    assert!(matches!(InPlace::open(device.path()), Err(PublishError::Busy { .. })));
    drop(held);
    freed();
}

fn when_free<T>(open: impl Fn() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(opened) = open() {
            return opened;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it is never free");
}

/// Whatever is written behind the zeros goes with them, unless all of it succeeds.
#[test]
fn padded_files_are_cut_off_unless_they_are_kept() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    files::write(&path, &OLD[..5000]);
    let (area, superblock, tree) = hash_area();
    let padded = || {
        let mut in_place = InPlace::open(&path).unwrap();
        in_place.pad(8 * 4096).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 8 * 4096);
        in_place
    };
    drop(padded());
    assert_eq!(files::read(&path), &OLD[..5000]);
    let rewriting = padded().begin(&area).unwrap();
    rewriting.write_all_at(&tree, area.tree_range().start).unwrap();
    drop(rewriting);
    assert_eq!(files::read(&path), &OLD[..5000]);
    let set = |name: &str| {
        let output = Output::create(directory.path().join(name)).unwrap();
        OutputSet::new().output(output).keeping(padded())
    };
    drop(set("b"));
    let failing = set("b");
    fs::create_dir(directory.path().join("b")).unwrap();
    assert!(failing.commit().is_err());
    assert_eq!(files::read(&path), &OLD[..5000]);
    set("c").commit().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 8 * 4096);
    files::write(&path, &OLD[..5000]);
    assert!(padded().begin(&area).unwrap().finish(None).is_err());
    assert_eq!(files::read(&path), &OLD[..5000]);
    padded().begin(&area).unwrap().finish(Some(&superblock)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), area.end());

    // A file that belongs to a rewriting goes with it.
    let device = directory.path().join("device");
    let rewriting = |superblock: &[u8; 512], is_right: bool| {
        files::write(&path, &OLD[..5000]);
        files::write(&device, &OLD);
        let rewriting = InPlace::open(&device).unwrap().begin(&area).unwrap().keeping(padded());
        assert_eq!(rewriting.finish(Some(superblock).filter(|_| is_right)).is_ok(), is_right);
        fs::metadata(&path).unwrap().len()
    };
    assert_eq!(rewriting(&superblock, false), 5000);
    assert_eq!(rewriting(&superblock, true), 8 * 4096);
    fs::rename(&device, &path).unwrap();

    let mut in_place = InPlace::open(&path).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all_at(b"x", 9).unwrap();
    assert!(matches!(in_place.pad(1 << 20), Err(PublishError::Changed { .. })));
    drop(in_place);
    assert_eq!(fs::metadata(&path).unwrap().len(), area.end() + 1);
}
