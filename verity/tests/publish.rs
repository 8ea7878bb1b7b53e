//! Outputs appear whole or not at all: hostile names, failing system calls, kills and concurrent runs.
//!
//! Tests that need a process of their own run this program again under `strace`, which makes system calls
//! fail or kills the process at them; see [`child`].

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test, also in its helpers")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output as ProcessOutput, Stdio};
use std::thread;
use std::time::Duration;

use verity::HashArea;
use verity::Params;
use verity::io::{ReadAt, WriteAt};
use verity::publish::{
    self, Change, Distrust, FileKind, InPlace, Input, Output, OutputSet, PublishError, Removal,
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
            OutputSet::new().removal(removal).output(a).output(b).output(c).commit()
        }
        "in place" => {
            let (area, superblock, tree) = hash_area();
            let rewriting = InPlace::open(path("image"))?.begin(&area)?;
            rewriting.file().write_all_at(&tree, area.tree_range().start).map_err(write_error)?;
            rewriting.finish(Some(&superblock))
        }
        unknown => panic!("no work is called {unknown}"),
    }
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

/// Eight data blocks and, behind them, a hash area; what stands for superblock and tree is recognisable.
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

/// Kills `work` at every call of every system call that matters, and looks at what it left.
fn kill_everywhere(work: &str, prepare: impl Fn(&Path), check: impl Fn(&Path, &str)) {
    const CALLS: &[&str] = &[
        "openat",
        "flock",
        "pwrite64",
        "ftruncate",
        "fchmod",
        "fsync",
        "unlinkat",
        "renameat",
        "close",
    ];
    let mut kills = 0;
    for call in CALLS {
        for when in 1..200 {
            let directory = files::tempdir();
            prepare(directory.path());
            let inject = format!("{call}:signal=KILL:when={when}");
            let Some(output) = run_with(&inject, work, directory.path()) else { return };
            check(directory.path(), &inject);
            if output.status.success() {
                break;
            }
            kills += 1;
            assert!(!text(&output).contains("refused"), "{inject}: {}", text(&output));
            let again = oracle::run(&mut this_program(work, directory.path()));
            assert!(again.status.success(), "after {inject}: {}", text(&again));
            let left = names(directory.path());
            assert!(!left.iter().any(|name| name.contains("tmp")), "after {inject}: {left:?}");
        }
    }
    assert!(kills > 10, "{work}: only {kills} runs were killed");
}

fn old_or_new(path: &Path, inject: &str) -> bool {
    let bytes = files::read(path);
    assert!(bytes == OLD || bytes == NEW, "{inject}: {path:?} is torn");
    bytes == NEW
}

#[test]
fn c01_a_killed_run_leaves_the_old_file_or_the_new_one() {
    for work in ["create", "update"] {
        kill_everywhere(
            work,
            |directory| files::write(&directory.join("a"), &OLD),
            |directory, inject| {
                old_or_new(&directory.join("a"), inject);
            },
        );
    }
}

#[test]
fn c01_a_killed_set_is_replaced_from_its_start() {
    kill_everywhere(
        "set",
        |directory| {
            for name in ["a", "b", "c", "stale"] {
                files::write(&directory.join(name), &OLD);
            }
        },
        |directory, inject| {
            let new = ["a", "b", "c"].map(|name| old_or_new(&directory.join(name), inject));
            assert!(new.is_sorted_by(|before, after| before >= after), "{inject}: {new:?}");
            let stale = directory.join("stale").exists();
            assert!(!(stale && new[0]), "{inject}: the stale file outlived the first output");
        },
    );
}

