//! Several runs on one output.

use super::*;

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
            set.commit().map(drop)
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

/// Starts "create" so that it waits for seconds before it takes its first lock, and gives it time
/// to get there.
fn start_with_a_late_lock(directory: &Path) -> Option<Child> {
    let mut command = Command::new(oracle::require("strace")?);
    command.args(["-f", "-qq", "-o", "/dev/null", "--inject=flock:delay_enter=4000000:when=1"]);
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
