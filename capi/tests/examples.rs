//! The examples in C run and do what they say; what they make is checked by the library for Rust.

use std::path::{Path, PathBuf};

use verity::Verifier;
use verity_sign::{Certificate, Manifest, verify_root_hash};
use verity_testdata::files;
use verity_testdata::oracle::{require, run, run_ok};
use verity_testdata::pattern::painted;

use super::stage::{Stage, crate_dir, key, stage};

pub(crate) const SIZE: usize = 3 << 20;

/// Makes a signed image by the example; `None` where there is no compiler.
pub(crate) fn make_image(stage: &Stage, directory: &Path) -> Option<PathBuf> {
    let program = directory.join("make_image");
    let source = crate_dir().join("examples/make_image.c");
    stage.compile("cc", &["-Wall", "-Wextra", "-Werror"], &source, &program)?;
    let image = directory.join("image");
    files::write(&image, &painted(SIZE));
    let mut command = stage.command(program);
    command.arg(&image).arg("demo").args([key("p256.key"), key("p256.cert")]);
    let root = run_ok(&mut command);
    assert_eq!(root.trim().as_bytes(), files::read(&beside(&image, ".roothash")));
    Some(image)
}

/// A file beside an image.
pub(crate) fn beside(image: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", image.display()))
}

/// Checks an image of one file with all that lies beside it.
pub(crate) fn check_image(image: &Path) {
    let read = |suffix: &str| files::read(&beside(image, suffix));
    let pinned = [Certificate::parse(&files::read(&key("p256.cert"))).unwrap()];
    let (manifest, signature) = (read(".manifest.json"), read(".manifest.json.p7s"));
    let verified = Manifest::verify(&manifest, &signature, &pinned).unwrap();
    verified.manifest().check_image_name("demo").unwrap();
    let bytes = files::read(image);
    let region = verified.manifest().superblock_region().unwrap();
    let region = usize::try_from(region.start).unwrap()..usize::try_from(region.end).unwrap();
    verified.check_superblock(&bytes[region]).unwrap();
    let root_hash = verified.manifest().root_hash();
    assert_eq!(root_hash.to_string().as_bytes(), read(".roothash"));
    verify_root_hash(&read(".roothash.p7s"), &root_hash, &pinned).unwrap();
    Verifier::new(verified.trusted_params().clone()).verify(&bytes, &bytes).unwrap();
    assert_eq!(verified.manifest().image().size_bytes(), u64::try_from(bytes.len()).unwrap());
    assert!(verified.manifest().fec_area().is_some());
}

#[test]
fn an_image_that_is_made_in_c_is_signed_and_whole() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(image) = make_image(stage, directory.path()) else { return };
    check_image(&image);
    assert!(files::read(&image)[..SIZE] == painted(SIZE));
}

#[test]
fn an_nbdkit_plugin_serves_what_is_proved() {
    let (stage, directory) = (stage(), files::tempdir());
    let (Some(nbdkit), Some(nbdcopy)) = (require("nbdkit"), require("nbdcopy")) else { return };
    let Some(image) = make_image(stage, directory.path()) else { return };
    let plugin = directory.path().join("nbdkit-verity-plugin.so");
    let source = crate_dir().join("examples/nbdkit_verity.c");
    let options = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"];
    stage.compile("cc", &options, &source, &plugin).unwrap();
    let copied = directory.path().join("copied");
    let copy = |name: &str| {
        let mut command = stage.command(&nbdkit);
        command.args(["--readonly", "--unix", "-"]).arg(&plugin);
        command.arg(format!("image={}", image.display())).arg(format!("name={name}"));
        command.arg(format!("certificate={}", key("p256.cert").display())).arg("--run");
        command.arg(format!("{} \"$uri\" {}", nbdcopy.display(), copied.display()));
        let _ = std::fs::remove_file(&copied);
        run(&mut command)
    };
    // What is corrupt comes right again by the parity, as far as that reaches.
    let mut bytes = files::read(&image);
    bytes[300_000..305_000].fill(0x77);
    files::write(&image, &bytes);
    let output = copy("demo");
    assert!(output.status.success(), "{output:?}");
    assert!(files::read(&copied) == painted(SIZE));
    assert!(!copy("another").status.success());
    // The parity is in the last blocks.
    let end = bytes.len();
    bytes[end - 20_000..].fill(0);
    files::write(&image, &bytes);
    let output = copy("demo");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("data block 7") && text.contains("is corrupt"), "{text}");
}
