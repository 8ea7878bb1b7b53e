//! What a file is that should be something else: named in messages, so that a user knows what to
//! do. Nothing is accepted by what is found out here.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};

/// A file in another form than it should have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Base64, in either alphabet, with or without padding and line ends.
    Base64,
    /// Hex digits.
    Hex,
    /// A JSON object: a service's answer, or what systemd's signature partition holds.
    Json,
    /// PEM of any kind.
    Pem,
    /// A whole PKCS#7 message in DER.
    Pkcs7,
    /// DER of the two numbers of an ECDSA signature.
    RawEcdsa,
    /// Bytes that are no DER, as many as a raw signature of this kind of key has.
    RawLength(&'static str),
    /// A message with headers, as `openssl smime` and `openssl cms` write it by default.
    Smime,
    /// Printable text of no known form.
    Text,
    /// `vault:v1:` and base64.
    Vault,
}

impl Form {
    /// What a file in this form is called where a PKCS#7 message should be, and what to do about
    /// it, with a semicolon in front.
    pub(crate) fn words(&self) -> (String, &'static str) {
        const ATTACH: &str = "; verity attach-signature makes a message of a raw signature";
        let (found, advice) = match self {
            Form::Base64 => ("base64 text", "; base64 -d FILE >NEW decodes it"),
            Form::Hex => ("text in hex", "; xxd -r -p FILE NEW decodes it"),
            Form::Json => (
                "JSON text, as systemd's signature partition or a key service has it",
                "; the signature is a field of it, in base64",
            ),
            Form::Pem => ("PEM text", "; openssl pkcs7 -in FILE -outform DER -out NEW converts it"),
            Form::Pkcs7 => ("a PKCS#7 message", ""),
            Form::RawEcdsa => ("a raw ECDSA signature (DER of r and s)", ATTACH),
            Form::RawLength(key) => {
                return (format!("as long as a raw {key} signature, and no DER"), ATTACH);
            }
            Form::Smime => (
                "S/MIME text",
                "; openssl smime -pk7out -in FILE | openssl pkcs7 -outform DER -out NEW converts \
                 it, and openssl smime -sign -outform DER writes it so",
            ),
            Form::Text => ("text", ""),
            Form::Vault => {
                ("the text of a Vault server, which is a raw signature in base64", ATTACH)
            }
        };
        (found.to_owned(), advice)
    }
}

/// The form of bytes that should be a signature, and what they are once they are decoded.
pub(crate) fn of_signature(bytes: &[u8]) -> Option<(Form, Option<Vec<u8>>)> {
    of_text(bytes).or_else(|| of_binary(bytes).map(|form| (form, None)))
}

/// The form of text, and the bytes that it encodes.
fn of_text(bytes: &[u8]) -> Option<(Form, Option<Vec<u8>>)> {
    // systemd's signature partition is JSON with NUL bytes behind it.
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let bytes = if bytes.starts_with(b"{") { bytes.get(..end)? } else { bytes };
    let text = str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.chars().any(|char| char.is_control() && !char.is_whitespace()) {
        return None;
    }
    if text.starts_with("-----BEGIN ") {
        return Some((Form::Pem, None));
    }
    if text.starts_with("MIME-Version:") || text.starts_with("Content-Type:") {
        return Some((Form::Smime, None));
    }
    if text.starts_with('{') {
        return Some((Form::Json, None));
    }
    if let Some(encoded) = vault_value(text) {
        return Some((Form::Vault, base64(encoded)));
    }
    let joined: String = text.split_ascii_whitespace().collect();
    if let Ok(decoded) = hex::decode(joined.strip_prefix("0x").unwrap_or(&joined)) {
        return Some((Form::Hex, Some(decoded)));
    }
    match base64(&joined) {
        Some(decoded) if joined.len() >= MIN_BASE64 => Some((Form::Base64, Some(decoded))),
        _ => Some((Form::Text, None)),
    }
}

/// What stands behind `vault:v1:`, whichever version of the key it is.
fn vault_value(text: &str) -> Option<&str> {
    let (version, value) = text.strip_prefix("vault:v")?.split_once(':')?;
    version.bytes().all(|byte| byte.is_ascii_digit()).then_some(value)
}

/// Base64 in any of its alphabets.
fn base64(text: &str) -> Option<Vec<u8>> {
    let decoded = Base64::decode_vec(text)
        .or_else(|_| Base64Url::decode_vec(text))
        .or_else(|_| Base64Unpadded::decode_vec(text))
        .or_else(|_| Base64UrlUnpadded::decode_vec(text));
    decoded.ok()
}

fn of_binary(bytes: &[u8]) -> Option<Form> {
    let Some(body) = der_body(bytes).filter(|_| bytes.first() == Some(&SEQUENCE)) else {
        return RAW_LENGTHS
            .iter()
            .find(|(length, _)| *length == bytes.len())
            .map(|&(_, key)| Form::RawLength(key));
    };
    if is_pkcs7_body(body) {
        return Some(Form::Pkcs7);
    }
    let (first, rest) = der_element(body)?;
    let (second, behind) = der_element(rest)?;
    let both = [first, second].iter().all(|one| one.first() == Some(&INTEGER));
    (both && behind.is_empty()).then_some(Form::RawEcdsa)
}

