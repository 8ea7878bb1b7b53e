//! A certificate authority for web servers on the loopback interface, made by openssl for one test.

use std::path::PathBuf;
use std::process::Command;

use crate::files::{self, TempDir};
use crate::oracle;

/// An authority, whose files are gone when the value is dropped.
#[derive(Debug)]
pub struct ServerAuthority {
    dir: TempDir,
}

impl ServerAuthority {
    /// Makes one, by the rule of [`oracle::require`].
    ///
    /// # Panics
    /// If openssl fails.
    #[must_use]
    pub fn new() -> Option<ServerAuthority> {
        oracle::require("openssl")?;
        let authority = ServerAuthority { dir: files::tempdir() };
        files::write(&authority.path("ca.cnf"), CONFIG.as_bytes());
        files::write(&authority.path("index"), b"");
        authority.openssl(&format!(
            "req -x509 {NEW_KEY} -keyout ca.key -out ca.crt -subj /CN=authority -days 3650"
        ));
        Some(authority)
    }

    /// The certificate of the authority, in PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A certificate and its key, in PEM, for a server of this name, such as `IP:127.0.0.1` or
    /// `DNS:example.org`, valid between these two times (`YYYYMMDDHHMMSSZ`).
    ///
    /// # Panics
    /// If openssl fails.
    #[must_use]
    pub fn issue(&self, name: &str, [from, until]: [&str; 2]) -> (PathBuf, PathBuf) {
        let stem = format!("{name}-{until}").replace(':', "-");
        self.openssl(&format!(
            "req {NEW_KEY} -keyout {stem}.key -out {stem}.csr -subj /CN=server -addext \
             subjectAltName={name}"
        ));
        self.openssl(&format!(
            "ca -batch -config ca.cnf -notext -in {stem}.csr -out {stem}.crt \
             -startdate {from} -enddate {until}"
        ));
        (self.path(&format!("{stem}.crt")), self.path(&format!("{stem}.key")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        oracle::run_ok(command.current_dir(self.dir.path()).args(line.split_whitespace()));
    }
}

/// Dates around every day on which a test may run.
pub const VALID: [&str; 2] = ["20200101000000Z", "20991231000000Z"];

/// Dates that are over.
pub const EXPIRED: [&str; 2] = ["20200101000000Z", "20200201000000Z"];

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

const CONFIG: &str = "\
[ca]
default_ca = this
[this]
database = index
new_certs_dir = .
certificate = ca.crt
rand_serial = yes
private_key = ca.key
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
";
