//! Who signs: a key in a file, a key on a token, or another program.

use std::ffi::OsString;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::Duration;

use verity_sign::{
    Certificate, CertificateBundle, Error, ExternalSigner, KeyError, PrivateKey, PublicKey, Signer,
};

use super::key_file::check_key_mode;
use super::secret::SecretSource;
use super::terminal::ask;
use super::token::{token_files, token_key};
use crate::context::Context;
use crate::dumps;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;

/// Who signs.
#[derive(Debug)]
pub(crate) enum SigningKey {
    /// Another program.
    Command {
        program: OsString,
        args: Vec<OsString>,
        timeout: Duration,
    },
    File {
        path: PathBuf,
        passphrase: Option<SecretSource>,
        pin: Option<SecretSource>,
    },
    /// A PKCS#11 URI, not parsed yet: what is wrong with it must not show what stands in it.
    Token {
        uri: String,
        passphrase: Option<SecretSource>,
        pin: Option<SecretSource>,
    },
}

/// Of the URI of a key on a token; its case does not matter (RFC 3986).
const SCHEME: &str = "pkcs11:";

impl SigningKey {
    /// A file name or a PKCS#11 URI. `./pkcs11:...` is a file.
    pub(crate) fn named(
        key: OsString,
        passphrase: Option<SecretSource>,
        pin: Option<SecretSource>,
    ) -> SigningKey {
        let is_uri = |text: &&str| {
            text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
        };
        match key.to_str().filter(is_uri) {
            Some(uri) => SigningKey::Token { uri: uri.to_owned(), passphrase, pin },
            None => SigningKey::File { path: key.into(), passphrase, pin },
        }
    }

    /// What messages call it: a file, a program, or what the URI says of token and key and nothing
    /// else: somebody may have put a PIN into it.
    pub(crate) fn name(&self) -> PathBuf {
        match self {
            SigningKey::Command { program, .. } => program.into(),
            SigningKey::File { path, .. } => path.clone(),
            SigningKey::Token { uri, .. } => {
                // Not if a PIN is in it, which may stand anywhere.
                let rest = uri
                    .get(SCHEME.len()..)
                    .filter(|rest| !rest.to_ascii_lowercase().contains("pin-value"));
                let path = rest.and_then(|rest| rest.split('?').next()).unwrap_or_default();
                let harmless = path.split(';').filter(|pair| {
                    ["token=", "object=", "id="].iter().any(|name| pair.starts_with(name))
                });
                format!("{SCHEME}{}", harmless.collect::<Vec<_>>().join(";")).into()
            }
        }
    }

    /// The files that are read, run or loaded.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            // A name without a slash is looked for in PATH.
            SigningKey::Command { program, .. } => {
                let path = PathBuf::from(program);
                match path.components().count() {
                    1 => in_path(&path),
                    _ => vec![path],
                }
            }
            SigningKey::File { path, passphrase, .. } => {
                let passphrase = passphrase.as_ref().and_then(SecretSource::file);
                [path.as_path()].into_iter().chain(passphrase).map(Path::to_owned).collect()
            }
            SigningKey::Token { uri, pin, .. } => {
                let pin = pin.as_ref().and_then(SecretSource::file).map(Path::to_owned);
                pin.into_iter().chain(token_files(uri)).collect()
            }
        }
    }

    /// The key, and its certificate of those in the file `path`.
    pub(super) fn signer(
        &self,
        certificates: &CertificateBundle,
        path: &Path,
        context: &Context,
    ) -> Result<(Box<dyn Signer>, Certificate), CommandError> {
        if let SigningKey::File { path: key, passphrase, pin: None } = self {
            let key = private_key(key, passphrase.as_ref(), context)?;
            let certificate = certificates.of_key(key.public_key()).or_fail(Class::Trust, path)?;
            return Ok((Box::new(key), certificate));
        }
        // These keys are known by their certificate alone.
        let certificate = certificates.of_signer().or_fail(Class::Trust, path)?;
        Ok((self.distant_signer(certificate.public_key(), context)?, certificate))
    }

    /// A key that is not in a file.
    fn distant_signer(
        &self,
        public_key: &PublicKey,
        context: &Context,
    ) -> Result<Box<dyn Signer>, CommandError> {
        match self {
            SigningKey::Command { program, args, timeout } => {
                let signals = context.signals.clone();
                let signer = ExternalSigner::new(program, public_key.clone())
                    .args(args)
                    .timeout(*timeout)
                    .stop(move || signals.raised());
                Ok(Box::new(signer))
            }
            SigningKey::File { .. } => {
                Err(CommandError::usage("--pin-file is for keys on tokens (--key pkcs11:...)"))
            }
            SigningKey::Token { passphrase: Some(_), .. } => {
                Err(CommandError::usage("a passphrase is for keys in files, not on tokens"))
            }
            SigningKey::Token { uri, passphrase: None, pin } => {
                token_key(uri, &self.name(), pin.as_ref(), public_key, context)
            }
        }
    }
}

/// Where the system finds a program of this name, or would if it could be executed.
fn in_path(program: &Path) -> Vec<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&directories).map(|directory| directory.join(program));
    candidates.filter(|path| path.is_file()).collect()
}

fn private_key(
    path: &Path,
    passphrase: Option<&SecretSource>,
    context: &Context,
) -> Result<PrivateKey, CommandError> {
    let input = inputs::open(path)?;
    check_key_mode(input.file(), path)?;
    let mut file = input.file();
    let of_passphrase = |passphrase: &[u8]| PrivateKey::read_encrypted(input.file(), passphrase);
    if let Some(source) = passphrase {
        let passphrase = source.read("passphrase", &context.signals)?;
        return of_passphrase(&passphrase).or_fail(Class::Trust, path);
    }
    dumps::forbid().map_err(|error| error.at(path))?;
    match PrivateKey::read(file) {
        Err(Error::Key(KeyError::Encrypted)) => {}
        other => return other.or_fail(Class::Trust, path),
    }
    let passphrase = ask("passphrase", path, &context.signals)?.ok_or_else(|| {
        let words = "the private key is encrypted: --passphrase-file, --passphrase-fd or \
                     --passphrase-env gives the passphrase, or a terminal on standard input";
        CommandError::message(Class::Trust, words).at(path)
    })?;
    file.rewind().or_fail(Class::Io, path)?;
    of_passphrase(&passphrase).or_fail(Class::Trust, path)
}
