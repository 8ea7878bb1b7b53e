//! The examples run and do what they say. `cargo test` builds them beside the tests.

use std::path::PathBuf;
use std::process::{Command, Output};

use verity::{Params, Plan, Salt};
use verity_testdata::files;
use verity_testdata::pattern::painted;
use verity_testdata::reference::{self, Scheme};

fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("this test");
    path.pop();
    assert!(path.ends_with("deps"), "{}", path.display());
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is missing: `cargo test -p dm-verity` builds it", path.display());
    Command::new(path)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn format_file_and_verify_file_agree_with_the_slow_twin() {
    let directory = files::tempdir();
    let (image, hash) = (directory.path().join("image"), directory.path().join("hash"));
    let data = painted(300 * 4096);
    files::write(&image, &data);
    let output = example("format_file").arg(&image).arg(&hash).arg("demo").output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let salt = Salt::from_seed("demo");
    let scheme = Scheme { salt: salt.as_bytes().to_vec(), ..Scheme::default() };
    let uuid = verity::uuid_from_seed("demo").into_bytes();
    let root_hash = hex::encode(reference::format(&data, &scheme).root_hash);
    assert_eq!(text(&output).trim_end(), root_hash);
    assert!(files::read(&hash) == reference::hash_file(&data, &scheme, Some(&uuid), 0));

    let verify = |data_blocks: &str| {
        let mut command = example("verify_file");
        command.arg(&image).arg(&hash).args([&root_hash, data_blocks, &salt.to_string()]);
        command.output().unwrap()
    };
    let output = verify("300");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output), "300 data blocks are intact\n");
    assert!(!verify("299").status.success());

    files::flip_bit(&image, 17 * 4096 + 5, 3);
    let output = verify("300");
    assert!(!output.status.success());
    assert!(text(&output).starts_with("data block 17 is corrupt: expected digest "), "{output:?}");
}

#[test]
fn read_file_prints_what_is_proved_and_nothing_else() {
    let directory = files::tempdir();
    let (image, hash) = (directory.path().join("image"), directory.path().join("hash"));
    let data = painted(300 * 4096);
    files::write(&image, &data);
    let output = example("format_file").arg(&image).arg(&hash).arg("demo").output().unwrap();
    let (root_hash, salt) = (text(&output), Salt::from_seed("demo").to_string());
    let read = |offset: &str, length: &str| {
        let mut command = example("read_file");
        command.arg(&image).arg(&hash).args([root_hash.trim_end(), "300", &salt, offset, length]);
        command.output().unwrap()
    };
    let output = read("500000", "100000");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == data[500_000..600_000]);
    // `io::copy` reads 8 KiB at a time: two blocks, and one more where such a read begins within a
    // block.
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.ends_with(" data blocks and 3 hash blocks read\n"), "{errors}");

    files::flip_bit(&image, 140 * 4096 + 5, 3);
    let output = read("500000", "100000");
    assert!(!output.status.success());
    assert!(output.stdout == data[500_000..140 * 4096]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("data block 140 is corrupt: expected digest "), "{errors}");
}

#[test]
fn format_file_leaves_nothing_of_an_image_that_it_refuses() {
    let directory = files::tempdir();
    let (image, hash) = (directory.path().join("image"), directory.path().join("hash"));
    files::write(&image, &painted(5000));
    let output = example("format_file").arg(&image).arg(&hash).arg("demo").output().unwrap();
    assert!(!output.status.success());
    assert!(!hash.exists());
    files::write(&image, &painted(8192));
    let output = example("format_file").arg(&image).arg(&image).arg("demo").output().unwrap();
    assert!(!output.status.success());
    assert!(files::read(&image) == painted(8192));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn plan_partitions_prints_the_plan() {
    let output = example("plan_partitions").arg("67108864").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let hash = Plan::for_image(Params::builder(), 64 << 20, true).unwrap().hash_area().end();
    let plan = Plan::for_partition(Params::builder(), 64 << 20, true).unwrap();
    let image = plan.params().data_size();
    let text = text(&output);
    assert!(text.contains(&format!("hash partition of {hash}\n")), "{text}");
    assert!(text.contains(&format!("an image of {image}, the hash area at {image}\n")), "{text}");
    assert!(!example("plan_partitions").arg("5000").output().unwrap().status.success());
}
