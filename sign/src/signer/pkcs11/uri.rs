//! PKCS#11 URIs (RFC 7512): which token, which key on it, and which module knows the token.
//!
//! An attribute that is not understood is refused: without it, the rest could mean another key.

use std::path::PathBuf;
use std::str::FromStr;

/// Where a key on a token is.
///
/// ```
/// let uri: verity_sign::Pkcs11Uri =
///     "pkcs11:token=release%20keys;object=image?module-path=/usr/lib/libsofthsm2.so".parse()?;
/// assert_eq!(uri.module_path().to_str(), Some("/usr/lib/libsofthsm2.so"));
/// # Ok::<(), verity_sign::Pkcs11UriError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pkcs11Uri {
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
    module_path: PathBuf,
    pin_source: Option<PathBuf>,
}

impl Pkcs11Uri {
    /// The module to load: the value of `module-path`.
    pub fn module_path(&self) -> &std::path::Path {
        &self.module_path
    }

    /// A file that holds the PIN: the value of `pin-source`, a path or a `file:` URI.
    pub fn pin_source(&self) -> Option<&std::path::Path> {
        self.pin_source.as_deref()
    }
}

/// Why a PKCS#11 URI cannot be used. Messages never repeat values: one might be a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11UriError {
    /// An attribute is not known, or not supported.
    #[error(
        "unsupported attribute {name:?} in the PKCS#11 URI; known are token, manufacturer, model, \
         serial, object, id, type, and behind a question mark module-path and pin-source"
    )]
    Attribute {
        /// The name of the attribute.
        name: String,
    },
    /// A part is not of the form `name=value`.
    #[error("a part of the PKCS#11 URI is not of the form name=value")]
    Form,
    /// The URI names no module.
    #[error("the PKCS#11 URI names no module: ?module-path=FILE")]
    NoModule,
    /// The PIN itself stands in the URI.
    #[error(
        "the PKCS#11 URI holds a PIN (pin-value), which others can see on a command line: use \
         pin-source=FILE"
    )]
    PinValue,
    /// An attribute stands in the URI twice.
    #[error("the PKCS#11 URI says {name} twice")]
    Repeated {
        /// The name of the attribute.
        name: &'static str,
    },
    /// The text does not begin with `pkcs11:`.
    #[error("a PKCS#11 URI begins with pkcs11:")]
    Scheme,
    /// A value is not possible.
    #[error("the value of {name} in the PKCS#11 URI {reason}")]
    Value {
        /// The name of the attribute.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FromStr for Pkcs11Uri {
    type Err = Pkcs11UriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Anywhere in the text: behind a wrong separator it would be part of a value, which others
        // may see.
        if text.to_ascii_lowercase().contains("pin-value") {
            return Err(Pkcs11UriError::PinValue);
        }
        let (scheme, text) = text.split_once(':').ok_or(Pkcs11UriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkcs11") {
            return Err(Pkcs11UriError::Scheme);
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut found = Found::default();
        pairs(path, ';').try_for_each(|pair| found.path(pair?))?;
        pairs(query, '&').try_for_each(|pair| found.query(pair?))?;
        found.finish()
    }
}

fn pairs(
    part: &str,
    separator: char,
) -> impl Iterator<Item = Result<(&str, &str), Pkcs11UriError>> {
    part.split(separator)
        .filter(move |_| !part.is_empty())
        .map(|pair| pair.split_once('=').ok_or(Pkcs11UriError::Form))
}

/// The attributes found so far.
#[derive(Default)]
struct Found {
    token: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    object: Option<String>,
    id: Option<Vec<u8>>,
    kind: Option<String>,
    module_path: Option<String>,
    pin_source: Option<String>,
}

impl Found {
    fn path(&mut self, (name, value): (&str, &str)) -> Result<(), Pkcs11UriError> {
        match name {
            "token" => set("token", &mut self.token, text("token", value)?),
            "manufacturer" => {
                set("manufacturer", &mut self.manufacturer, text("manufacturer", value)?)
            }
            "model" => set("model", &mut self.model, text("model", value)?),
            "serial" => set("serial", &mut self.serial, text("serial", value)?),
            "object" => set("object", &mut self.object, text("object", value)?),
            "id" => set("id", &mut self.id, decoded("id", value)?),
            "type" if value == "private" => set("type", &mut self.kind, value.to_owned()),
            "type" => Err(Pkcs11UriError::Value { name: "type", reason: "is not private" }),
            "pin-value" => Err(Pkcs11UriError::PinValue),
            other => Err(unknown(other)),
        }
    }

    fn query(&mut self, (name, value): (&str, &str)) -> Result<(), Pkcs11UriError> {
        match name {
            "module-path" => set("module-path", &mut self.module_path, text("module-path", value)?),
            "pin-source" => set("pin-source", &mut self.pin_source, text("pin-source", value)?),
            "pin-value" => Err(Pkcs11UriError::PinValue),
            other => Err(unknown(other)),
        }
    }

    fn finish(self) -> Result<Pkcs11Uri, Pkcs11UriError> {
        let module_path = self.module_path.ok_or(Pkcs11UriError::NoModule)?.into();
        Ok(Pkcs11Uri {
            token: self.token,
            manufacturer: self.manufacturer,
            model: self.model,
            serial: self.serial,
            object: self.object,
            id: self.id,
            module_path,
            pin_source: self.pin_source.map(|source| pin_path(&source)).transpose()?,
        })
    }
}

