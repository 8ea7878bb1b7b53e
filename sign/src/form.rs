//! What a file is that should be something else: named in messages, so that a user knows what to
//! do. Nothing is accepted by what is found out here.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

/// A file in another form than it should have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Base64, in either alphabet, with or without padding and line ends.
    Base64,
    /// DER of something known, which has another length than it states.
    Cut {
        /// What it is the beginning of.
        what: &'static str,
        actual: usize,
        stated: usize,
    },
    /// Hex digits.
    Hex,
    /// A JSON object: a service's answer, or what systemd's signature partition holds.
    Json,
    /// PEM of any kind.
    Pem,
    /// A whole PKCS#7 message.
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

/// What a file should have been.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    /// A PKCS#7 message in DER.
    Message,
    RawSignature,
}

/// What a file is found to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) form: Form,
    /// The bytes that its text encodes, which may be those of a key.
    pub(crate) decoded: Option<Zeroizing<Vec<u8>>>,
    /// What makes the right bytes of this very file, however its text is spelled; or nothing.
    pub(crate) command: Option<&'static str>,
}

impl Found {
    fn new(form: Form) -> Found {
        Found { form, decoded: None, command: None }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        let name = match self.form {
            Form::Base64 => "base64 text",
            Form::Cut { what, actual, stated } => return cut(what, actual, stated),
            Form::Hex => "text in hex",
            Form::Json => "JSON text, as systemd's signature partition or a key service has it",
            Form::Pem => "PEM text",
            Form::Pkcs7 => "a whole PKCS#7 message",
            Form::RawEcdsa => RAW_ECDSA,
            Form::RawLength(key) => return format!("as long as a raw {key} signature, and no DER"),
            Form::Smime => "S/MIME text",
            Form::Text => "text of no known encoding",
            Form::Vault => "the text of a Vault server, base64 behind \"vault:v1:\"",
        };
        name.to_owned()
    }

    /// What to do about it, with a semicolon in front.
    pub(crate) fn advice(&self, expected: Expected) -> String {
        const ATTACH: &str = "verity attach-signature makes a message of";
        match (self.form, expected, self.command) {
            (Form::Base64 | Form::Hex | Form::Vault, Expected::Message, Some(command)) => {
                let attach =
                    if self.is_of_raw() { format!(", and {ATTACH} that") } else { String::new() };
                format!("; {command} decodes it{attach}")
            }
            (Form::Base64 | Form::Hex | Form::Vault, Expected::RawSignature, Some(command)) => {
                format!("; {command} decodes it")
            }
            (Form::Json, ..) => "; the signature is a field of it, mostly in base64".to_owned(),
            (Form::Pem, Expected::Message, Some(command)) => format!("; {command} converts it"),
            (Form::Smime, Expected::Message, Some(command)) => {
                format!("; {command} converts it, and openssl cms -sign -outform DER writes it so")
            }
            (Form::Pem | Form::Smime | Form::Text, Expected::RawSignature, _) => {
                "; a raw signature is bytes".to_owned()
            }
            (Form::Pkcs7, Expected::RawSignature, _) => {
                "; verify --root-hash-signature checks one".to_owned()
            }
            (Form::RawEcdsa | Form::RawLength(_), Expected::Message, _) => {
                format!("; {ATTACH} a raw signature")
            }
            _ => String::new(),
        }
    }

    /// Whether its text encodes what looks like a raw signature.
    fn is_of_raw(&self) -> bool {
        let inner = self.decoded.as_ref().and_then(|decoded| of_binary(decoded));
        matches!(inner, Some(Form::RawEcdsa | Form::RawLength(_)))
    }
}

fn cut(what: &str, actual: usize, stated: usize) -> String {
    match actual.checked_sub(stated) {
        None => format!("{what}, cut off: {actual} of {stated} bytes"),
        Some(behind) => format!("{what} with {behind} bytes behind it"),
    }
}

/// The form of bytes that should be a signature, and what they are once they are decoded.
pub(crate) fn of_signature(bytes: &[u8]) -> Option<Found> {
    of_text(bytes).or_else(|| of_binary(bytes).map(Found::new))
}

