//! The example runs and does what it says. `cargo test` builds it beside the tests.

use std::path::PathBuf;
use std::process::Command;

use verity::Verifier;
use verity_sign::{Manifest, verify_root_hash};
use verity_testdata::files;
use verity_testdata::pattern::painted;

use crate::common::{certificate, path};

#[test]
fn an_image_is_signed_with_all_that_lies_beside_it() {
    let directory = files::tempdir();
    let image = directory.path().join("image");
    let data = painted(300 * 4096);
    files::write(&image, &data);
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/sign_image");
    assert!(program.exists(), "{} is missing: `cargo test` builds it", program.display());
    let mut command = Command::new(program);
    command.arg(&image).arg("demo").args([path("p256", "key"), path("p256", "cert")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let read = |suffix: &str| files::read(&PathBuf::from(format!("{}.{suffix}", image.display())));
    let pinned = [certificate("p256")];
    let verified =
        Manifest::verify(&read("manifest.json"), &read("manifest.json.p7s"), &pinned).unwrap();
    let root_hash = verified.manifest().root_hash();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{root_hash}\n"));
    assert_eq!(read("roothash"), root_hash.to_string().as_bytes());
    verify_root_hash(&read("roothash.p7s"), &root_hash, &pinned).unwrap();
    let hash = read("verity");
    Verifier::new(verified.trusted_params().clone()).verify(&data, &hash).unwrap();
    assert_eq!(verified.manifest().fec_area().unwrap().range().end, hash.len() as u64);
}
