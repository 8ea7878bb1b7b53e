//! systemd's signature partition: what is written is read, and nothing else is.

use crate::common::{self, NAMES, certificate, embedding_signatory, root_hash};
use verity::RootHash;
use verity_sign::{
    AcceptedImages, Class, Error, MAX_SIGNATURE_PARTITION_BYTES, SignaturePartition,
};

fn partition(name: &str) -> SignaturePartition {
    let signature = embedding_signatory(name, true).sign_root_hash(&root_hash()).unwrap();
    SignaturePartition::new(&root_hash(), signature, &certificate(name)).unwrap()
}

/// The JSON without what pads it.
fn text(partition: &SignaturePartition) -> String {
    String::from_utf8(partition.to_bytes()).unwrap().trim_end_matches('\0').to_owned()
}

fn refused(bytes: &[u8]) -> Error {
    SignaturePartition::parse(bytes).expect_err("no signature partition")
}

#[test]
fn what_is_written_is_read() {
    for name in NAMES {
        let partition = partition(name);
        let bytes = partition.to_bytes();
        assert_eq!(bytes.len(), 16384);
        let read = SignaturePartition::parse(&bytes).unwrap();
        assert_eq!(read, partition);
        let signed_by = read.verify(&root_hash(), &[certificate(name)]).unwrap();
        assert_eq!(*signed_by.certificate(), certificate(name));
        // The padding is the partition's, not the text's.
        let text = text(&partition);
        for more in [0, 1, 5000] {
            let bytes = [text.as_bytes(), &vec![0; more]].concat();
            assert_eq!(SignaturePartition::parse(&bytes).unwrap(), partition);
        }
    }
}

#[test]
fn only_a_good_signature_is_put_into_one() {
    let signature = embedding_signatory("rsa2048", true).sign_root_hash(&root_hash()).unwrap();
    let other: RootHash = "ab".repeat(32).parse().unwrap();
    for (root_hash, name) in [(other, "rsa2048"), (root_hash(), "other")] {
        let error = SignaturePartition::new(&root_hash, signature.clone(), &certificate(name));
        assert!(matches!(error, Err(Error::Signature(_))), "{error:?}");
    }
}

/// Every bit of the text and of the padding that can be turned is a refusal, here or at the check.
#[test]
fn no_bit_can_be_turned() {
    let bytes = partition("p256").to_bytes();
    let trusted = [certificate("p256")];
    let long = text(&partition("p256")).len();
    for place in (0..8 * long).chain([8 * long, 8 * 16383]) {
        let mut bytes = bytes.clone();
        bytes[place / 8] ^= 1 << (place % 8);
        let accepted = SignaturePartition::parse(&bytes)
            .and_then(|partition| partition.verify(&root_hash(), &trusted));
        assert!(accepted.is_err(), "bit {place}");
    }
    for length in 0..long {
        assert!(SignaturePartition::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn what_was_there_before_is_seen() {
    let mut bytes = partition("rsa2048").to_bytes();
    let end = text(&partition("rsa2048")).len();
    bytes[end + 1000] = b'}';
    let words = refused(&bytes).to_string();
    assert!(words.contains(&format!("byte {}, behind the JSON", end + 1000)), "{words}");
}

#[test]
fn another_spelling_is_refused() {
    let good = text(&partition("p256"));
    let with = |from: &str, to: &str| good.replacen(from, to, 1);
    let hash = common::TEXT;
    for (bad, reason) in [
        (String::new(), "EOF"),
        ("null".to_owned(), "invalid type"),
        ("{}".to_owned(), "missing field"),
        (with("{", "{ "), "one spelling (byte 1)"),
        (with("{", "{\"a\":1,"), "unknown field"),
        (with("{", &format!("{{\"rootHash\":\"{hash}\",")), "duplicate field"),
        (format!("{good}\n"), "one spelling"),
        (format!("{good}{good}"), "trailing characters"),
        (with(hash, &hash.to_uppercase()), "one spelling"),
        (with(hash, &hash[..62]), "rootHash:"),
        (with("\"signature\":\"", "\"signature\":\"="), "signature:"),
        (with("\"signature\":\"", "\"signature\":\"\\u004d"), ""),
        (with("certificateFingerprint", "certificatefingerprint"), "unknown field"),
        (with("\"certificateFingerprint\":\"", "\"certificateFingerprint\":null,\"x\":\""), ""),
        ("[".repeat(100_000), ""),
    ] {
        let error = refused(bad.as_bytes());
        assert_eq!(error.class(), Class::Format);
        assert!(error.to_string().contains(reason), "{reason:?}: {error}");
    }
    let longest = usize::try_from(MAX_SIGNATURE_PARTITION_BYTES).unwrap();
    let padded = |length: usize| [good.as_bytes(), &vec![0; length - good.len()]].concat();
    assert!(SignaturePartition::parse(&padded(longest)).is_ok());
    assert_eq!(refused(&padded(longest + 1)).class(), Class::Limit);
}

/// What is quoted of a partition, or of a state, is short and printable: both may be megabytes of
/// anything.
#[test]
fn p33_refusals_are_short() {
    let long = format!("{{\"{}\u{7f}\":1}}", "x".repeat(1 << 20));
    let words = refused(long.as_bytes()).to_string();
    assert!(words.len() < 300 && !words.contains('\u{7f}'), "{} bytes", words.len());
    let state = long.replacen("{", "{\"state_version\":1,", 1).replace(&"x".repeat(99), "x");
    let words = AcceptedImages::parse(state.as_bytes()).unwrap_err().to_string();
    assert!(words.len() < 300 && !words.contains('\u{7f}'), "{} bytes", words.len());
    let fingerprint = certificate("p256").fingerprint().to_string();
    let named = text(&partition("p256")).replace(&fingerprint, &"x".repeat(1 << 20));
    let partition = SignaturePartition::parse(named.as_bytes()).unwrap();
    let words = partition.verify(&root_hash(), &[certificate("p256")]).unwrap_err().to_string();
    assert!(words.len() < 400, "{} bytes", words.len());
}

/// The fields agree with each other and with what is asked; a fingerprint may be left out, as
/// systemd allows.
#[test]
fn p30_it_is_about_this_image_and_this_signer() {
    let good = text(&partition("rsa2048"));
    let trusted = [certificate("rsa2048")];
    let read = |text: &str| SignaturePartition::parse(text.as_bytes()).unwrap();
    let other: RootHash = "ab".repeat(32).parse().unwrap();
    let words = read(&good).verify(&other, &trusted).unwrap_err().to_string();
    assert!(words.contains("is about root hash"), "{words}");
    // The text names the wanted root hash, and the signature is of another one.
    let error = read(&good.replace(common::TEXT, &other.to_string())).verify(&other, &trusted);
    assert!(matches!(error, Err(Error::Signature(_))), "{error:?}");
    let fingerprint = certificate("rsa2048").fingerprint().to_string();
    let field = format!("\"certificateFingerprint\":\"{fingerprint}\",");
    assert!(read(&good.replace(&field, "")).verify(&root_hash(), &trusted).is_ok());
    for wrong in [certificate("other").fingerprint().to_string(), String::new()] {
        let error = read(&good.replace(&fingerprint, &wrong)).verify(&root_hash(), &trusted);
        let words = error.unwrap_err().to_string();
        assert!(words.starts_with("certificateFingerprint is"), "{words}");
    }
    let error = read(&good).verify(&root_hash(), &[certificate("other")]).unwrap_err();
    assert_eq!(error.class(), Class::Trust);
}
