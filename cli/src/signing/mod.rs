//! Who signs what, and how the signature looks: from options to a signatory.

pub(crate) mod secret;

use std::ffi::OsString;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::Duration;

use verity::RootHash;
use verity::publish::Input;
use verity_sign::{
    Error, ExternalSigner, KeyError, MAX_MANIFEST_BYTES, Manifest, PrivateKey, PublicKey,
    Signatory, SignatureBuilder, SignatureDigest, Signer, root_hash_content,
};
use zeroize::Zeroizing;

use self::secret::Source;
use crate::command::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;
use crate::trust::{self, RootSource};

/// What is signed.
#[derive(Debug)]
pub(crate) enum Content {
    Manifest(PathBuf),
    /// In the form that the kernel takes.
    RootHash(RootSource),
}

/// What is signed, once it is read.
pub(crate) struct Signable {
    /// `root-hash` or `manifest`.
    pub(crate) kind: &'static str,
    pub(crate) root_hash: RootHash,
    pub(crate) bytes: Vec<u8>,
}

impl Content {
    pub(crate) fn read(&self) -> Result<Signable, CommandError> {
        match self {
            Content::RootHash(source) => {
                let root_hash = source.require()?;
                let bytes = root_hash_content(&root_hash).into_bytes();
                Ok(Signable { kind: "root-hash", root_hash, bytes })
            }
            Content::Manifest(path) => {
                let bytes = trust::read_small(path, MAX_MANIFEST_BYTES, Class::Metadata)?;
                let manifest = Manifest::parse(&bytes).or_fail(Class::Metadata, path)?;
                Ok(Signable { kind: "manifest", root_hash: manifest.root_hash(), bytes })
            }
        }
    }

    /// The file that it comes from, if it does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Content::Manifest(path) => Some(path),
            Content::RootHash(source) => source.file.as_deref(),
        }
    }
}

/// How signatures look.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) certificate: PathBuf,
    pub(crate) digest: Option<SignatureDigest>,
    pub(crate) embed_certificate: bool,
    pub(crate) chain: Vec<PathBuf>,
    pub(crate) subject_key_identifier: bool,
}

impl Shape {
    pub(crate) fn builder(&self) -> Result<SignatureBuilder, CommandError> {
        let builder = builder(&self.certificate, self.digest)?;
        builder
            .with_embedded_certificate(self.embed_certificate)
            .with_chain(
                self.chain.iter().map(|path| trust::certificate(path)).collect::<Result<_, _>>()?,
            )
            .and_then(|builder| builder.with_subject_key_identifier(self.subject_key_identifier))
            .or_fail(Class::Trust, &self.certificate)
    }

    /// The files that were read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate].into_iter().chain(&self.chain).map(PathBuf::as_path)
    }
}

/// Signatures by the key of this certificate, with its digest or this one.
pub(crate) fn builder(
    certificate: &Path,
    digest: Option<SignatureDigest>,
) -> Result<SignatureBuilder, CommandError> {
    let builder = SignatureBuilder::new(trust::certificate(certificate)?);
    Ok(match digest {
        Some(digest) => builder.with_digest(digest),
        None => builder,
    })
}

/// Who signs.
#[derive(Debug)]
pub(crate) enum Key {
    /// Another program.
    Command {
        program: OsString,
        args: Vec<OsString>,
        timeout: Duration,
    },
    File {
        path: PathBuf,
        passphrase: Option<Source>,
        pin: Option<Source>,
    },
    /// A PKCS#11 URI, not parsed yet: what is wrong with it must not show what stands in it.
    Token {
        uri: String,
        passphrase: Option<Source>,
        pin: Option<Source>,
    },
}

/// Of the URI of a key on a token; its case does not matter (RFC 3986).
const SCHEME: &str = "pkcs11:";

impl Key {
    /// A file name or a PKCS#11 URI. `./pkcs11:...` is a file.
    pub(crate) fn named(key: OsString, passphrase: Option<Source>, pin: Option<Source>) -> Key {
        let is_uri = |text: &&str| {
            text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
        };
        match key.to_str().filter(is_uri) {
            Some(uri) => Key::Token { uri: uri.to_owned(), passphrase, pin },
            None => Key::File { path: key.into(), passphrase, pin },
        }
    }

    /// What messages call it: a file, a program, or what the URI says of token and key and nothing else: somebody
    /// may have put a PIN into it.
    pub(crate) fn name(&self) -> PathBuf {
        match self {
            Key::Command { program, .. } => program.into(),
            Key::File { path, .. } => path.clone(),
            Key::Token { uri, .. } => {
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

    /// The files that were read, or run.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            // A name without a slash is looked for in PATH. What cannot be read may be a program all the same.
            Key::Command { program, .. } => {
                let path = PathBuf::from(program);
                let is_path = path.components().count() > 1 && std::fs::File::open(&path).is_ok();
                if is_path { vec![path] } else { Vec::new() }
            }
            Key::File { path, passphrase, .. } => {
                let passphrase = passphrase.as_ref().and_then(Source::file);
                [path.as_path()].into_iter().chain(passphrase).map(Path::to_owned).collect()
            }
            Key::Token { uri, pin, .. } => {
                let pin = pin.as_ref().and_then(Source::file).map(Path::to_owned);
                pin.into_iter().chain(token_files(uri)).collect()
            }
        }
    }

    fn signer(
        &self,
        public_key: &PublicKey,
        context: &Context,
    ) -> Result<Box<dyn Signer>, CommandError> {
        match self {
            Key::Command { program, args, timeout } => {
                let signals = context.signals.clone();
                let signer = ExternalSigner::new(program, public_key.clone())
                    .args(args)
                    .timeout(*timeout)
                    .stop(move || signals.raised());
                Ok(Box::new(signer))
            }
            Key::File { pin: Some(_), .. } => {
                Err(CommandError::usage("--pin-file is for keys on tokens (--key pkcs11:...)"))
            }
            Key::File { path, passphrase, pin: None } => {
                Ok(Box::new(private_key(path, passphrase.as_ref(), context)?))
            }
            Key::Token { passphrase: Some(_), .. } => {
                Err(CommandError::usage("a passphrase is for keys in files, not on tokens"))
            }
            Key::Token { uri, passphrase: None, pin } => {
                token_key(uri, &self.name(), pin.as_ref(), public_key, context)
            }
        }
    }
}

/// Who signs, and how it looks.
#[derive(Debug)]
pub(crate) struct Signing {
    pub(crate) key: Key,
    pub(crate) shape: Shape,
}

impl Signing {
    /// Opens the key and the certificate, known to belong together.
    pub(crate) fn open(
        &self,
        context: &Context,
    ) -> Result<Signatory<Box<dyn Signer>>, CommandError> {
        let builder = self.shape.builder()?;
        let signer = self.key.signer(builder.certificate().public_key(), context)?;
        Signatory::new(signer, builder).or_fail(Class::Trust, &self.key.name())
    }

