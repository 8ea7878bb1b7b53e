//! Key and certificate files: bounded reading, and the PEM blocks or the one DER object in each.
//!
//! A file that is one DER object, by its own header, is that object, whatever text is inside. Any
//! other file with a BEGIN line is PEM (RFC 7468). Text may stand in front of a block, white space
//! alone behind the last one, and no NUL anywhere. The two labels are equal and there are no
//! headers. Lines end with LF, CRLF or CR and have one width, but for the last (an empty one may
//! stand in front of END). A second BEGIN is a second block, wherever it stands.
//!
//! A caller names the labels that may stand beside what it looks for: certificates beside a key, a
//! key beside a certificate. These are as well formed, and are not looked into. Of what it looks
//! for there is one, or the caller takes them all: nothing is picked out here.
//!
//! Every buffer here may hold a secret, so every one is wiped; that is why the PEM decoder writes
//! into a buffer of ours. What the bytes mean is the business of `Certificate` and `PrivateKey`.

use std::io::{self, Read};

use der::pem;
use verity::internals::to_u64;
use zeroize::Zeroizing;

use crate::error::InputError;
use crate::form;

/// Key and certificate files are at most this long, in bytes.
pub const MAX_KEY_BYTES: u64 = to_u64(MAX);

/// One object out of a file, in DER, with the PEM label if it had one.
pub(crate) struct Object {
    pub(crate) label: Option<String>,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Reads a whole file, and of a file that is too large one byte over the limit.
pub(crate) fn read_bounded(mut reader: impl Read) -> Result<Zeroizing<Vec<u8>>, InputError> {
    // The final size from the start: a vector that grows leaves copies of a secret behind.
    let mut buffer = Zeroizing::new(vec![0; MAX + 1]);
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(InputError::Read(error)),
        }
    }
    check_size(length)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// What a file is looked through for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// What messages call it: "certificate" or "private key".
    pub(crate) name: &'static str,
    /// PEM labels that may stand beside it.
    pub(crate) beside: &'static [&'static str],
}

impl Wanted {
    /// A certificate, beside which its key may lie.
    pub(crate) const CERTIFICATE: Wanted = Wanted {
        name: "certificate",
        beside: &[
            "CERTIFICATE REQUEST",
            "DH PARAMETERS",
            "EC PARAMETERS",
            "EC PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PRIVATE KEY",
            "PUBLIC KEY",
            "RSA PRIVATE KEY",
        ],
    };

    /// A private key, beside which certificates may lie.
    pub(crate) const PRIVATE_KEY: Wanted = Wanted {
        name: "private key",
        beside: &[
            "CERTIFICATE",
            "CERTIFICATE REQUEST",
            "DH PARAMETERS",
            "EC PARAMETERS",
            "PUBLIC KEY",
            "TRUSTED CERTIFICATE",
        ],
    };
}

/// Takes the one object out of a file.
pub(crate) fn single_object(file: &[u8], wanted: Wanted) -> Result<Object, InputError> {
    let (mut found, actual, labels) = all_objects(file, wanted, |found| found == 1)?;
    match found.pop() {
        Some(object) => Ok(object),
        None => Err(InputError::NoBlock { actual, labels, expected: wanted.name }),
    }
}

/// Takes every object out of a file that is not of a kind that may stand beside it, if there are as
/// many as the caller takes. Also returns how many blocks there are, and their labels for messages.
fn all_objects(
    file: &[u8],
    wanted: Wanted,
    takes: impl Fn(usize) -> bool,
) -> Result<(Vec<Object>, usize, String), InputError> {
    check_size(file.len())?;
    let blocks = if is_der_object(file) { Vec::new() } else { pem_blocks(file) };
    if blocks.is_empty() {
        check_foreign(file)?;
        return match file {
            [0x30, ..] => {
                let object = Object { label: None, der: Zeroizing::new(file.to_vec()) };
                Ok((vec![object], 1, String::new()))
            }
            _ => Err(InputError::NotPemOrDer),
        };
    }
    if file.contains(&0) {
        return Err(InputError::Pem { reason: "a NUL byte".to_owned() });
    }
    let (beside, found): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| {
        blocks.len() > 1 && wanted.beside.iter().any(|label| block.label == label.as_bytes())
    });
    let labels = labels(&blocks);
    if !takes(found.len()) {
        let (actual, expected) = (blocks.len(), wanted.name);
        return Err(match found.as_slice() {
            [] => InputError::NoBlock { actual, labels, expected },
            _ => InputError::NotOneBlock { actual, labels, expected },
        });
    }
    // A block that is ignored must be whole, or it could swallow anything.
    beside.into_iter().try_for_each(|block| decode(block).map(drop))?;
    let found = found.into_iter().map(decode).collect::<Result<_, _>>()?;
    Ok((found, blocks.len(), labels))
}