#[test]
fn c01_a_killed_rewrite_in_place_does_not_verify() {
    let (area, _, _) = hash_area();
    kill_everywhere(
        "in place",
        |directory| files::write(&directory.join("image"), &[1; 10 * 4096]),
        |directory, inject| {
            let bytes = files::read(&directory.join("image"));
            assert_eq!(bytes.len(), 10 * 4096);
            assert!(bytes[..8 * 4096].iter().all(|&byte| byte == 1), "{inject}: data was written");
            let start = usize::try_from(area.offset()).unwrap();
            let superblock = &bytes[start..start + 512];
            let tree = &bytes[start + 4096..];
            match superblock[0] {
                // Not begun.
                1 => assert!(
                    superblock == [1; 512] && tree.iter().all(|&byte| byte == 1),
                    "{inject}"
                ),
                // Complete.
                2 => assert!(
                    superblock == [2; 512] && tree.iter().all(|&byte| byte == 2),
                    "{inject}"
                ),
                _ => assert_eq!(superblock, [0; 512], "{inject}"),
            }
        },
    );
}

#[test]
fn c04_every_failing_sync_rename_or_write_is_reported() {
    // The call, and whether the old file is still there.
    let cases = [
        ("create", "fsync:error=EIO:when=1", "sync the new contents", true),
        ("create", "fsync:error=EIO:when=2", "sync the directory", false),
        ("create", "renameat:error=EIO:when=1", "rename the new contents", true),
        ("create", "fchmod:error=EIO:when=1", "owner and mode", true),
        ("create", "pwrite64:error=ENOSPC:when=2", "No space left", true),
        ("create", "pwrite64:error=EDQUOT:when=3", "quota", true),
        ("create", "flock:error=ENOLCK:when=1", "cannot lock", true),
        ("update", "fsync:error=EIO:when=1", "sync the new contents", true),
        ("update", "fsync:error=EIO:when=2", "sync the directory", false),
        ("update", "ftruncate:error=ENOSPC:when=1", "copy the old contents", true),
        ("set", "fsync:error=EIO:when=3", "sync the new contents", true),
        ("set", "renameat:error=EIO:when=1", "already removed: [\"", true),
    ];
    for (work, inject, wanted, old) in cases {
        let directory = files::tempdir();
        let path = directory.path().join("a");
        files::write(&path, &OLD);
        files::write(&directory.path().join("stale"), &OLD);
        let Some(output) = run_with(inject, work, directory.path()) else { return };
        let text = text(&output);
        assert!(!output.status.success(), "{work}, {inject}: reported as done");
        assert!(text.contains("refused") && text.contains(wanted), "{work}, {inject}: {text}");
        assert_eq!(files::read(&path) == OLD, old, "{work}, {inject}");
        assert!(!temporary(&path).exists(), "{work}, {inject}");
    }
}

#[test]
fn c04_a_failure_in_the_middle_of_a_set_says_what_is_in_place() {
    let directory = files::tempdir();
    files::write(&directory.path().join("stale"), &OLD);
    let inject = "renameat:error=EIO:when=3";
    let Some(output) = run_with(inject, "set", directory.path()) else { return };
    let text = text(&output);
    for wanted in ["already in place: [\"", "/a\", \"", "/b\"], already removed: [\"", "/stale\"]"]
    {
        assert!(text.contains(wanted), "{text}");
    }
    assert_eq!(names(directory.path()), ["a", "b"]);
}

#[test]
fn c04_a_failing_sync_in_place_leaves_no_superblock() {
    for when in 1..=3 {
        let directory = files::tempdir();
        let path = directory.path().join("image");
        files::write(&path, &[1; 10 * 4096]);
        let inject = format!("fsync:error=EIO:when={when}");
        let Some(output) = run_with(&inject, "in place", directory.path()) else { return };
        assert!(!output.status.success() && text(&output).contains("cannot sync"), "{inject}");
        let superblock = &files::read(&path)[8 * 4096..][..512];
        assert_eq!(superblock == [0; 512], when < 3, "{inject}");
    }
}

