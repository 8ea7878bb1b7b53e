//! A set as `build` makes it, with everything else that command lines about signatures need.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use verity_testdata::{files, oracle};

use super::case::{Contents, memory_tempdir};
use super::image::Image;
use super::signers;

/// A directory with the set of `image.raw`: hash area and parity, root hash, manifest, signatures
/// and a signature partition.
pub(crate) struct Set {
    directory: TempDir,
    pub(crate) root: String,
}

impl Set {
    pub(crate) fn build() -> Set {
        let directory = memory_tempdir();
        let place = directory.path();
        files::write(&place.join("image.raw"), &Image::new().data);
        files::write(&place.join("key"), &signers::key());
        files::write(&place.join("cert"), &signers::certificate());
        let set = Set { directory, root: String::new() };
        set.run(
            "build image.raw --seed test --image-version 3 --fec-roots 2 --systemd --key key \
             --certificate cert",
        );
        let root = String::from_utf8(set.bytes("image.roothash")).unwrap();
        Set { root, ..set }
    }

    pub(crate) fn place(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a command line that must end well.
    pub(crate) fn run(&self, line: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
        command.current_dir(self.place());
        oracle::run_ok(command.args(line.split_whitespace()));
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        files::read(&self.place().join(name))
    }

    pub(crate) fn manifest(&self) -> String {
        String::from_utf8(self.bytes("image.manifest.json")).unwrap()
    }

    /// The files of these names.
    pub(crate) fn files(&self, names: &[&'static str]) -> Vec<(&'static str, Contents)> {
        names.iter().map(|name| (*name, Contents::from(&Arc::new(self.bytes(name))))).collect()
    }

    /// Gives a file of the set another name too.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        fs::copy(self.place().join(from), self.place().join(to)).unwrap();
    }
}
