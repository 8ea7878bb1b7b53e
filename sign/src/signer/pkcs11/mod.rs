//! Keys on hardware tokens, by PKCS#11. The token's module is a library that is loaded into this
//! process when a token is looked for, so it is trusted as much as this program.
//!
//! The token gets what its simplest mechanisms take: DigestInfo for RSA (CKM_RSA_PKCS), the digest
//! for ECDSA (CKM_ECDSA), since many tokens hash nothing themselves. A PIN is tried once.

mod uri;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{
    Attribute, AttributeType, KeyType as TokenKeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use der::Decode;
use der::asn1::{AnyRef, OctetStringRef};

pub use self::uri::{Pkcs11Uri, Pkcs11UriError};
use crate::algorithm::KeyType;
use crate::certificate::{PublicKey, ToBeSigned, rsa_public_key_der};
use crate::error::{Pkcs11Error, SignerError, quoted};
use crate::signer::Signer;

/// A token that a [`Pkcs11Uri`] means, not yet logged in to.
#[derive(Debug)]
pub struct Pkcs11Token {
    module: Pkcs11,
    slot: Slot,
    info: TokenInfo,
    uri: Pkcs11Uri,
}

impl Pkcs11Token {
    /// Loads the module and looks for the token.
    ///
    /// # Errors
    ///
    /// [`Pkcs11Error`] when the module cannot be loaded, not exactly one token is meant, or the PIN
    /// of that one is locked: then nobody should be asked for it.
    pub fn find(uri: &Pkcs11Uri) -> Result<Pkcs11Token, Pkcs11Error> {
        let module = Pkcs11::new(uri.module_path()).map_err(module_error)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another part of this process uses the module too.
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(module_error(error)),
        }
        let (mut meant, mut seen) = (Vec::new(), Vec::new());
        for slot in module.get_slots_with_initialized_token().map_err(operation)? {
            let info = module.get_token_info(slot).map_err(operation)?;
            seen.push(info.label().to_owned());
            if is_meant(&info, uri) {
                meant.push((slot, info));
            }
        }
        match (meant.pop(), meant.len()) {
            (Some((_, info)), 0) if info.login_required() && info.user_pin_locked() => {
                Err(Pkcs11Error::PinLocked)
            }
            (Some((slot, info)), 0) => Ok(Pkcs11Token { module, slot, info, uri: uri.clone() }),
            (found, others) => Err(Pkcs11Error::NotOneToken {
                actual: others + usize::from(found.is_some()),
                seen: quoted(seen.join(", ")),
            }),
        }
    }

    /// Whether a PIN must be given. Some tokens take none, or have a keypad for it.
    pub fn needs_pin(&self) -> bool {
        self.info.login_required() && !self.info.protected_authentication_path()
    }

    /// Logs in and looks for the key. `expected` is the public key of its certificate, which counts
    /// where the token does not state one.
    ///
    /// # Errors
    ///
    /// [`Pkcs11Error`] when the PIN is wrong (it is tried once) or locked, or not exactly one key
    /// that can be used is meant.
    pub fn signer(
        self,
        pin: Option<&str>,
        expected: &PublicKey,
    ) -> Result<Pkcs11Signer, Pkcs11Error> {
        let session = self.module.open_ro_session(self.slot).map_err(operation)?;
        if self.info.login_required() {
            let pin = pin.map(|pin| AuthPin::new(pin.into()));
            login(&session, pin.as_ref())?;
        }
        let key = find_key(&session, &self.uri)?;
        let public_key = public_key(&session, key)?.unwrap_or_else(|| expected.clone());
        Ok(Pkcs11Signer { session, key, public_key })
    }
}

/// A private key on a token, ready to sign.
#[derive(Debug)]
pub struct Pkcs11Signer {
    session: Session,
    key: ObjectHandle,
    public_key: PublicKey,
}

impl Signer for Pkcs11Signer {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        let sign = |mechanism, input: &[u8]| {
            self.session.sign(&mechanism, self.key, input).map_err(operation)
        };
        let digest = to_be_signed.digest();
        // ECDSA uses the leftmost bits of a digest that is longer than the curve's order.
        let leftmost = |bytes| digest.get(..bytes).unwrap_or(&digest);
        match self.public_key.key_type() {
            KeyType::EcdsaP256 => {
                let raw = sign(Mechanism::Ecdsa, leftmost(32))?;
                Ok(p256::ecdsa::Signature::from_slice(&raw)?.to_der().as_bytes().to_vec())
            }
            KeyType::EcdsaP384 => {
                let raw = sign(Mechanism::Ecdsa, leftmost(48))?;
                Ok(p384::ecdsa::Signature::from_slice(&raw)?.to_der().as_bytes().to_vec())
            }
            KeyType::EcdsaP521 => {
                let raw = sign(Mechanism::Ecdsa, &digest)?;
                Ok(p521::ecdsa::Signature::from_slice(&raw)?.to_der().as_bytes().to_vec())
            }
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                Ok(sign(Mechanism::RsaPkcs, &to_be_signed.digest_info())?)
            }
        }
    }
}

