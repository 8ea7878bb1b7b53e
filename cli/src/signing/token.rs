//! Keys on tokens, which are named by PKCS#11 URIs.

use std::path::{Path, PathBuf};

use verity_sign::{PublicKey, Signer};

use super::secret::SecretSource;
#[cfg(feature = "pkcs11")]
use super::terminal::ask;
use crate::context::Context;
#[cfg(feature = "pkcs11")]
use crate::dumps;
use crate::error::CommandError;
#[cfg(feature = "pkcs11")]
use crate::error::{Class, OrFail};

/// The files that a URI names; empty for a URI that cannot be read.
#[cfg(feature = "pkcs11")]
pub(super) fn token_files(uri: &str) -> Vec<PathBuf> {
    let Ok(uri) = uri.parse::<verity_sign::Pkcs11Uri>() else { return Vec::new() };
    let module = Some(uri.module_path()).filter(|path| path.components().count() > 1);
    module.into_iter().chain(uri.pin_source()).map(Path::to_owned).collect()
}

#[cfg(not(feature = "pkcs11"))]
pub(super) fn token_files(_uri: &str) -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(feature = "pkcs11")]
pub(super) fn token_key(
    uri: &str,
    name: &Path,
    pin: Option<&SecretSource>,
    expected: &PublicKey,
    context: &Context,
) -> Result<Box<dyn Signer>, CommandError> {
    let uri: verity_sign::Pkcs11Uri = uri.parse().or_fail(Class::Usage, name)?;
    let token = verity_sign::Pkcs11Token::find(&uri).or_fail(Class::Trust, name)?;
    if pin.is_some() && uri.pin_source().is_some() {
        return Err(CommandError::usage("either --pin-file or pin-source in the URI").at(name));
    }
    let source = uri.pin_source().map(|path| SecretSource::File(path.to_owned()));
    let pin = match (token.needs_pin(), pin.or(source.as_ref())) {
        (false, _) => None,
        (true, Some(source)) => Some(source.read("PIN", &context.signals)?),
        (true, None) => Some(ask("PIN", name, &context.signals)?.ok_or_else(|| {
            let words =
                "the token takes a PIN: --pin-file gives it, or a terminal on standard input";
            CommandError::message(Class::Trust, words).at(name)
        })?),
    };
    dumps::forbid()?;
    let pin = pin.as_deref().map(|pin| str::from_utf8(pin)).transpose();
    // The error is left out: it might say something of the PIN.
    let pin =
        pin.map_err(|_| CommandError::message(Class::Trust, "the PIN is not UTF-8").at(name))?;
    Ok(Box::new(token.signer(pin, expected).or_fail(Class::Trust, name)?))
}

#[cfg(not(feature = "pkcs11"))]
pub(super) fn token_key(
    _uri: &str,
    name: &Path,
    _pin: Option<&SecretSource>,
    _expected: &PublicKey,
    _context: &Context,
) -> Result<Box<dyn Signer>, CommandError> {
    // A static program cannot load the module of a token.
    let error = "this build, as static ones, has no keys on tokens: sign by --signer-command";
    Err(CommandError::usage(error).at(name))
}