/// The labels of blocks as a message repeats them.
fn labels(blocks: &[Block<'_>]) -> String {
    let labels = blocks.iter().take(MAX_LABELS).map(|block| shown(block.label));
    let more = (blocks.len() > MAX_LABELS).then(|| "...".to_owned());
    labels.chain(more).collect::<Vec<_>>().join(", ")
}

/// Takes a certificate out of a file that holds no other. What is in it is not looked at.
pub(crate) fn certificate_object(file: &[u8]) -> Result<Object, InputError> {
    check_certificate(single_object(file, Wanted::CERTIFICATE)?)
}

/// Takes every certificate out of a file.
pub(crate) fn certificate_objects(file: &[u8]) -> Result<Vec<Object>, InputError> {
    let (objects, ..) = all_objects(file, Wanted::CERTIFICATE, |found| found > 0)?;
    objects.into_iter().map(check_certificate).collect()
}

fn check_certificate(object: Object) -> Result<Object, InputError> {
    match object.label.as_deref() {
        None | Some("CERTIFICATE") => Ok(object),
        Some(label) => Err(wrong_label(label, "a certificate")),
    }
}

/// The error for an object of another kind.
pub(crate) fn wrong_label(label: &str, expected: &'static str) -> InputError {
    let advice = match label {
        "TRUSTED CERTIFICATE" if expected == "a certificate" => {
            "; openssl x509 -in FILE -out NEW makes a plain one of it"
        }
        "PKCS7" | "PKCS #7 SIGNED DATA" => {
            "; openssl pkcs7 -in FILE -print_certs -out NEW takes certificates out"
        }
        "CMS" => {
            "; openssl cms -cmsout -inform PEM -in FILE -outform DER | openssl pkcs7 -inform DER \
             -print_certs -out NEW takes certificates out"
        }
        "OPENSSH PRIVATE KEY" => "; ssh-keygen -p -m PKCS8 -f COPY rewrites a copy of it as PKCS#8",
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "; an authority makes a certificate of it (openssl x509 -req)"
        }
        _ => "",
    };
    InputError::WrongLabel { label: shown(label.as_bytes()), expected, advice }
}

/// Names files of other formats, which are neither PEM nor the DER of a key or a certificate.
fn check_foreign(file: &[u8]) -> Result<(), InputError> {
    let decode;
    let (found, advice) = if form::is_pkcs12(file) {
        (
            "PKCS#12",
            "openssl pkcs12 -in FILE -nocerts -out KEY takes the key out of it, and openssl \
             pkcs12 -in FILE -clcerts -nokeys -out CERT the certificate",
        )
    } else if form::is_java_keystore(file) {
        (
            "a Java keystore",
            "keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 -deststoretype \
             PKCS12 makes PKCS#12 of it, and openssl pkcs12 -in NEW.p12 -out PEM takes that apart",
        )
    } else if form::is_pkcs7(file) {
        (
            "PKCS#7",
            "openssl pkcs7 -inform DER -in FILE -print_certs -out NEW takes certificates out",
        )
    } else if let Some(command) = form::base64_of_der(file) {
        decode = format!("{command} makes DER of it");
        ("base64 without the lines of PEM around it", &*decode)
    } else {
        return Ok(());
    };
    Err(InputError::OtherFormat { found, advice: advice.to_owned() })
}

/// The label as a message may repeat it: in a damaged file a secret may stand in its place, and
/// that is not words of capital letters.
fn shown(label: &[u8]) -> String {
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_uppercase);
    let is_words = label.len() <= MAX_LABEL && label.split(|&byte| byte == b' ').all(is_word);
    match str::from_utf8(label) {
        Ok(text) if is_words || KNOWN_LABELS.contains(&text) => text.to_owned(),
        _ => "another".to_owned(),
    }
}

/// Whether this is a SEQUENCE that ends where the file ends. No file up to the limit needs a length
/// of three bytes.
fn is_der_object(file: &[u8]) -> bool {
    let (header, length) = match file {
        [0x30, short @ 0..=0x7f, ..] => (2, usize::from(*short)),
        [0x30, 0x81, long, ..] => (3, usize::from(*long)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return false,
    };
    file.len() == header + length
}

fn check_size(length: usize) -> Result<(), InputError> {
    match length {
        0 => Err(InputError::Empty),
        1..=MAX => Ok(()),
        _ => Err(InputError::TooLarge { limit: MAX }),
    }
}

struct Block<'a> {
    label: &'a [u8],
    text: &'a [u8],
    starts_line: bool,
}