#[test]
fn c07_what_cannot_be_written_is_refused_before_any_work() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let error = Output::create(directory.path().join("none/a")).unwrap_err();
    assert!(error.to_string().starts_with("cannot open the directory"), "{error}");
    files::write(&path, &OLD);
    assert!(matches!(Output::create(path.join("a")), Err(PublishError::Io { .. })));
    let error = Output::create(directory.path().join("a".repeat(256))).unwrap_err();
    assert!(matches!(error, PublishError::Io { .. }), "{error}");
    for name in ["..", "", "/", ".a.verity-tmp"] {
        let error = Output::create(directory.path().join(name).join("")).err();
        let named = matches!(error, Some(PublishError::Name { .. }));
        assert!(named || name.is_empty(), "{name}: {error:?}");
    }
    for (errno, wanted) in [("EROFS", "Read-only"), ("EACCES", "Permission denied")] {
        let strace = oracle::require("strace");
        let Some(strace) = strace else { return };
        let mut command = Command::new(strace);
        command.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(".a.verity-tmp");
        command.arg(format!("--inject=openat:error={errno}"));
        command.arg(std::env::current_exe().unwrap());
        let output = oracle::run(&mut prefixed(command, "create", directory.path()));
        assert!(!output.status.success() && text(&output).contains(wanted), "{}", text(&output));
        assert_eq!(files::read(&path), OLD);
    }
}

#[test]
fn c09_symbolic_links_are_never_written_through() {
    let directory = files::tempdir();
    let (victim, path) = (directory.path().join("victim"), directory.path().join("a"));
    files::write(&victim, &OLD);
    let refused = |error: Result<Output, PublishError>| match error.unwrap_err() {
        PublishError::NotRegular { what, .. } => assert_eq!(what, FileKind::Symlink),
        PublishError::Temporary { what, .. } => {
            assert_eq!(what, Distrust::NotRegular(FileKind::Symlink));
        }
        error => panic!("{error}"),
    };
    for target in [victim.as_path(), Path::new("none")] {
        symlink(target, &path).unwrap();
        refused(Output::create(&path));
        refused(Output::update(&path));
        fs::remove_file(&path).unwrap();
        symlink(target, temporary(&path)).unwrap();
        refused(Output::create(&path));
        fs::remove_file(temporary(&path)).unwrap();
    }
    // Put there during the run: it is replaced, not followed, or the run fails; the victim stays.
    let output = Output::create(&path).unwrap();
    symlink(&victim, &path).unwrap();
    refused(output.commit().map(|()| unreachable!()));
    assert_eq!(files::read(&victim), OLD);
    assert_eq!(names(directory.path()), ["a", "victim"]);
}

#[test]
fn c09_a_temporary_file_that_is_not_ours_is_left_alone() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let distrust = || match Output::create(&path).unwrap_err() {
        PublishError::Temporary { path: named, what } => {
            assert_eq!(named, temporary(&path));
            what
        }
        error => panic!("{error}"),
    };
    fs::create_dir(temporary(&path)).unwrap();
    assert_eq!(distrust(), Distrust::NotRegular(FileKind::Directory));
    fs::remove_dir(temporary(&path)).unwrap();

    let victim = directory.path().join("victim");
    files::write(&victim, &OLD);
    fs::hard_link(&victim, temporary(&path)).unwrap();
    assert_eq!(distrust(), Distrust::HardLinked);
    assert_eq!(files::read(&victim), OLD);
    fs::remove_file(temporary(&path)).unwrap();

    oracle::run_ok(Command::new("mkfifo").arg(temporary(&path)));
    assert_eq!(distrust(), Distrust::NotRegular(FileKind::Fifo));
    fs::remove_file(temporary(&path)).unwrap();

    if oracle::require_root() {
        files::write(&temporary(&path), &OLD);
        chown(temporary(&path), Some(4321), None).unwrap();
        assert_eq!(distrust(), Distrust::OtherOwner { uid: 4321 });
        assert_eq!(files::read(&temporary(&path)), OLD);
    }
}

#[test]
fn c09_a_swapped_directory_does_not_lead_the_output_elsewhere() {
    let directory = files::tempdir();
    let path = |name| directory.path().join(name);
    fs::create_dir(path("d")).unwrap();
    fs::create_dir(path("elsewhere")).unwrap();
    let output = Output::create(path("d/a")).unwrap();
    fs::rename(path("d"), path("moved")).unwrap();
    symlink(path("elsewhere"), path("d")).unwrap();
    output.commit().unwrap();
    assert_eq!(names(&path("moved")), ["a"]);
    assert_eq!(names(&path("elsewhere")), [""; 0]);
}