/// Whether these bytes are PKCS#12, in DER or BER.
pub(crate) fn is_pkcs12(bytes: &[u8]) -> bool {
    let Some(body) = ber_body(bytes) else { return false };
    let Some(content) = body.strip_prefix(&[INTEGER, 1, 3]) else { return false };
    ber_body(content).is_some_and(|content| content.starts_with(PKCS7_OID))
}

/// Whether these bytes are a PKCS#7 message, in DER or BER.
pub(crate) fn is_pkcs7(bytes: &[u8]) -> bool {
    ber_body(bytes).is_some_and(is_pkcs7_body)
}

fn is_pkcs7_body(body: &[u8]) -> bool {
    body.starts_with(PKCS7_OID)
}

/// Whether these bytes are a keystore of Java's own format.
pub(crate) fn is_java_keystore(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || bytes.starts_with(&[0xce; 4])
}

/// Whether these bytes are text: base64 of DER without the lines around it.
pub(crate) fn is_base64_of_der(bytes: &[u8]) -> bool {
    matches!(of_text(bytes), Some((Form::Base64, Some(der))) if der.first() == Some(&SEQUENCE))
}

/// The content of a SEQUENCE that ends where the bytes end.
fn der_body(bytes: &[u8]) -> Option<&[u8]> {
    let (element, behind) = der_element(bytes)?;
    let header = header(element)?.0;
    if behind.is_empty() { element.get(header..) } else { None }
}

/// The first element with its header, and what is behind it.
fn der_element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, length) = header(bytes)?;
    bytes.split_at_checked(header.checked_add(length?)?)
}

/// What stands behind the header of a SEQUENCE, whatever length it states.
fn ber_body(bytes: &[u8]) -> Option<&[u8]> {
    let header = header(bytes).filter(|_| bytes.first() == Some(&SEQUENCE))?.0;
    bytes.get(header..)
}

/// How long the header of an element is, and the element itself if it says so.
fn header(bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    match *bytes {
        [_, short @ 0..=0x7f, ..] => Some((2, Some(short.into()))),
        [_, 0x80, ..] => Some((2, None)),
        [_, 0x81, long, ..] => Some((3, Some(long.into()))),
        [_, 0x82, high, low, ..] => Some((4, Some(u16::from_be_bytes([high, low]).into()))),
        [_, 0x83, ..] => Some((5, None)),
        [_, 0x84, ..] => Some((6, None)),
        _ => None,
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// The object identifiers of PKCS#7, 1.2.840.113549.1.7, with their header and without their last
/// number.
const PKCS7_OID: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];

/// How long raw signatures are, in bytes, for whose keys.
const RAW_LENGTHS: [(usize, &str); 6] = [
    (64, "ECDSA P-256"),
    (96, "ECDSA P-384"),
    (132, "ECDSA P-521"),
    (256, "RSA-2048"),
    (384, "RSA-3072"),
    (512, "RSA-4096"),
];

/// Less text than this is a word, not the base64 of anything.
const MIN_BASE64: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_signatures_are_told_apart() {
        let bytes: Vec<u8> = (0..=255).collect();
        let encoded = Base64::encode_string(&bytes);
        let lines = format!("{}\n{}\n", &encoded[..64], &encoded[64..]);
        let ecdsa = [&[0x30, 0x06, 2, 1, 5, 2, 1, 7][..]].concat();
        for (file, form) in [
            (encoded.as_bytes(), Form::Base64),
            (lines.as_bytes(), Form::Base64),
            (Base64UrlUnpadded::encode_string(&bytes).as_bytes(), Form::Base64),
            (format!("vault:v12:{encoded}\n").as_bytes(), Form::Vault),
            (hex::encode(&bytes).as_bytes(), Form::Hex),
            (format!("0x{}\n", hex::encode_upper(&bytes)).as_bytes(), Form::Hex),
            (b"{\"Signature\": 1}", Form::Json),
            (b"-----BEGIN PKCS7-----", Form::Pem),
            (b"MIME-Version: 1.0\r\n", Form::Smime),
            (b"no signature at all", Form::Text),
            (&ecdsa, Form::RawEcdsa),
            (&bytes, Form::RawLength("RSA-2048")),
            (&bytes[..132], Form::RawLength("ECDSA P-521")),
        ] {
            let found = of_signature(file).map(|(form, _)| form);
            assert_eq!(found, Some(form), "{}", file.escape_ascii());
        }
        for decoded in [encoded.clone(), lines, format!("vault:v1:{encoded}")] {
            assert_eq!(of_signature(decoded.as_bytes()).unwrap().1.as_ref(), Some(&bytes));
        }
        for file in [&bytes[..100], b"", b"\0\0", b"\x30\x03\x02\x01\x01"] {
            assert_eq!(of_signature(file), None, "{}", file.escape_ascii());
        }
    }
}