/// Splits at every BEGIN line, so that a second block can neither hide nor be taken by chance.
/// What follows the END line of a block, up to the next block, is text in front of that one.
fn pem_blocks(file: &[u8]) -> Vec<Block<'_>> {
    let starts: Vec<usize> = file
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(start, _)| start)
        .collect();
    let ends = starts.iter().copied().skip(1).map(Some).chain([None]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| {
            let before = file.get(..start)?;
            let text = match end {
                Some(end) => up_to_end_line(file.get(start..end)?),
                None => file.get(start..)?,
            };
            Some((before, text))
        })
        .map(|(before, text)| Block {
            label: label(text),
            text: text.trim_ascii_end(),
            starts_line: matches!(before, [] | [.., b'\n' | b'\r']),
        })
        .collect()
}

/// A block without what follows its END line; all of it, if it has none.
fn up_to_end_line(text: &[u8]) -> &[u8] {
    let Some(start) = text.windows(END.len()).position(|window| window == END) else { return text };
    let line = text.iter().skip(start).position(|byte| matches!(byte, b'\n' | b'\r'));
    text.get(..line.map_or(text.len(), |length| start + length)).unwrap_or(text)
}

/// The label, for messages and for blocks to ignore; empty if its line is not whole. Of the block
/// that counts, the decoder reads it.
fn label(block: &[u8]) -> &[u8] {
    let line = block.get(BEGIN.len()..).unwrap_or_default();
    let end = line.iter().position(|byte| matches!(byte, b'-' | b'\n' | b'\r'));
    match end.and_then(|end| line.split_at_checked(end)) {
        Some((label, behind)) if behind.starts_with(b"-----") => label,
        _ => &[],
    }
}