fn set<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), Pkcs11UriError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Pkcs11UriError::Repeated { name }),
    }
}

fn text(name: &'static str, value: &str) -> Result<String, Pkcs11UriError> {
    let text = String::from_utf8(decoded(name, value)?);
    text.map_err(|_| Pkcs11UriError::Value { name, reason: "is not UTF-8" })
}

/// Percent decoding (RFC 3986 2.1).
fn decoded(name: &'static str, value: &str) -> Result<Vec<u8>, Pkcs11UriError> {
    let broken = Pkcs11UriError::Value { name, reason: "has a % without two hex digits behind it" };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let Some((digits, behind)) = rest.split_at_checked(2) else { return Err(broken) };
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| broken.clone())?;
        bytes.extend(byte);
        rest = behind;
    }
    match bytes.is_empty() {
        true => Err(Pkcs11UriError::Value { name, reason: "is empty" }),
        false => Ok(bytes),
    }
}

fn pin_path(source: &str) -> Result<PathBuf, Pkcs11UriError> {
    let value = |reason| Pkcs11UriError::Value { name: "pin-source", reason };
    if source.starts_with('|') {
        return Err(value("is a command, which is not run"));
    }
    match source.strip_prefix("file:") {
        None => Ok(source.into()),
        Some(path) => match path.strip_prefix("//").unwrap_or(path) {
            path if path.starts_with('/') => Ok(path.into()),
            _ => Err(value("is no file: URI of this machine")),
        },
    }
}

fn unknown(name: &str) -> Pkcs11UriError {
    let name = name.chars().flat_map(char::escape_default).take(40).collect();
    Pkcs11UriError::Attribute { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Result<Pkcs11Uri, Pkcs11UriError> {
        text.parse()
    }

    #[test]
    fn attributes_are_decoded() {
        let uri =
            uri("pkcs11:token=a%3Bb%20c;manufacturer=m;model=x;serial=01;object=%C3%BC;id=%00%ff\
             ;type=private?module-path=/lib/a.so&pin-source=file:/run/pin")
            .unwrap();
        assert_eq!(uri.token.as_deref(), Some("a;b c"));
        assert_eq!(uri.object.as_deref(), Some("\u{fc}"));
        assert_eq!(uri.id, Some(vec![0, 0xff]));
        assert_eq!(uri.serial.as_deref(), Some("01"));
        assert_eq!(uri.pin_source(), Some("/run/pin".as_ref()));
        let short = super::tests::uri("pkcs11:?module-path=a.so&pin-source=pin").unwrap();
        assert_eq!((short.token, short.pin_source), (None, Some("pin".into())));
        let host = super::tests::uri("pkcs11:?module-path=a&pin-source=file:///run/pin").unwrap();
        assert_eq!(host.pin_source(), Some("/run/pin".as_ref()));
    }

    #[test]
    fn k11_a_pin_in_the_uri_is_refused_and_not_repeated() {
        let error = uri("pkcs11:token=a?module-path=b&pin-value=271828").unwrap_err();
        assert_eq!(error, Pkcs11UriError::PinValue);
        for text in [
            "pkcs11:token=a&pin-value=271828?module-path=b",
            "pkcs11:object=a,pin-value=271828?module-path=b",
            "pkcs11:token=a?module-path=b;PIN-VALUE=271828",
            "PKCS11:token=a?pin-value=271828",
            "pin-value=271828",
        ] {
            assert_eq!(text.parse::<Pkcs11Uri>(), Err(Pkcs11UriError::PinValue));
        }
        assert!(uri("PKCS11:token=a?module-path=b").is_ok());
        for text in ["pkcs11:pin-value=271828", "pkcs11:token=%271828x%", "pkcs11:=271828"] {
            let error = uri(text).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("271828"), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        use Pkcs11UriError as E;
        let refused = |text| uri(text).unwrap_err();
        assert_eq!(refused("file:a"), E::Scheme);
        assert_eq!(refused("pkcs11:token=a"), E::NoModule);
        assert_eq!(refused("pkcs11:token?module-path=a"), E::Form);
        assert_eq!(refused("pkcs11:token=a;?module-path=a"), E::Form);
        assert!(matches!(refused("pkcs11:slot-id=1?module-path=a"), E::Attribute { .. }));
        assert!(matches!(refused("pkcs11:x-vendor=1?module-path=a"), E::Attribute { .. }));
        assert!(matches!(refused("pkcs11:?module-name=a"), E::Attribute { .. }));
        assert!(matches!(refused("pkcs11:type=cert?module-path=a"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:token=?module-path=a"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:token=%f?module-path=a"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:token=%zz?module-path=a"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:token=%ff?module-path=a"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:?module-path=a&pin-source=|cat"), E::Value { .. }));
        assert!(matches!(refused("pkcs11:?module-path=a&pin-source=file://b/c"), E::Value { .. }));
        assert_eq!(refused("pkcs11:token=a;token=b?module-path=a"), E::Repeated { name: "token" });
    }
}
