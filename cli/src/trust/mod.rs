//! What a verification rests on: root hashes, certificates and manifests, read from files.
//!
//! Everything here fails closed: a file that is missing, empty, unreadable or malformed is an error.

pub(crate) mod state;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::Mode;
use verity::RootHash;
use verity::publish::{Input, PublishError};
use verity_sign::{
    Authorities, Certificate, MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, Manifest, SignedBy, Trust,
    Validity, VerifiedManifest,
};

use crate::error::{Class, CommandError, OrFail};
use crate::quoted::Quoted;

/// Where a root hash comes from: the command line, a file, or both saying the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootSource {
    pub(crate) text: Option<String>,
    pub(crate) file: Option<PathBuf>,
}

impl RootSource {
    /// The root hash, if any source was given.
    pub(crate) fn read(&self) -> Result<Option<RootHash>, CommandError> {
        let given = match &self.text {
            Some(text) => Some(parse_root_hash(text)?),
            None => None,
        };
        let Some(path) = &self.file else { return Ok(given) };
        let filed = root_hash_file(path)?;
        match given {
            Some(given) if given != filed => Err(CommandError::usage(format!(
                "the root hash is {given} on the command line, but {filed} in {}",
                Quoted(path)
            ))),
            _ => Ok(Some(filed)),
        }
    }

    /// The root hash; it is an error if none was given.
    pub(crate) fn require(&self) -> Result<RootHash, CommandError> {
        self.needed(self.read()?)
    }

    /// What was read, if anything was.
    pub(crate) fn needed(&self, read: Option<RootHash>) -> Result<RootHash, CommandError> {
        read.ok_or_else(|| {
            CommandError::usage("a root hash is needed: ROOT or --root-hash-file FILE")
        })
    }
}

fn parse_root_hash(text: &str) -> Result<RootHash, CommandError> {
    text.parse().map_err(|error| CommandError::message(Class::Usage, format!("root hash: {error}")))
}

/// Reads a file that holds one root hash in hex, with at most one line end after it.
pub(crate) fn root_hash_file(path: &Path) -> Result<RootHash, CommandError> {
    // Two hex digits for each of 64 bytes, CR and LF.
    let bytes = read_small(path, 130, Class::Usage)?;
    let text = str::from_utf8(&bytes).or_fail(Class::Usage, path)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(CommandError::usage("the root hash file is empty").at(path));
    }
    text.parse().or_fail(Class::Usage, path)
}

/// Reads a whole file of at most `limit` bytes. A longer one is a failure of this class: no more of it is read.
pub(crate) fn read_small(path: &Path, limit: u64, class: Class) -> Result<Vec<u8>, CommandError> {
    let bytes = read_start(path, limit + 1)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= limit) {
        return Ok(bytes);
    }
    let words = format!("the file is longer than {limit} bytes");
    Err(CommandError::message(class, words).at(path))
}

/// Reads the first `limit` bytes of a file, or all of it.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    let input = open(path)?;
    let mut bytes = Vec::new();
    input.file().take(limit).read_to_end(&mut bytes).or_fail(Class::Io, path)?;
    Ok(bytes)
}

/// Opens an input.
pub(crate) fn open(path: &Path) -> Result<Input, CommandError> {
    Ok(Input::open(path)?)
}

impl From<PublishError> for CommandError {
    fn from(error: PublishError) -> CommandError {
        let class = publish_class(&error);
        // The message names the path already.
        CommandError::new(class, error)
    }
}

fn publish_class(error: &PublishError) -> Class {
    match error {
        PublishError::Busy { .. } => Class::Busy,
        PublishError::Changed { .. } => Class::Changed,
        PublishError::NotRegular { .. }
        | PublishError::SameFile { .. }
        | PublishError::Name { .. } => Class::Usage,
        PublishError::Incomplete { source, .. } => publish_class(source),
        _ => Class::Io,
    }
}

/// Whom to trust, as the caller names them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustSource {
    /// Certificates of signers.
    pub(crate) certificates: Vec<PathBuf>,
    /// Certificates of authorities, which signers' certificates must lead to.
    pub(crate) authorities: Vec<PathBuf>,
    /// The time of the check, in seconds since 1970; now unless given.
    pub(crate) at: Option<u64>,
}

/// Whom to trust, and when.
#[derive(Debug)]
pub(crate) struct Trusted {
    whom: Whom,
    at: u64,
}

#[derive(Debug)]
enum Whom {
    Pinned(Vec<Certificate>),
    Authorities(Authorities),
}

impl TrustSource {
    /// Whether nobody was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.authorities.is_empty()
    }

    /// Reads the certificates, and warns of pinned ones outside their validity.
    ///
    /// An expired certificate is still trusted if it is pinned, as it is by the kernel: that was on purpose.
    pub(crate) fn read(&self) -> Result<Trusted, CommandError> {
        let at = self.at.unwrap_or_else(now);
        let whom = match (self.certificates.as_slice(), self.authorities.as_slice()) {
            ([], []) => {
                let words = "nobody is trusted to sign: --certificate CERT or --ca CERT is needed";
                return Err(CommandError::usage(words));
            }
            (pinned, []) => {
                let pinned: Result<_, _> =
                    pinned.iter().map(|path| certificate_at(path, at)).collect();
                Whom::Pinned(pinned?)
            }
            ([], authorities) => Whom::Authorities(read_authorities(authorities, at)?),
            _ => return Err(CommandError::usage("either --certificate or --ca")),
        };
        Ok(Trusted { whom, at })
    }

    /// Refuses to be told of trust that nothing rests on.
    pub(crate) fn check_unused(&self) -> Result<(), CommandError> {
        match self.is_empty() && self.at.is_none() {
            true => Ok(()),
            false => {
                Err(CommandError::usage("--certificate, --ca and --at go with --manifest only"))
            }
        }
    }
}

