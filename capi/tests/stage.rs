//! The library as `install.sh` installs it, below a DESTDIR of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use verity_testdata::files;
use verity_testdata::oracle::{require, run_ok};

/// The library, installed once for all tests.
pub(crate) struct Stage {
    pub(crate) root: PathBuf,
}

/// Installs it, unless a test already has.
pub(crate) fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        // Beside the program that runs, so that nothing of an earlier run is mistaken for it.
        let root = built().join("capi-stage");
        let _ = std::fs::remove_dir_all(&root);
        let mut command = Command::new(crate_dir().join("install.sh"));
        command.env("DESTDIR", &root).arg("--prefix=/usr");
        command.arg("--pythondir=/usr/lib/python3/dist-packages");
        command.arg(format!("--from={}", built().display()));
        assert_eq!(run_ok(&mut command), "");
        Stage { root }
    })
}

/// The folder of this crate.
pub(crate) fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder in which cargo has built the library for these tests.
fn built() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    assert!(path.join("libverity_c.so").exists(), "{} has no library", path.display());
    path
}

impl Stage {
    pub(crate) fn lib(&self) -> PathBuf {
        self.root.join("usr/lib")
    }

    pub(crate) fn header(&self) -> PathBuf {
        self.root.join("usr/include/verity.h")
    }

    /// A command that finds the library, when it is compiled and when it is run.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PKG_CONFIG_PATH", self.lib().join("pkgconfig"));
        command.env("PKG_CONFIG_SYSROOT_DIR", &self.root);
        command.env("LD_LIBRARY_PATH", self.lib());
        command
    }

    /// What pkg-config says of the library.
    pub(crate) fn flags(&self, arguments: &[&str]) -> Option<Vec<String>> {
        let tool = require("pkg-config")?;
        let said = run_ok(self.command(tool).args(arguments).arg("verity"));
        Some(said.split_whitespace().map(str::to_owned).collect())
    }

    /// Compiles a program against the library; `None` where there is no compiler.
    pub(crate) fn compile(
        &self,
        compiler: &str,
        options: &[&str],
        source: &Path,
        program: &Path,
    ) -> Option<()> {
        let compiler = require(compiler)?;
        let flags = self.flags(&["--cflags", "--libs"])?;
        let mut command = self.command(compiler);
        command.args(options).arg("-I").arg(crate_dir().join("tests/c")).arg(source);
        command.args(flags).arg("-o").arg(program);
        run_ok(&mut command);
        Some(())
    }
}

/// The path of a file among the test keys.
pub(crate) fn key(name: &str) -> PathBuf {
    crate_dir().join("../testdata/keys").join(format!("TEST_KEY_DO_NOT_USE.{name}.pem"))
}

/// The source of a test program, by its name.
pub(crate) fn source(name: &str) -> PathBuf {
    crate_dir().join("tests/c").join(name)
}

#[test]
fn an_installation_is_whole_and_can_be_repeated_over_itself() {
    let stage = stage();
    let directory = files::tempdir();
    for _ in 0..2 {
        let mut command = Command::new(crate_dir().join("install.sh"));
        command.env("DESTDIR", directory.path()).args(["--prefix=/opt/x", "--libdir=/opt/x/lib64"]);
        command.arg(format!("--from={}", stage.lib().join("../../../").display()));
        run_ok(&mut command);
    }
    let found = |path: &str| directory.path().join("opt/x").join(path);
    let link = |path: &str| std::fs::read_link(found(path)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(link("lib64/libverity.so"), Path::new("libverity.so.0"));
    assert_eq!(link("lib64/libverity.so.0"), PathBuf::from(format!("libverity.so.{version}")));
    let pc = String::from_utf8(files::read(&found("lib64/pkgconfig/verity.pc"))).unwrap();
    assert!(pc.contains("libdir=/opt/x/lib64\n") && pc.contains(&format!("Version: {version}\n")));
    assert!(!pc.contains(directory.path().to_str().unwrap()), "{pc}");
    assert!(found("lib64/libverity.a").exists() && found("include/verity.h").exists());
    assert!(!found("lib64/libverity.so.new").exists());
    let refused = Command::new(crate_dir().join("install.sh")).arg("--nonsense").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