/// The form of text, and the bytes that it encodes.
fn of_text(bytes: &[u8]) -> Option<Found> {
    // systemd's signature partition is JSON with NUL bytes behind it.
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let bytes = if bytes.starts_with(b"{") { bytes.get(..end)? } else { bytes };
    let whole = str::from_utf8(bytes).ok()?;
    let unmarked = whole.trim_start_matches('\u{feff}');
    let text = unmarked.trim();
    if text.is_empty() || text.chars().any(|char| char.is_control() && !char.is_whitespace()) {
        return None;
    }
    if unmarked.starts_with("MIME-Version:") || unmarked.starts_with("Content-Type:") {
        return Some(Found { command: Some(CONVERT_SMIME), ..Found::new(Form::Smime) });
    }
    if text.starts_with('{') {
        return Some(Found::new(Form::Json));
    }
    if let Some(start) = whole.find(BEGIN) {
        return Some(Found { command: of_pem(whole, start), ..Found::new(Form::Pem) });
    }
    if let Some(encoded) = vault_value(text) {
        // In the file itself, with what stands behind it.
        let spelled = whole.rsplit(':').next().unwrap_or_default();
        return Some(of_encoded(Form::Vault, encoded, spelled, DECODE_VAULT));
    }
    let joined = joined(text);
    if let Some(decoded) = hex(&joined) {
        let command = Some("xxd -r -p FILE NEW");
        return Some(Found { form: Form::Hex, decoded: Some(decoded), command });
    }
    let found = of_encoded(Form::Base64, text, whole, DECODE_BASE64);
    let is_base64 = found.decoded.is_some() && joined.len() >= MIN_BASE64;
    Some(if is_base64 { found } else { Found::new(Form::Text) })
}

/// The command that makes DER of a message in PEM. openssl knows each by its label, at the start of
/// a line alone.
fn of_pem(whole: &str, start: usize) -> Option<&'static str> {
    let (before, block) = whole.split_at_checked(start)?;
    let begins_line = before.is_empty() || before.ends_with('\n');
    match block.strip_prefix(BEGIN)?.split("-----").next()? {
        "CMS" | "PKCS7" if begins_line => Some(CONVERT_PEM),
        "CMS" | "PKCS7" | "PKCS #7 SIGNED DATA" => Some(RELABEL_PEM),
        _ => None,
    }
}

/// Base64 text, which is spelled so in the file: `base64 -d` takes one spelling, and of all others
/// that is made first. The commands are that for it, and those where nothing, `==` and `=` is
/// missing at the end once there is nothing but digits.
fn of_encoded(form: Form, text: &str, spelled: &str, commands: [&'static str; 4]) -> Found {
    let joined = joined(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\n".contains(&byte);
    let plain = spelled.bytes().all(is_plain) && base64_of::<Base64>(&joined).is_some();
    let [decodes_plain, complete, two_missing, one_missing] = commands;
    let command = match joined.trim_end_matches('=').len() % 4 {
        _ if plain => decodes_plain,
        0 => complete,
        2 => two_missing,
        _ => one_missing,
    };
    let decoded = base64(&joined);
    Found { form, command: decoded.is_some().then_some(command), decoded }
}

/// What stands behind `vault:v1:`, whichever version of the key it is.
fn vault_value(text: &str) -> Option<&str> {
    let (version, value) = text.strip_prefix("vault:v")?.split_once(':')?;
    version.bytes().all(|byte| byte.is_ascii_digit()).then_some(value)
}

/// Text without white space. It may be that of a key, so there is one copy, which is wiped.
fn joined(text: &str) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    text.split_ascii_whitespace().for_each(|word| joined.push_str(word));
    joined
}

fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut decoded = Zeroizing::new(vec![0; digits.len() / 2]);
    hex::decode_to_slice(digits, &mut decoded).ok().map(|()| decoded)
}

/// Base64 in any of its alphabets.
fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    base64_of::<Base64>(text)
        .or_else(|| base64_of::<Base64Url>(text))
        .or_else(|| base64_of::<Base64Unpadded>(text))
        .or_else(|| base64_of::<Base64UrlUnpadded>(text))
}

fn base64_of<E: Encoding>(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(vec![0; text.len()]);
    let length = E::decode(text, &mut decoded).ok()?.len();
    decoded.truncate(length);
    Some(decoded)
}

fn of_binary(bytes: &[u8]) -> Option<Form> {
    let stated = header(bytes).and_then(|(header, length)| header.checked_add(length?));
    // BER need not say its length.
    let cut = stated.filter(|stated| *stated != bytes.len());
    let cut = |what| cut.map(|stated| Form::Cut { what, actual: bytes.len(), stated });
    if is_pkcs7(bytes) {
        return cut(PKCS7).or(Some(Form::Pkcs7));
    }
    if is_two_numbers(bytes) && cut(RAW_ECDSA).is_some() {
        return cut(RAW_ECDSA);
    }
    let Some(body) = der_body(bytes).filter(|_| bytes.first() == Some(&SEQUENCE)) else {
        return RAW_LENGTHS
            .iter()
            .find(|(length, _)| *length == bytes.len())
            .map(|&(_, key)| Form::RawLength(key));
    };
    let (first, rest) = der_element(body)?;
    let (second, behind) = der_element(rest)?;
    let both = [first, second].iter().all(|one| one.first() == Some(&INTEGER));
    (both && behind.is_empty()).then_some(Form::RawEcdsa)
}

