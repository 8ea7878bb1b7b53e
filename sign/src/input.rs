//! Key and certificate files: bounded reading, and exactly one PEM block or one DER object in each.
//!
//! Every buffer here may hold a secret, so every one is wiped; that is why the PEM decoder writes
//! into a buffer of ours. What the bytes mean is the business of `key` and `certificate`.

use std::io::{self, Read};

use der::pem;
use zeroize::Zeroizing;

use crate::error::InputError;

/// Key and certificate files are at most this long, in bytes.
pub const MAX_KEY_BYTES: u64 = 65_536;

const MAX: usize = 65_536;

/// One object out of a file, in DER, with the PEM label if there was one.
pub(crate) struct Object {
    pub(crate) label: Option<String>,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Reads a whole file, but never more than one byte over the limit.
pub(crate) fn read_bounded(mut reader: impl Read) -> Result<Zeroizing<Vec<u8>>, InputError> {
    // Of its final size from the start: a vector that grows leaves copies of a secret behind.
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

/// Takes a file apart. `ignored` is a PEM label that may stand beside the object looked for.
pub(crate) fn single_object(file: &[u8], ignored: Option<&str>) -> Result<Object, InputError> {
    check_size(file.len())?;
    let blocks = pem_blocks(file);
    if blocks.is_empty() {
        return match file {
            [0x30, ..] => Ok(Object { label: None, der: Zeroizing::new(file.to_vec()) }),
            _ => Err(InputError::NotPemOrDer),
        };
    }
    let wanted: Vec<_> =
        blocks.iter().filter(|block| ignored.is_none_or(|label| block.label != label)).collect();
    match (wanted.as_slice(), blocks.as_slice()) {
        ([block], _) => decode(block),
        ([], [block]) => decode(block),
        _ => {
            let labels: Vec<_> =
                blocks.iter().take(MOST_LABELS).map(|block| known(&block.label)).collect();
            let more = if blocks.len() > MOST_LABELS { ", ..." } else { "" };
            let labels = format!("{}{more}", labels.join(", "));
            Err(InputError::NotOneBlock { actual: blocks.len(), labels })
        }
    }
}

/// More of them are not named in a message.
const MOST_LABELS: usize = 4;

/// The one object is of another kind.
pub(crate) fn wrong_label(label: &str, expected: &'static str) -> InputError {
    InputError::WrongLabel { label: known(label).to_owned(), expected }
}

/// What a message may say of a label: in a damaged file anything may stand there, a secret too.
fn known(label: &str) -> &str {
    const KNOWN: [&str; 10] = [
        "CERTIFICATE",
        "CERTIFICATE REQUEST",
        "CMS",
        "EC PARAMETERS",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PKCS7",
        "PRIVATE KEY",
        "PUBLIC KEY",
        "RSA PRIVATE KEY",
    ];
    KNOWN.into_iter().find(|known| *known == label).unwrap_or("another")
}

fn check_size(length: usize) -> Result<(), InputError> {
    match length {
        0 => Err(InputError::Empty),
        1..=MAX => Ok(()),
        _ => Err(InputError::TooLarge { limit: MAX }),
    }
}

struct Block<'a> {
    label: String,
    text: &'a [u8],
}

/// Splits at every BEGIN line, so that a second block can neither hide nor be taken by chance.
fn pem_blocks(file: &[u8]) -> Vec<Block<'_>> {
    let starts: Vec<usize> = file
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(start, _)| start)
        .collect();
    let ends = starts.iter().copied().skip(1).chain([file.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| file.get(start..end))
        .map(|text| Block { label: label(text), text: text.trim_ascii_end() })
        .collect()
}

/// The label as a message may show it; what counts is the decoder's own reading of it.
fn label(block: &[u8]) -> String {
    let line = block.get(BEGIN.len()..).unwrap_or_default();
    let end = line.iter().take(64).position(|byte| matches!(byte, b'-' | b'\n' | b'\r'));
    let text = line.get(..end.unwrap_or(line.len().min(64))).unwrap_or_default();
    text.escape_ascii().to_string()
}

fn decode(block: &Block<'_>) -> Result<Object, InputError> {
    let malformed = |error: pem::Error| InputError::Pem { reason: error.to_string() };
    let mut decoder = pem::Decoder::new_detect_wrap(block.text).map_err(malformed)?;
    let label = decoder.type_label().to_owned();
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(malformed)?;
    Ok(Object { label: Some(label), der })
}

const BEGIN: &[u8] = b"-----BEGIN ";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"-----BEGIN THING-----\nMAA=\n-----END THING-----\n";

    #[test]
    fn one_block_with_text_around_it() {
        let file = [b"subject: x\n".as_slice(), ONE, b"\n\n"].concat();
        let object = single_object(&file, None).unwrap();
        assert_eq!(object.label.as_deref(), Some("THING"));
        assert_eq!(*object.der, [0x30, 0]);
    }

    #[test]
    fn crlf_line_ends_are_fine() {
        let file = b"-----BEGIN THING-----\r\nMAA=\r\n-----END THING-----\r\n";
        assert_eq!(*single_object(file, None).unwrap().der, [0x30, 0]);
    }

    #[test]
    fn two_blocks_are_ambiguous() {
        let file = [ONE, b"-----BEGIN OTHER-----\nMAA=\n-----END OTHER-----\n"].concat();
        let error = single_object(&file, None).err().unwrap();
        let words = "2 PEM blocks (another, another) where exactly one is expected";
        assert_eq!(error.to_string(), words);
        assert_eq!(single_object(&file, Some("OTHER")).unwrap().label.as_deref(), Some("THING"));
        assert_eq!(single_object(ONE, Some("THING")).unwrap().label.as_deref(), Some("THING"));
    }

    /// A key whose first line has lost its end beside another block: none of it is in the error.
    #[test]
    fn k07_a_damaged_label_is_not_repeated() {
        let key = b"-----BEGIN MIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n".as_slice();
        let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let error = single_object(&[key, certificate].concat(), None).err().unwrap();
        let words = "2 PEM blocks (another, CERTIFICATE) where exactly one is expected";
        assert_eq!(error.to_string(), words);
        let error = single_object(&certificate.repeat(900), None).err().unwrap().to_string();
        assert!(error.starts_with("900 PEM blocks (CERTIFICATE, ") && error.len() < 150, "{error}");
    }

    #[test]
    fn size_is_bounded_on_both_ways_in() {
        assert!(matches!(read_bounded(io::empty()), Err(InputError::Empty)));
        assert!(matches!(read_bounded(io::repeat(0x30)), Err(InputError::TooLarge { .. })));
        assert_eq!(read_bounded(io::repeat(0x30).take(65_536)).unwrap().len(), 65_536);
        assert!(matches!(
            single_object(&vec![0x30; 65_537], None),
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
                matches!(single_object(file, None), Err(InputError::Pem { .. })),
                "{}",
                file.escape_ascii()
            );
        }
    }

    #[test]
    fn anything_else_is_neither_pem_nor_der() {
        for file in [b"hello".as_slice(), b"\0", b"\xff\xfe-\0-\0", b"\xef\xbb\xbf0"] {
            assert!(matches!(single_object(file, None), Err(InputError::NotPemOrDer)));
        }
    }
}
