//! A set of files as `verity build` makes it, and the command lines that make and check it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use verity_testdata::files::{self, TempDir};

use crate::command::{memory_tempdir, verity, word};

/// The files of a signed set, in the order in which they appear.
pub(crate) const SUFFIXES: [&str; 5] =
    [".verity", ".roothash", ".roothash.p7s", ".manifest.json", ".manifest.json.p7s"];

/// The certificate or the key of one of the test identities.
fn identity(name: &str, part: &str) -> PathBuf {
    verity_testdata::path(&format!("keys/TEST_KEY_DO_NOT_USE.{name}.{part}.pem"))
}

/// The certificate of one of the test identities.
pub(crate) fn certificate(name: &str) -> String {
    word(&identity(name, "cert"))
}

/// An image and the directory with what was built of it.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) image: PathBuf,
    pub(crate) dir: PathBuf,
    keys: TempDir,
}

impl Set {
    /// The set of an image in a directory, which is made.
    pub(crate) fn new(image: &Path, dir: &Path) -> Set {
        std::fs::create_dir_all(dir).expect("a new directory");
        Set { image: image.to_owned(), dir: dir.to_owned(), keys: memory_tempdir() }
    }

    /// `verity build` without a key.
    pub(crate) fn build_unsigned(&self, seed: &str) -> Command {
        let mut command = verity(&["build", &word(&self.image), "--seed", seed]);
        command.arg("--output-dir").arg(&self.dir);
        command
    }

    /// `verity build`, signed by a test identity.
    pub(crate) fn build(&self, name: &str, seed: &str) -> Command {
        let mut command = self.build_unsigned(seed);
        command.arg("--key").arg(self.key(name)).args(["--certificate", &certificate(name)]);
        command
    }

    /// `verity check --json` with the certificate of a test identity.
    pub(crate) fn check(&self, name: &str) -> Command {
        let mut command = verity(&["check", &word(&self.image), "--json"]);
        command.arg("--output-dir").arg(&self.dir).args(["--certificate", &certificate(name)]);
        command
    }

    /// A copy of the key that its owner alone may write, whatever umask the checkout was made with.
    fn key(&self, name: &str) -> PathBuf {
        let copy = self.keys.path().join(name);
        files::write(&copy, &files::read(&identity(name, "key")));
        std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).expect("a mode");
        copy
    }

    /// The file with that suffix.
    pub(crate) fn file(&self, suffix: &str) -> PathBuf {
        let stem = self.image.file_name().expect("a file name").to_str().expect("UTF-8");
        self.dir.join(format!("{stem}{suffix}"))
    }

    /// Every file of the directory, whatever its name, with its bytes.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(&self.dir).expect("the output directory");
        entries
            .map(|entry| {
                let entry = entry.expect("an entry");
                let name = entry.file_name().into_string().expect("UTF-8");
                (name, std::fs::read(entry.path()).expect("a readable file"))
            })
            .collect()
    }
}