/// Whether these bytes begin as an ECDSA signature in DER: with a number of the size that those
/// have.
fn is_two_numbers(bytes: &[u8]) -> bool {
    let stated = header(bytes).and_then(|(_, length)| length);
    let Some(body) = ber_body(bytes).filter(|_| stated.is_some_and(|it| it <= 2 * 69)) else {
        return false;
    };
    matches!(body, [INTEGER, length @ 28..=67, ..] if stated > Some(usize::from(*length)))
}

/// Whether these bytes are PKCS#12, in DER or BER.
pub(crate) fn is_pkcs12(bytes: &[u8]) -> bool {
    let Some(body) = ber_body(bytes) else { return false };
    let Some(content) = body.strip_prefix(&[INTEGER, 1, 3]) else { return false };
    ber_body(content).is_some_and(|content| content.starts_with(PKCS7_OID))
}

/// Whether these bytes are a PKCS#7 message, in DER or BER.
pub(crate) fn is_pkcs7(bytes: &[u8]) -> bool {
    ber_body(bytes).is_some_and(|body| body.starts_with(PKCS7_OID))
}

/// Whether these bytes are a keystore of Java's own format.
pub(crate) fn is_java_keystore(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || bytes.starts_with(&[0xce; 4])
}

/// The command that decodes these bytes, if they are text: base64 of DER without the lines around
/// it.
pub(crate) fn base64_of_der(bytes: &[u8]) -> Option<&'static str> {
    let found = of_text(bytes).filter(|found| found.form == Form::Base64)?;
    found.command.filter(|_| found.decoded.is_some_and(|der| der.first() == Some(&SEQUENCE)))
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

const BEGIN: &str = "-----BEGIN ";

const PKCS7: &str = "a PKCS#7 message";
const RAW_ECDSA: &str = "a raw ECDSA signature (DER of r and s)";

/// What makes DER of a message in PEM.
const CONVERT_PEM: &str = "openssl cms -cmsout -inform PEM -in FILE -outform DER -out NEW";

/// What makes DER of a message in PEM whose BEGIN line is another one than openssl looks for.
const RELABEL_PEM: &str = "sed 's/.*-----BEGIN [^-]*-/-----BEGIN CMS-/;s/END [^-]*-/END CMS-/' \
                           FILE | openssl cms -cmsout -inform PEM -outform DER -out NEW";

/// What makes DER of a message in S/MIME.
const CONVERT_SMIME: &str = "openssl cms -cmsout -in FILE -outform DER -out NEW";

/// What decodes base64, in the order of [`of_encoded`].
const DECODE_BASE64: [&str; 4] = [
    "base64 -d FILE >NEW",
    "tr -dc A-Za-z0-9+/_- <FILE | tr -- -_ +/ | base64 -d >NEW",
    "(tr -dc A-Za-z0-9+/_- <FILE; echo ==) | tr -- -_ +/ | base64 -d >NEW",
    "(tr -dc A-Za-z0-9+/_- <FILE; echo =) | tr -- -_ +/ | base64 -d >NEW",
];

/// The same behind the last colon.
const DECODE_VAULT: [&str; 4] = [
    "sed 's/.*://' FILE | base64 -d >NEW",
    "sed 's/.*://' FILE | tr -dc A-Za-z0-9+/_- | tr -- -_ +/ | base64 -d >NEW",
    "(sed 's/.*://' FILE | tr -dc A-Za-z0-9+/_-; echo ==) | tr -- -_ +/ | base64 -d >NEW",
    "(sed 's/.*://' FILE | tr -dc A-Za-z0-9+/_-; echo =) | tr -- -_ +/ | base64 -d >NEW",
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
            (format!("0X{}\r\n", hex::encode_upper(&bytes)).as_bytes(), Form::Hex),
            (b"{\"Signature\": 1}", Form::Json),
            (b"-----BEGIN PKCS7-----", Form::Pem),
            (b"MIME-Version: 1.0\r\n", Form::Smime),
            (b"no signature at all", Form::Text),
            (&ecdsa, Form::RawEcdsa),
            (&bytes, Form::RawLength("RSA-2048")),
            (&bytes[..132], Form::RawLength("ECDSA P-521")),
        ] {
            let found = of_signature(file).map(|found| found.form);
            assert_eq!(found, Some(form), "{}", file.escape_ascii());
        }
        for decoded in [encoded.clone(), lines, format!("vault:v1:{encoded}")] {
            let found = of_signature(decoded.as_bytes()).unwrap();
            assert_eq!(found.decoded.as_deref(), Some(&bytes));
        }
        for file in [&bytes[..100], b"", b"\0\0", b"\x30\x03\x02\x01\x01"] {
            assert_eq!(of_signature(file), None, "{}", file.escape_ascii());
        }
    }
}
