//! Runs that are killed, or whose system calls fail, at every step.

use super::*;

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