fn is_meant(token: &TokenInfo, uri: &Pkcs11Uri) -> bool {
    let agrees = |wanted: &Option<String>, actual: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted == actual)
    };
    agrees(&uri.token, token.label())
        && agrees(&uri.manufacturer, token.manufacturer_id())
        && agrees(&uri.model, token.model())
        && agrees(&uri.serial, token.serial_number())
}

fn login(session: &Session, pin: Option<&AuthPin>) -> Result<(), Pkcs11Error> {
    match session.login(UserType::User, pin) {
        Ok(()) => Ok(()),
        Err(CryptokiError::Pkcs11(error, Function::Login)) => match error {
            RvError::UserAlreadyLoggedIn => Ok(()),
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
                Err(Pkcs11Error::Pin)
            }
            RvError::PinLocked => Err(Pkcs11Error::PinLocked),
            other => Err(Pkcs11Error::Operation { reason: other.to_string() }),
        },
        Err(error) => Err(operation(error)),
    }
}

fn find_key(session: &Session, uri: &Pkcs11Uri) -> Result<ObjectHandle, Pkcs11Error> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(uri.id.clone().map(Attribute::Id));
    let keys = session.find_objects(&template).map_err(operation)?;
    let &[key] = keys.as_slice() else {
        return Err(Pkcs11Error::NotOneKey { actual: keys.len() });
    };
    let attributes =
        session.get_attributes(key, &[AttributeType::AlwaysAuthenticate]).map_err(operation)?;
    match attributes.as_slice() {
        [Attribute::AlwaysAuthenticate(true)] => Err(Pkcs11Error::AlwaysAuthenticate),
        _ => Ok(key),
    }
}

/// The public half, as far as the token states it. RSA keys hold it themselves; for EC it is in the
/// public key with the same identifier, if there is one.
fn public_key(session: &Session, key: ObjectHandle) -> Result<Option<PublicKey>, Pkcs11Error> {
    let get = |key, kinds: &[_]| session.get_attributes(key, kinds).map_err(operation);
    match get(key, &[AttributeType::KeyType])?.as_slice() {
        [Attribute::KeyType(TokenKeyType::RSA)] => {
            let numbers = get(key, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
            rsa_public_key(&numbers)
        }
        [Attribute::KeyType(TokenKeyType::EC)] => {
            let known = get(key, &[AttributeType::EcParams, AttributeType::Id])?;
            ecdsa_public_key(session, &known)
        }
        other => Err(Pkcs11Error::UnsupportedKey { actual: format!("{other:?}") }),
    }
}

fn rsa_public_key(numbers: &[Attribute]) -> Result<Option<PublicKey>, Pkcs11Error> {
    let [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] = numbers else {
        return Ok(None);
    };
    let der = rsa_public_key_der(modulus, exponent).map_err(unsupported)?;
    PublicKey::rsa(&der).map(Some).map_err(unsupported)
}

fn ecdsa_public_key(
    session: &Session,
    known: &[Attribute],
) -> Result<Option<PublicKey>, Pkcs11Error> {
    let [Attribute::EcParams(curve), Attribute::Id(id)] = known else { return Ok(None) };
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id.clone())];
    let keys = session.find_objects(&template).map_err(operation)?;
    let &[key] = keys.as_slice() else { return Ok(None) };
    let points = session.get_attributes(key, &[AttributeType::EcPoint]).map_err(operation)?;
    let [Attribute::EcPoint(point)] = points.as_slice() else { return Ok(None) };
    // The standard wraps the point into an OCTET STRING, which some tokens leave out.
    let bare =
        <&OctetStringRef>::from_der(point).map_or(point.as_slice(), |octets| octets.as_bytes());
    let curve = AnyRef::from_der(curve).and_then(|any| any.decode_as()).ok();
    PublicKey::ecdsa(curve, bare).map(Some).map_err(unsupported)
}

fn module_error(error: CryptokiError) -> Pkcs11Error {
    Pkcs11Error::Module { reason: quoted(error) }
}

fn operation(error: CryptokiError) -> Pkcs11Error {
    match error {
        CryptokiError::Pkcs11(error, function) => {
            Pkcs11Error::Operation { reason: format!("{function}: {error}") }
        }
        other => Pkcs11Error::Operation { reason: quoted(other) },
    }
}

fn unsupported(error: impl ToString) -> Pkcs11Error {
    Pkcs11Error::UnsupportedKey { actual: error.to_string() }
}
