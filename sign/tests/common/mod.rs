//! Keys, messages and openssl for the tests of this crate.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfos};
use der::{Any, Decode, Encode};
use verity::RootHash;
use verity_sign::{Certificate, PrivateKey, Signer};

pub const NAMES: [&str; 5] = ["rsa2048", "rsa3072", "rsa4096", "p256", "p384"];
pub const TEXT: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

pub fn path(name: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../testdata/keys/TEST_KEY_DO_NOT_USE.{name}.{kind}.pem"))
}

pub fn key_file(name: &str) -> Vec<u8> {
    fs::read(path(name, "key")).unwrap()
}

pub fn certificate_file(name: &str) -> Vec<u8> {
    fs::read(path(name, "cert")).unwrap()
}

pub fn key(name: &str) -> PrivateKey {
    PrivateKey::parse(&key_file(name)).unwrap()
}

pub fn certificate(name: &str) -> Certificate {
    Certificate::parse(&certificate_file(name)).unwrap()
}

pub fn signer(name: &str) -> Signer {
    Signer::new(key(name), certificate(name)).unwrap()
}

pub fn root_hash() -> RootHash {
    TEXT.parse().unwrap()
}

/// DER out of a PEM file.
pub fn der_of(pem: &[u8]) -> Vec<u8> {
    der::pem::decode_vec(pem).unwrap().1
}

/// A message taken apart.
pub fn decode(message: &[u8]) -> SignedData {
    ContentInfo::from_der(message).unwrap().content.decode_as().unwrap()
}

/// And put together again, whatever it says now.
pub fn encode(data: &SignedData) -> Vec<u8> {
    let content_type = const_oid::db::rfc5911::ID_SIGNED_DATA;
    ContentInfo { content_type, content: Any::encode_from(data).unwrap() }.to_der().unwrap()
}

/// A good message with something changed in it.
pub fn changed(message: &[u8], change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
    let mut data = decode(message);
    change(&mut data);
    encode(&data)
}

/// The same for its only signer.
pub fn changed_signer(
    message: &[u8],
    change: impl FnOnce(&mut cms::signed_data::SignerInfo),
) -> Vec<u8> {
    changed(message, |data| {
        let mut signer = data.signer_infos.0.as_slice()[0].clone();
        change(&mut signer);
        data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    })
}

pub struct OpenSsl {
    program: PathBuf,
    pub dir: tempfile::TempDir,
}

impl OpenSsl {
    /// Says so and returns nothing where openssl is missing; fails where it must not be.
    pub fn find() -> Option<OpenSsl> {
        let program = verity_testdata::oracle::require("openssl")?;
        Some(OpenSsl { program, dir: tempfile::tempdir().unwrap() })
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs `openssl ARGS`, words split at blanks, `{}` replaced by the paths in turn.
    pub fn run(&self, args: &str, paths: &[&Path]) -> (bool, Vec<u8>, String) {
        let mut paths = paths.iter();
        let mut command = Command::new(&self.program);
        for word in args.split_whitespace() {
            match word {
                "{}" => command.arg(paths.next().unwrap()),
                word => command.arg(word),
            };
        }
        let output = command.current_dir(&self.dir).stdin(Stdio::null()).output().unwrap();
        (
            output.status.success(),
            output.stdout,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    pub fn ok(&self, args: &str, paths: &[&Path]) -> Vec<u8> {
        let (success, stdout, stderr) = self.run(args, paths);
        assert!(success, "openssl {args}: {stderr}");
        stdout
    }

    /// `openssl COMMAND -sign` over `content` with a test key and more options.
    pub fn sign(&self, command: &str, name: &str, content: &[u8], options: &str) -> Vec<u8> {
        let content = self.file("content", content);
        self.ok(
            &format!(
                "{command} -sign -binary -outform DER {options} -in {{}} -inkey {{}} -signer {{}}"
            ),
            &[&content, &path(name, "key"), &path(name, "cert")],
        )
    }
}