#[test]
fn c10_an_output_that_is_an_input_is_refused_under_any_name() {
    let directory = files::tempdir();
    let path = |name| directory.path().join(name);
    files::write(&path("image"), &OLD);
    fs::hard_link(path("image"), path("link")).unwrap();
    symlink("image", path("symlink")).unwrap();
    for input in ["image", "link", "symlink"].map(|name| Input::open(path(name)).unwrap()) {
        for output in ["image", "link"] {
            let output = Output::create(path(output)).unwrap();
            let error = output.check_distinct(&input).unwrap_err();
            assert!(matches!(error, PublishError::SameFile { .. }), "{error}");
        }
        Output::create(path("other")).unwrap().check_distinct(&input).unwrap();
        assert!(InPlace::open(path("link")).unwrap().is(&input));
    }
}

#[test]
fn c11_targets_that_are_no_regular_files_are_refused() {
    let directory = files::tempdir();
    let path = |name| directory.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    oracle::run_ok(Command::new("mkfifo").arg(path("fifo")));
    let _listener = UnixListener::bind(path("socket")).unwrap();
    let mut targets = vec![
        (path("directory"), FileKind::Directory),
        (path("fifo"), FileKind::Fifo),
        (path("socket"), FileKind::Socket),
    ];
    if oracle::require_root() {
        let made = Command::new("mknod").arg(path("null")).args(["c", "1", "3"]).status().unwrap();
        if made.success() {
            targets.push((path("null"), FileKind::CharacterDevice));
        }
        let made = Command::new("mknod").arg(path("disk")).args(["b", "7", "0"]).status().unwrap();
        if made.success() {
            targets.push((path("disk"), FileKind::BlockDevice));
        }
    }
    let before = names(directory.path());
    for (path, kind) in targets {
        for result in [Output::create(&path).map(drop), Removal::of(&path).map(drop)] {
            let error = result.unwrap_err();
            let right = matches!(error, PublishError::NotRegular { what, .. } if what == kind);
            assert!(right, "{path:?}: {error}");
        }
        if kind != FileKind::BlockDevice {
            assert!(InPlace::open(&path).is_err(), "{path:?}");
        }
    }
    assert_eq!(names(directory.path()), before);
}

#[test]
fn c12_inputs_without_a_size_are_refused_at_once() {
    let directory = files::tempdir();
    let fifo = directory.path().join("fifo");
    oracle::run_ok(Command::new("mkfifo").arg(&fifo));
    for (path, kind) in [
        (fifo.as_path(), FileKind::Fifo),
        (directory.path(), FileKind::Directory),
        (Path::new("/dev/null"), FileKind::CharacterDevice),
    ] {
        let error = Input::open(path).unwrap_err();
        assert!(matches!(error, PublishError::NotRegular { what, .. } if what == kind), "{error}");
    }
}

#[test]
fn c14_any_file_name_will_do() {
    let directory = files::tempdir();
    let long = "n".repeat(255);
    for name in [b"a\nb".as_slice(), b"\xff\xfe", b"-rf", b" ", long.as_bytes(), &[0xe9; 250]] {
        let path = directory.path().join(std::ffi::OsStr::from_bytes(name));
        publish::write(&path, &OLD).unwrap();
        let (one, error) = (Output::update(&path).unwrap(), Output::create(&path).unwrap_err());
        assert!(matches!(error, PublishError::Busy { .. }) && !error.to_string().contains('\n'));
        one.commit().unwrap();
        assert_eq!(files::read(&path), OLD);
    }
}