impl Trusted {
    /// For the library.
    pub(crate) fn trust(&self) -> Trust<'_> {
        match &self.whom {
            Whom::Pinned(pinned) => pinned.into(),
            Whom::Authorities(authorities) => authorities.into(),
        }
    }
}

fn read_authorities(paths: &[PathBuf], at: u64) -> Result<Authorities, CommandError> {
    let read = |path: &PathBuf| {
        let authority = Certificate::read(open(path)?.file()).or_fail(Class::Trust, path)?;
        // Each for itself first, so that the message names the file.
        Authorities::new(vec![authority.clone()], at).or_fail(Class::Trust, path)?;
        Ok(authority)
    };
    let authorities = paths.iter().map(read).collect::<Result<Vec<_>, CommandError>>()?;
    Authorities::new(authorities, at).map_err(|error| CommandError::new(Class::Trust, error))
}

/// Reads the certificate of a signer.
pub(crate) fn certificate(path: &Path) -> Result<Certificate, CommandError> {
    certificate_at(path, now())
}

fn certificate_at(path: &Path, at: u64) -> Result<Certificate, CommandError> {
    let certificate = Certificate::read(open(path)?.file()).or_fail(Class::Trust, path)?;
    match certificate.validity_at(at) {
        Validity::Valid => {}
        validity => {
            tracing::warn!("{}: the certificate is {validity}", Quoted(path));
        }
    }
    Ok(certificate)
}

/// Reads a manifest and checks its signature, which lies beside it, and its end of validity.
pub(crate) fn manifest(path: &Path, trusted: &Trusted) -> Result<VerifiedManifest, CommandError> {
    let bytes = read_small(path, MAX_MANIFEST_BYTES, Class::Trust)?;
    let signature_path = signature_path(path);
    let signature = signature(&signature_path)?;
    let verified = Manifest::verify(&bytes, &signature, trusted.trust()).map_err(|error| {
        let culprit = match error {
            verity_sign::Error::Signature(_) => &*signature_path,
            _ => path,
        };
        CommandError::new(Class::Trust, error).at(culprit)
    })?;
    verified.check_not_after(trusted.at).or_fail(Class::Trust, path)?;
    Ok(verified)
}

/// Reads a signature. One that is not there, or longer than any, is one that does not verify.
pub(crate) fn signature(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_small(path, MAX_SIGNATURE_BYTES, Class::Trust).map_err(|error| {
        match path.try_exists().is_ok_and(|exists| !exists) {
            true => CommandError::message(Class::Trust, "there is no signature").at(path),
            false => error,
        }
    })
}

/// Where the signature of a manifest lies.
fn signature_path(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".p7s");
    path.into()
}

/// Refuses a key file that others may write or replace, and warns of one that others may read.
pub(crate) fn check_key_mode(file: &File, path: &Path) -> Result<(), CommandError> {
    let refused = |words: &str| Err(CommandError::message(Class::Trust, words).at(path));
    let stat = rustix::fs::fstat(file).or_fail(Class::Io, path)?;
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refused("others than its owner may write the private key: chmod go-w first");
    }
    if is_replaceable(path).or_fail(Class::Io, path)? {
        return refused(
            "anybody may replace the private key, as a directory on the way to it is writable by all: chmod o-w \
             or +t it, or put the key elsewhere",
        );
    }
    let (owner, own) = (stat.st_uid, rustix::process::geteuid().as_raw());
    if owner != own && owner != 0 {
        // Who runs this with sudo has keys of their own.
        if own != 0 {
            return refused("the private key belongs to another user, who may write it");
        }
        tracing::warn!(
            "{}: the private key belongs to another user, who may write it",
            Quoted(path)
        );
    }
    warn_of_readers(file, path, "the private key")
}

/// Whether anybody may put another file in the place of this one: some directory on the way to it, by its name or by what
/// that leads to, is writable by all and has no sticky bit.
fn is_replaceable(path: &Path) -> io::Result<bool> {
    for way in [std::path::absolute(path)?, path.canonicalize()?] {
        for directory in way.ancestors().skip(1) {
            let mode = Mode::from_raw_mode(rustix::fs::stat(directory)?.st_mode);
            if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Warns of a file with a secret that others may read.
pub(crate) fn warn_of_readers(file: &File, path: &Path, what: &str) -> Result<(), CommandError> {
    let stat = rustix::fs::fstat(file).or_fail(Class::Io, path)?;
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RGRP | Mode::ROTH) {
        tracing::warn!("{}: others than its owner may read {what}", Quoted(path));
    }
    Ok(())
}

/// One line about who signed.
pub(crate) fn signer_words(signed_by: &SignedBy) -> String {
    let certificate = signed_by.certificate();
    let words =
        format!("{} (certificate sha256 {})", certificate.subject(), certificate.fingerprint());
    match signed_by.authority() {
        Some(authority) => format!("{words} under {}", authority.subject()),
        None => words,
    }
}

/// The time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    seconds(SystemTime::now())
}

/// A clock that stands before 1970 is no excuse: everything counts as over then.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p32_a_clock_far_past_makes_nothing_valid() {
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(seconds(UNIX_EPOCH + day), 86_400);
        for before in [day, 30_000 * day] {
            assert_eq!(seconds(UNIX_EPOCH.checked_sub(before).unwrap()), u64::MAX);
        }
    }
}
