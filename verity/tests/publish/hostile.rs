//! Targets, inputs and neighbours that somebody laid in the way, and names and modes of every kind.

use super::*;

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
