//! Hash files are those of veritysetup, byte for byte, from files, with parity, and from data that
//! is pushed.

use std::fs::File;

use verity_testdata::files;
use verity_testdata::oracle::{VeritySetup, run_ok};
use verity_testdata::pattern::painted;

use super::stage::{source, stage};

const UUID: &str = "01234567-89ab-4def-8123-456789abcdef";

#[test]
fn hash_files_are_those_of_veritysetup() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let (stage, directory) = (stage(), files::tempdir());
    let program = directory.path().join("format");
    if stage
        .compile("cc", &["-Wall", "-Wextra", "-Werror"], &source("format.c"), &program)
        .is_none()
    {
        return;
    }
    let path = |name: &str| directory.path().join(name);
    let salt = "ab".repeat(32);
    for (blocks, algorithm, data_block, hash_block, roots) in [
        (300_u64, "sha256", 4096_u64, 4096, 0),
        (1, "sha256", 4096, 4096, 0),
        (2000, "sha512", 512, 1024, 0),
        (1300, "sha1", 4096, 4096, 2),
        (1300, "sha256", 4096, 4096, 24),
    ] {
        let size = usize::try_from(blocks * data_block).unwrap();
        files::write(&path("data"), &painted(size));
        let sizes = [data_block.to_string(), hash_block.to_string(), roots.to_string()];
        let common = [&salt, UUID, algorithm, &sizes[0], &sizes[1], &sizes[2]];
        let mut options: Vec<String> = vec![
            format!("--salt={salt}"),
            format!("--uuid={UUID}"),
            format!("--hash={algorithm}"),
            format!("--data-block-size={data_block}"),
            format!("--hash-block-size={hash_block}"),
        ];
        if roots > 0 {
            options.push(format!("--fec-roots={roots}"));
            options.push(format!("--fec-device={}", path("their-fec").display()));
            files::write(&path("their-fec"), &[]);
        }
        // It leaves what is behind the tree.
        files::write(&path("their-hash"), &[]);
        let theirs = veritysetup.format(&path("data"), &path("their-hash"), &options);
        let mut command = stage.command(&program);
        command.arg(path("data")).arg(path("our-hash")).args(common).arg(path("our-fec"));
        assert_eq!(run_ok(&mut command).trim(), theirs.root_hash());
        assert!(files::read(&path("our-hash")) == files::read(&path("their-hash")), "{options:?}");
        if roots > 0 {
            assert!(
                files::read(&path("our-fec")) == files::read(&path("their-fec")),
                "{options:?}"
            );
            continue;
        }
        let mut command = stage.command(&program);
        command.arg("-").arg(path("pushed-hash")).args(common);
        let output = command.stdin(File::open(path("data")).unwrap()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), theirs.root_hash());
        assert!(files::read(&path("pushed-hash")) == files::read(&path("their-hash")));
    }
}