#[test]
fn c16_modes_are_kept_given_or_left_to_the_umask() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    for (umask, expected) in [("000", 0o666), ("022", 0o644), ("077", 0o600)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        shell.arg(std::env::current_exe().unwrap());
        oracle::run_ok(&mut prefixed(shell, "create", directory.path()));
        assert_eq!(mode(&path), expected, "umask {umask}");
        fs::remove_file(&path).unwrap();
    }
    files::write(&path, &OLD);
    for kept in [0o644, 0o640, 0o400, 0o755] {
        fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
        let output = Output::update(&path).unwrap();
        assert_eq!(mode(&temporary(&path)), 0o600);
        output.commit().unwrap();
        assert_eq!(mode(&path), kept);
        let output = Output::create_with_mode(&path, 0o600).unwrap();
        assert_eq!(mode(&temporary(&path)), 0o600);
        output.commit().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}

/// Who lays a file where an output will be does not own the output, nor may anybody else write it.
#[test]
fn c09_a_file_laid_in_the_way_gives_nobody_rights_to_the_output() {
    if !oracle::require_root() {
        return;
    }
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let owner = || {
        let metadata = fs::metadata(&path).unwrap();
        (metadata.uid(), metadata.gid(), mode(&path))
    };
    let lay = |uid| {
        files::write(&path, &OLD);
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        chown(&path, Some(uid), Some(5432)).unwrap();
    };
    lay(4321);
    publish::write(&path, &NEW).unwrap();
    assert_eq!(owner(), (0, 0, 0o644));
    lay(4321);
    Output::update(&path).unwrap().commit().unwrap();
    assert_eq!(owner(), (0, 0, 0o644));
    lay(4321);
    Output::create_with_mode(&path, 0o600).unwrap().commit().unwrap();
    assert_eq!(owner(), (0, 0, 0o600));
    // Our own file keeps what it has.
    lay(0);
    publish::write(&path, &NEW).unwrap();
    assert_eq!(owner(), (0, 5432, 0o666));
}

#[test]
fn c17_the_remains_of_a_killed_run_are_removed_and_nothing_else() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    files::write(&temporary(&path), &OLD);
    fs::set_permissions(temporary(&path), Permissions::from_mode(0o666)).unwrap();
    let others = [".b.verity-tmp", ".a.verity-tmp.1", "a.verity-tmp", "..a.verity-tmp.verity-tmp"];
    for name in others {
        files::write(&directory.path().join(name), &OLD);
    }
    let output = Output::create_with_mode(&path, 0o600).unwrap();
    assert_eq!(ReadAt::len(output.file()).unwrap(), 0);
    assert_eq!(mode(&temporary(&path)), 0o600);
    output.commit().unwrap();
    let mut expected = others.map(str::to_owned).to_vec();
    expected.push("a".to_owned());
    expected.sort();
    assert_eq!(names(directory.path()), expected);
}

