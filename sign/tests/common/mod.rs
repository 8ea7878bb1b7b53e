//! Keys, messages and openssl for the tests of this crate.

#![allow(dead_code, unused_imports, unused_macros, reason = "each test program uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo, SignerInfos};
use der::{Any, Decode, Encode};
use verity::RootHash;
use verity_sign::{
    Certificate, CertificateError, Class, Error, KeyError, PrivateKey, Signatory, SignatureBuilder,
    SignatureError, verify_detached, verify_root_hash,
};

pub(crate) const NAMES: [&str; 6] = ["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"];
pub(crate) const TEXT: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

pub(crate) fn path(name: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../testdata/keys/TEST_KEY_DO_NOT_USE.{name}.{kind}.pem"))
}

pub(crate) fn key_file(name: &str) -> Vec<u8> {
    fs::read(path(name, "key")).unwrap()
}

pub(crate) fn certificate_file(name: &str) -> Vec<u8> {
    fs::read(path(name, "cert")).unwrap()
}

pub(crate) fn key(name: &str) -> PrivateKey {
    PrivateKey::parse(&key_file(name)).unwrap()
}

pub(crate) fn certificate(name: &str) -> Certificate {
    Certificate::parse(&certificate_file(name)).unwrap()
}

pub(crate) fn signatory(name: &str) -> Signatory<PrivateKey> {
    signatory_with(name, |builder| builder)
}

/// A signatory whose signatures look otherwise.
pub(crate) fn signatory_with(
    name: &str,
    change: impl FnOnce(SignatureBuilder) -> SignatureBuilder,
) -> Signatory<PrivateKey> {
    Signatory::new(key(name), change(SignatureBuilder::new(certificate(name)))).unwrap()
}

/// A signatory with its certificate in its signatures, or without.
pub(crate) fn embedding_signatory(name: &str, embed: bool) -> Signatory<PrivateKey> {
    signatory_with(name, |builder| builder.with_embedded_certificate(embed))
}

pub(crate) fn root_hash() -> RootHash {
    TEXT.parse().unwrap()
}

/// DER out of a PEM file.
pub(crate) fn der_of(pem: &[u8]) -> Vec<u8> {
    der::pem::decode_vec(pem).unwrap().1
}

/// A message taken apart.
pub(crate) fn decode(message: &[u8]) -> SignedData {
    ContentInfo::from_der(message).unwrap().content.decode_as().unwrap()
}

/// And put together again, whatever it says now.
pub(crate) fn encode(data: &SignedData) -> Vec<u8> {
    let content_type = const_oid::db::rfc5911::ID_SIGNED_DATA;
    ContentInfo { content_type, content: Any::encode_from(data).unwrap() }.to_der().unwrap()
}

/// A good message with something changed in it.
pub(crate) fn changed(message: &[u8], change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
    let mut data = decode(message);
    change(&mut data);
    encode(&data)
}

/// Changes the only signer of a message.
pub(crate) fn changed_signer(
    message: &[u8],
    change: impl FnOnce(&mut cms::signed_data::SignerInfo),
) -> Vec<u8> {
    changed(message, |data| {
        let mut signer = data.signer_infos.0.as_slice()[0].clone();
        change(&mut signer);
        data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    })
}

pub(crate) struct OpenSsl {
    program: PathBuf,
    pub(crate) dir: tempfile::TempDir,
}

impl OpenSsl {
    /// Does with a file what a command line of the shell says, as advice does: it reads FILE and
    /// writes NEW, which is returned.
    pub(crate) fn follow(&self, command: &str, file: &[u8]) -> Vec<u8> {
        self.file("FILE", file);
        self.file("NEW", b"");
        let mut shell = std::process::Command::new("sh");
        let status = shell.args(["-ec", command]).current_dir(&self.dir).status().unwrap();
        assert!(status.success(), "{command}");
        self.read("NEW")
    }

    /// Says so and returns nothing where openssl is missing; fails where it must not be.
    pub(crate) fn find() -> Option<OpenSsl> {
        let program = verity_testdata::oracle::require("openssl")?;
        Some(OpenSsl { program, dir: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs `openssl ARGS`, words split at blanks, `{}` replaced by the paths in turn.
    pub(crate) fn run(&self, args: &str, paths: &[&Path]) -> (bool, Vec<u8>, String) {
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

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(name)).unwrap()
    }

    pub(crate) fn ok(&self, args: &str, paths: &[&Path]) -> Vec<u8> {
        let (success, stdout, stderr) = self.run(args, paths);
        assert!(success, "openssl {args}: {stderr}");
        stdout
    }

    /// `openssl COMMAND -sign` over `content` with a test key and more options.
    pub(crate) fn sign(&self, command: &str, name: &str, content: &[u8], options: &str) -> Vec<u8> {
        let content = self.file("content", content);
        self.ok(
            &format!(
                "{command} -sign -binary -outform DER -in {{}} -inkey {{}} -signer {{}} {options}"
            ),
            &[&content, &path(name, "key"), &path(name, "cert")],
        )
    }
}

/// A signature of the test root hash.
pub(crate) fn good(name: &str) -> Vec<u8> {
    signatory(name).sign_root_hash(&root_hash()).unwrap()
}

/// A signature that embeds its certificate.
pub(crate) fn embedding(name: &str) -> Vec<u8> {
    embedding_signatory(name, true).sign_root_hash(&root_hash()).unwrap()
}

/// Why a signature of it is refused, if that certificate is pinned.
pub(crate) fn refused(message: &[u8], name: &str) -> (SignatureError, Class) {
    match verify_root_hash(message, &root_hash(), &[certificate(name)]) {
        Err(Error::Signature(error)) => {
            let copy = verify_root_hash(message, &root_hash(), &[certificate(name)]);
            (error, copy.unwrap_err().class())
        }
        other => panic!("{other:?}"),
    }
}

/// The one signer of a message.
pub(crate) fn signer_of(message: &[u8]) -> SignerInfo {
    decode(message).signer_infos.0.as_slice()[0].clone()
}

/// Refused with an error of this form and class.
macro_rules! assert_refused {
    ($message:expr, $name:expr, $class:ident, $pattern:pat) => {{
        let (error, class) = $crate::common::refused(&$message, $name);
        assert!(matches!(error, $pattern), "{error:?}");
        assert_eq!(class, verity_sign::Class::$class, "{error}");
    }};
}

pub(crate) use assert_refused;

pub(crate) fn key_error(file: &[u8]) -> KeyError {
    match PrivateKey::parse(file) {
        Err(Error::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn certificate_error(file: &[u8]) -> CertificateError {
    match Certificate::parse(file) {
        Err(Error::Certificate(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn with_certificate(
    key: PrivateKey,
    name: &str,
) -> Result<Signatory<PrivateKey>, Error> {
    Signatory::new(key, SignatureBuilder::new(certificate(name)))
}

/// The key signs, and its signatures are those of its certificate.
pub(crate) fn works(file: &[u8], name: &str) {
    let key = PrivateKey::parse(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let signature = with_certificate(key, name).unwrap().sign_detached(b"content").unwrap();
    verify_detached(&signature, b"content", &[certificate(name)]).unwrap();
}