fn decode(block: &Block<'_>) -> Result<Object, InputError> {
    let malformed = |error: pem::Error| InputError::Pem { reason: error.to_string() };
    if !block.starts_line {
        return Err(InputError::Pem { reason: "text in front of BEGIN on its line".to_owned() });
    }
    let mut decoder = pem::Decoder::new_detect_wrap(block.text).map_err(malformed)?;
    let label = decoder.type_label().to_owned();
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(malformed)?;
    Ok(Object { label: Some(label), der })
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Labels that a message may repeat, though they are not words of capital letters.
const KNOWN_LABELS: [&str; 4] = ["PKCS7", "PKCS #7 SIGNED DATA", "X509 CERTIFICATE", "X509 CRL"];

/// A message repeats a label of at most this many bytes.
const MAX_LABEL: usize = 32;

const MAX: usize = 65_536;

/// A message names at most this many blocks.
const MAX_LABELS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const THING: Wanted = Wanted { name: "thing", beside: &[] };
    const BESIDE_OTHER: Wanted = Wanted { name: "thing", beside: &["OTHER"] };

    const ONE: &[u8] = b"-----BEGIN THING-----\nMAA=\n-----END THING-----\n";

    #[test]
    fn one_block_with_text_around_it() {
        let file = [b"subject: x\n".as_slice(), ONE, b"\n\n"].concat();
        let object = single_object(&file, THING).unwrap();
        assert_eq!(object.label.as_deref(), Some("THING"));
        assert_eq!(*object.der, [0x30, 0]);
    }

    #[test]
    fn crlf_line_ends_are_fine() {
        let file = b"-----BEGIN THING-----\r\nMAA=\r\n-----END THING-----\r\n";
        assert_eq!(*single_object(file, THING).unwrap().der, [0x30, 0]);
    }

    #[test]
    fn two_blocks_are_ambiguous() {
        let file = [ONE, b"-----BEGIN OTHER-----\nMAA=\n-----END OTHER-----\n"].concat();
        let error = single_object(&file, THING).err().unwrap();
        let words = "2 PEM blocks (THING, OTHER) where exactly one thing is expected";
        assert_eq!(error.to_string(), words);
        assert_eq!(single_object(&file, BESIDE_OTHER).unwrap().label.as_deref(), Some("THING"));
        assert_eq!(
            single_object(ONE, Wanted { name: "thing", beside: &["THING"] })
                .unwrap()
                .label
                .as_deref(),
            Some("THING")
        );
    }

    /// A key whose first line has lost its end beside another block: none of it is in the error.
    #[test]
    fn k07_a_damaged_label_is_not_repeated() {
        let key = b"-----BEGIN MIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n".as_slice();
        let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let error = single_object(&[key, certificate].concat(), THING).err().unwrap();
        let words = "2 PEM blocks (another, CERTIFICATE) where exactly one thing is expected";
        assert_eq!(error.to_string(), words);
        let error = single_object(&certificate.repeat(900), THING).err().unwrap().to_string();
        assert!(error.starts_with("900 PEM blocks (CERTIFICATE, ") && error.len() < 150, "{error}");
    }

    #[test]
    fn size_is_bounded_on_both_ways_in() {
        assert!(matches!(read_bounded(io::empty()), Err(InputError::Empty)));
        assert!(matches!(read_bounded(io::repeat(0x30)), Err(InputError::TooLarge { .. })));
        assert_eq!(read_bounded(io::repeat(0x30).take(65_536)).unwrap().len(), 65_536);
        assert!(matches!(
            single_object(&vec![0x30; 65_537], THING),
            Err(InputError::TooLarge { limit: 65_536 })
        ));
    }

    #[test]
    fn damaged_pem_is_refused() {
        for file in [
            b"-----BEGIN THING-----\nMAA=\n".as_slice(),
            b"-----BEGIN THING-----\nMAA=\n-----END OTHER-----\n",
            b"-----BEGIN THING-----\nM*A=\n-----END THING-----\n",
            b"-----BEGIN THING-----\nMAA=\n-----END THING-----\nmore",
            b"-----BEGIN THING-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END THING-----\n",
            b"-----BEGIN ",
            b"-----BEGIN -----",
        ] {
            assert!(
                matches!(single_object(file, THING), Err(InputError::Pem { .. })),
                "{}",
                file.escape_ascii()
            );
        }
    }

    #[test]
    fn text_and_begin_share_no_line_and_pem_has_no_nul() {
        for (front, reason) in
            [(b"0".as_slice(), "text in front"), (b"x\n ", "text in front"), (b"x\0\n", "NUL")]
        {
            let file = [front, ONE].concat();
            let error = single_object(&file, THING).err().unwrap();
            assert!(error.to_string().contains(reason), "{error}");
        }
        let nul_behind = [ONE, b"\0"].concat();
        assert!(matches!(single_object(&nul_behind, THING), Err(InputError::Pem { .. })));
        for front in [b"0\n".as_slice(), b"0 s:CN = x\r\n", b"\xff\r"] {
            assert!(single_object(&[front, ONE].concat(), THING).is_ok());
        }
    }

    /// A comment in a certificate may be anything, PEM too.
    #[test]
    fn a_der_object_that_holds_pem_is_der() {
        for size in [ONE.len(), 0x80, 0x100] {
            let inside = [ONE.to_vec(), vec![b'\n'; size - ONE.len()]].concat();
            let header = match size {
                0..0x80 => vec![0x30, u8::try_from(size).unwrap()],
                0x80 => vec![0x30, 0x81, 0x80],
                _ => vec![0x30, 0x82, 1, 0],
            };
            let file = [header, inside].concat();
            let object = single_object(&file, THING).unwrap();
            assert_eq!((object.label, &*object.der), (None, &file));
            let longer = [file.as_slice(), b"\n"].concat();
            assert!(single_object(&longer, THING).is_err(), "{size}");
        }
    }

    /// A block that is not looked for could otherwise hide text behind the one that is.
    #[test]
    fn a_broken_block_beside_is_refused() {
        for beside in
            ["-----BEGIN OTHER-----\nM", "-----BEGIN OTHER-----\nMAA=\n-----END OTHER-----\nx"]
        {
            let file = [ONE, beside.as_bytes()].concat();
            assert!(matches!(single_object(&file, BESIDE_OTHER), Err(InputError::Pem { .. })));
        }
    }

    #[test]
    fn messages_stay_short_whatever_the_labels() {
        let many = b"-----BEGIN \x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            .repeat(2000);
        let long = wrong_label(&"A\tB".repeat(20_000), "a thing");
        for error in [single_object(&many, THING).err().unwrap(), long] {
            let text = error.to_string();
            assert!(text.len() < 800 && !text.chars().any(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_neither_pem_nor_der() {
        for file in [b"hello".as_slice(), b"\0", b"\xff\xfe-\0-\0", b"\xef\xbb\xbf0"] {
            assert!(matches!(single_object(file, THING), Err(InputError::NotPemOrDer)));
        }
    }
}