#[test]
fn x01_of_concurrent_runs_each_is_busy_or_complete() {
    let directory = files::tempdir();
    for round in 0..100 {
        let paths = ["a", "b"].map(|name| directory.path().join(name));
        let run = |id: u8| {
            let outputs = [Output::create(&paths[0])?, Output::update(&paths[1])?];
            let mut set = OutputSet::new();
            for output in outputs {
                for offset in 0..20 {
                    output.file().write_all_at(&[id; 100], offset * 100).unwrap();
                    thread::yield_now();
                }
                set = set.output(output);
            }
            set.commit()
        };
        let results: Vec<Result<(), PublishError>> = thread::scope(|scope| {
            let runs: Vec<_> = (1..=8).map(|id| scope.spawn(move || run(id))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(results.iter().any(Result::is_ok), "round {round}: nobody got through");
        for result in &results {
            let busy = matches!(result, Err(PublishError::Busy { .. }));
            assert!(result.is_ok() || busy, "round {round}: {result:?}");
        }
        let bytes = paths.each_ref().map(|path| files::read(path));
        assert_eq!(bytes[0].len(), 2000);
        assert!(bytes[0].iter().all(|byte| *byte == bytes[0][0]), "round {round}: torn");
        assert_eq!(bytes[0], bytes[1], "round {round}: a set of two runs");
        assert_eq!(names(directory.path()), ["a", "b"]);
    }
}

#[test]
fn x01_concurrent_processes_are_busy_or_complete() {
    let directory = files::tempdir();
    for _ in 0..10 {
        let children: Vec<_> = (0..6)
            .map(|_| {
                let mut command = this_program("set", directory.path());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let outputs: Vec<_> = outputs.collect();
        assert!(outputs.iter().any(|output| output.status.success()));
        for output in outputs.iter().filter(|output| !output.status.success()) {
            assert!(text(output).contains("is in use by another run"), "{}", text(output));
        }
        assert_eq!(names(directory.path()), ["a", "b", "c"]);
        assert_eq!(files::read(&directory.path().join("c")), NEW);
    }
}

/// Starts "create" so that it waits for a second before it takes its first lock, and gives it time to get
/// there.
fn start_with_a_late_lock(directory: &Path) -> Option<Child> {
    let mut command = Command::new(oracle::require("strace")?);
    command.args(["-f", "-qq", "-o", "/dev/null", "--inject=flock:delay_enter=1000000:when=1"]);
    command.arg(std::env::current_exe().unwrap());
    let mut command = prefixed(command, "create", directory);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    Some(child)
}

#[test]
fn x01_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_given_up() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let Some(child) = start_with_a_late_lock(directory.path()) else { return };
    // The other run has made its temporary file and not locked it.
    let output = Output::create(&path).unwrap();
    output.file().write_all_at(&OLD, 0).unwrap();
    let other = child.wait_with_output().unwrap();
    assert!(text(&other).contains("is in use by another run"), "{}", text(&other));
    assert_eq!(names(directory.path()), [".a.verity-tmp"]);
    output.commit().unwrap();
    assert_eq!(files::read(&path), OLD);
}

#[test]
fn x01_a_file_that_is_published_before_it_is_locked_is_not_taken_for_a_leftover() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    let output = Output::create(&path).unwrap();
    output.file().write_all_at(&OLD, 0).unwrap();
    let Some(child) = start_with_a_late_lock(directory.path()) else { return };
    // The other run has opened our temporary file and not tried to lock it.
    output.commit().unwrap();
    let next = Removal::of(&path).unwrap();
    let other = child.wait_with_output().unwrap();
    assert!(text(&other).contains("is in use by another run"), "{}", text(&other));
    assert_eq!(names(directory.path()), [".a.verity-tmp", "a"]);
    OutputSet::new().removal(next).commit().unwrap();
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn x01_replacing_and_rewriting_in_place_exclude_each_other() {
    let directory = files::tempdir();
    let path = directory.path().join("a");
    files::write(&path, &OLD);
    let busy = |error| assert!(matches!(error, PublishError::Busy { .. }), "{error}");
    let output = Output::update(&path).unwrap();
    busy(InPlace::open(&path).unwrap_err());
    busy(Removal::of(&path).unwrap_err());
    drop(output);
    let in_place = InPlace::open(&path).unwrap();
    busy(InPlace::open(&path).unwrap_err());
    busy(Output::create(&path).unwrap_err());
    drop(in_place);
    assert_eq!(names(directory.path()), ["a"]);
    Output::create(&path).unwrap();
}

#[test]
fn x05_no_file_is_left_open_in_other_programs() {
    let directory = files::tempdir();
    let path = directory.path().join("marked-name");
    files::write(&path, &OLD);
    let _input = Input::open(&path).unwrap();
    let _output = Output::update(&path).unwrap();
    let other = directory.path().join("marked-other");
    files::write(&other, &OLD);
    let _in_place = InPlace::open(&other).unwrap();
    let open = oracle::run_ok(Command::new("ls").args(["-l", "/proc/self/fd"]));
    assert!(!open.contains(directory.path().to_str().unwrap()), "{open}");
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

    // As a mounted file system would hold it.
    let exclusive = 0o200; // O_EXCL
    let held = OpenOptions::new().read(true).custom_flags(exclusive).open(device.path()).unwrap();
    assert!(matches!(InPlace::open(device.path()), Err(PublishError::Busy { .. })));
    drop(held);
    InPlace::open(device.path()).unwrap();
}