    /// A failed signature: its class, and who is to blame.
    pub(crate) fn failed(&self, error: Error, context: &Context) -> CommandError {
        match context.signals.check() {
            Ok(()) => CommandError::new(Class::Trust, error).at(&self.key.name()),
            Err(interrupted) => interrupted,
        }
    }

    /// Opens everything that an output must not replace.
    pub(crate) fn inputs(&self) -> Result<Vec<Input>, CommandError> {
        let shape = self.shape.files().map(Path::to_owned);
        self.key.files().into_iter().chain(shape).map(|path| trust::open(&path)).collect()
    }
}

fn private_key(
    path: &Path,
    passphrase: Option<&Source>,
    context: &Context,
) -> Result<PrivateKey, CommandError> {
    let input = trust::open(path)?;
    trust::check_key_mode(input.file(), path)?;
    let mut file = input.file();
    let of_passphrase = |passphrase: &[u8]| PrivateKey::read_encrypted(input.file(), passphrase);
    if let Some(source) = passphrase {
        let passphrase = source.read("passphrase", &context.signals)?;
        return of_passphrase(&passphrase).or_fail(Class::Trust, path);
    }
    secret::forbid_dumps()?;
    match PrivateKey::read(file) {
        Err(Error::Key(KeyError::Encrypted)) => {}
        other => return other.or_fail(Class::Trust, path),
    }
    let passphrase = asked("passphrase", path, context)?.ok_or_else(|| {
        let words = "the private key is encrypted: --passphrase-file, --passphrase-fd or --passphrase-env \
                     gives the passphrase, or a terminal on standard input";
        CommandError::message(Class::Trust, words).at(path)
    })?;
    file.rewind().or_fail(Class::Io, path)?;
    of_passphrase(&passphrase).or_fail(Class::Trust, path)
}

fn asked(
    what: &str,
    of: &Path,
    context: &Context,
) -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
    secret::ask(what, &Quoted(of).to_string(), &context.signals).map_err(|error| error.at(of))
}

/// The files that a URI names: those of a URI that cannot be read are nobody's.
#[cfg(feature = "pkcs11")]
fn token_files(uri: &str) -> Vec<PathBuf> {
    let Ok(uri) = uri.parse::<verity_sign::Pkcs11Uri>() else { return Vec::new() };
    let module = Some(uri.module_path()).filter(|path| path.components().count() > 1);
    module.into_iter().chain(uri.pin_source()).map(Path::to_owned).collect()
}

#[cfg(not(feature = "pkcs11"))]
fn token_files(_uri: &str) -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(feature = "pkcs11")]
fn token_key(
    uri: &str,
    name: &Path,
    pin: Option<&Source>,
    expected: &PublicKey,
    context: &Context,
) -> Result<Box<dyn Signer>, CommandError> {
    let uri: verity_sign::Pkcs11Uri = uri.parse().or_fail(Class::Usage, name)?;
    let token = verity_sign::Pkcs11Token::find(&uri).or_fail(Class::Trust, name)?;
    if pin.is_some() && uri.pin_source().is_some() {
        return Err(CommandError::usage("either --pin-file or pin-source in the URI").at(name));
    }
    let source = uri.pin_source().map(|path| Source::File(path.to_owned()));
    let pin = match (token.needs_pin(), pin.or(source.as_ref())) {
        (false, _) => None,
        (true, Some(source)) => Some(source.read("PIN", &context.signals)?),
        (true, None) => Some(asked("PIN", name, context)?.ok_or_else(|| {
            let words =
                "the token takes a PIN: --pin-file gives it, or a terminal on standard input";
            CommandError::message(Class::Trust, words).at(name)
        })?),
    };
    secret::forbid_dumps()?;
    let pin = pin.as_deref().map(|pin| str::from_utf8(pin)).transpose();
    // Not the error itself: it might say something of the PIN.
    let pin =
        pin.map_err(|_| CommandError::message(Class::Trust, "the PIN is not UTF-8").at(name))?;
    Ok(Box::new(token.signer(pin, expected).or_fail(Class::Trust, name)?))
}

#[cfg(not(feature = "pkcs11"))]
fn token_key(
    _uri: &str,
    name: &Path,
    _pin: Option<&Source>,
    _expected: &PublicKey,
    _context: &Context,
) -> Result<Box<dyn Signer>, CommandError> {
    Err(CommandError::usage("this build knows no tokens: it lacks the feature pkcs11").at(name))
}
