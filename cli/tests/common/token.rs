//! A token in software, in the directory of a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use verity_testdata::oracle;

use super::{Dir, Run};

pub(crate) const PIN: &str = "271828";
pub(crate) const TOKEN: &str = "release";

/// Where Debian puts SoftHSM's module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

pub(crate) struct Token<'a> {
    dir: &'a Dir,
    config: PathBuf,
    module: &'static Path,
}

impl Token<'_> {
    /// A new token called `release`; `None` where SoftHSM is missing and may be.
    pub(crate) fn new(dir: &Dir) -> Option<Token<'_>> {
        oracle::require("softhsm2-util")?;
        let module = MODULES.iter().map(Path::new).find(|module| module.exists());
        let module = module.expect("SoftHSM's module");
        std::fs::create_dir(dir.path("tokens")).unwrap();
        let tokens = dir.path("tokens");
        let config =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        dir.write("softhsm2.conf", config.as_bytes());
        let token = Token { dir, config: dir.path("softhsm2.conf"), module };
        token.init(TOKEN);
        Some(token)
    }

    /// Another token.
    pub(crate) fn init(&self, label: &str) {
        let args =
            ["--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", PIN];
        oracle::run_ok(self.softhsm().args(args));
    }

    /// Puts a key file onto the token.
    pub(crate) fn import(&self, file: &str, label: &str, id: &str) {
        let args = ["--import", file, "--token", TOKEN, "--label", label, "--id", id, "--pin", PIN];
        oracle::run_ok(self.softhsm().args(args));
    }

    fn softhsm(&self) -> Command {
        let mut command = self.dir.tool("softhsm2-util");
        command.env("SOFTHSM2_CONF", &self.config);
        command
    }

    pub(crate) fn module(&self) -> &Path {
        self.module
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The URI of what these attributes mean.
    pub(crate) fn uri(&self, attributes: &str) -> String {
        format!("pkcs11:{attributes}?module-path={}", self.module.display())
    }

    /// Runs the command under test with this token, words split at blanks.
    pub(crate) fn run(&self, line: &str) -> Run {
        let mut command = self.dir.command();
        command.args(line.split_whitespace()).env("SOFTHSM2_CONF", &self.config);
        Run::of(command.output().unwrap())
    }
}
