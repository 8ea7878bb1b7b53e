//! What is said of a signature that is refused: which of the usual mistakes it is. Whatever is
//! said, nothing of it is accepted.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};

use crate::common::{self, NAMES, OpenSsl, TEXT, certificate, good, key, path, refused, root_hash};
use verity_sign::lint::Lint;
use verity_sign::{Error, SignatureBuilder, SignatureDigest, SignatureError, Signer, SigningError};

fn builder(name: &str) -> SignatureBuilder {
    SignatureBuilder::new(certificate(name)).with_digest(SignatureDigest::Sha256)
}

/// The raw signature of some bytes by a test key.
fn raw(name: &str, content: &[u8], digest: SignatureDigest) -> Vec<u8> {
    key(name).sign(&builder(name).with_digest(digest).prepare(content)).unwrap()
}

/// Why a raw signature over the root hash is refused.
fn mistake(name: &str, signature: &[u8]) -> String {
    let builder = builder(name);
    match builder.attach(&builder.prepare(TEXT.as_bytes()), signature) {
        Err(Error::Signing(SigningError::NotByCertificate { mistake, .. })) => {
            mistake.unwrap_or_default()
        }
        other => panic!("{other:?}"),
    }
}

/// r and s of an ECDSA signature in DER, one behind the other.
fn two_numbers(der: &[u8], size: usize) -> Vec<u8> {
    let numbers = match verity_testdata::der::Node::parse(der) {
        verity_testdata::der::Node::Constructed(_, numbers) => numbers,
        other => panic!("{other:?}"),
    };
    let number = |node: &verity_testdata::der::Node| match node {
        verity_testdata::der::Node::Primitive(2, bytes) => {
            let digits: Vec<u8> = bytes.iter().copied().skip_while(|&byte| byte == 0).collect();
            [vec![0; size - digits.len()], digits].concat()
        }
        other => panic!("{other:?}"),
    };
    numbers.iter().flat_map(number).collect()
}

/// Tokens and web services give r and s as they are; that makes the same message.
#[test]
fn r_and_s_one_behind_the_other_are_taken() {
    for (name, size) in [("p256", 32), ("p384", 48), ("p521", 66)] {
        for digest in SignatureDigest::ALL {
            let builder = builder(name).with_digest(*digest);
            let to_be_signed = builder.prepare(TEXT.as_bytes());
            let der = raw(name, TEXT.as_bytes(), *digest);
            let mut both = two_numbers(&der, size);
            assert_eq!(both.len(), 2 * size);
            let message = builder.attach(&to_be_signed, &der).unwrap();
            assert_eq!(builder.attach(&to_be_signed, &both).unwrap(), message);
            both[size] ^= 1;
            assert!(builder.attach(&to_be_signed, &both).is_err());
            assert!(builder.attach(&to_be_signed, &vec![0; 2 * size]).is_err());
            assert!(builder.attach(&to_be_signed, &vec![0xff; 2 * size]).is_err());
        }
    }
}

/// The texts in which services hand out a signature.
#[test]
fn encodings_of_a_raw_signature_are_named() {
    for name in NAMES {
        let good = raw(name, TEXT.as_bytes(), SignatureDigest::Sha256);
        let base64 = Base64::encode_string(&good);
        let (front, back) = base64.split_at(64);
        let lines = format!("{front}\n{back}\n");
        for (text, words) in [
            (base64.clone(), "it is base64 of the right one; base64 -d"),
            (lines, "it is base64 of the right one"),
            (Base64UrlUnpadded::encode_string(&good), "it is base64 of the right one"),
            (hex::encode(&good), "it is hex of the right one; xxd -r -p"),
            (format!("{}\n", hex::encode_upper(&good)), "it is hex of the right one"),
            (format!("vault:v1:{base64}"), "it is the text of a Vault server"),
            (format!("vault:v31:{base64}\n"), "of the right one; sed "),
            (format!("{{\"Signature\": \"{base64}\"}}"), "it is JSON; "),
            ("-----BEGIN PKCS7-----\n".to_owned(), "it is PEM text"),
            ("Content-Type: multipart/signed\n".to_owned(), "it is S/MIME text"),
            ("the signature".to_owned(), "it is text of no known encoding"),
            (String::new(), "there are no bytes"),
        ] {
            let said = mistake(name, text.as_bytes());
            assert!(said.contains(words), "{name} {text}: {said}");
        }
        let newline = [good.as_slice(), b"\n"].concat();
        assert!(mistake(name, &newline).contains("white space behind it"));
        let whole = common::good(name);
        assert!(mistake(name, &whole).contains("a whole PKCS#7 message"), "{name}");
        // The encoding of a signature of something else says both.
        let other = raw(name, format!("{TEXT}\n").as_bytes(), SignatureDigest::Sha256);
        let said = mistake(name, Base64::encode_string(&other).as_bytes());
        let both = said.starts_with("it is base64; ") && said.contains("with a newline at the end");
        assert!(both, "{said}");
    }
}

/// A right key that has signed other bytes.
#[test]
fn what_was_signed_instead_is_named() {
    for name in NAMES {
        let digest = |digest: SignatureDigest, content: &[u8]| raw(name, content, digest);
        for other in [SignatureDigest::Sha384, SignatureDigest::Sha512] {
            let said = mistake(name, &digest(other, TEXT.as_bytes()));
            assert!(said.contains(&format!("--digest {other}")), "{said}");
        }
        let hashed = ring::digest::digest(&ring::digest::SHA256, TEXT.as_bytes());
        let hashed = hashed.as_ref();
        for (content, words) in [
            (format!("{TEXT}\n").into_bytes(), "this content with a newline at the end"),
            (TEXT.to_uppercase().into_bytes(), "upper-case hex"),
            (hex::decode(TEXT).unwrap(), "the raw digest"),
            (hashed.to_vec(), "the digest, which was hashed once more"),
            (hex::encode(hashed).into_bytes(), "the digest in hex"),
            (format!("{}\n", hex::encode(hashed)).into_bytes(), "the digest in hex"),
            (Vec::new(), "nothing at all"),
        ] {
            let said = mistake(name, &digest(SignatureDigest::Sha256, &content));
            assert!(said.contains(words), "{name}: {said}");
            let said = mistake(name, &digest(SignatureDigest::Sha512, &content));
            assert!(said.contains(words) && said.ends_with("with sha512"), "{name}: {said}");
        }
        if name.starts_with("rsa") {
            let said = mistake(name, &digest(SignatureDigest::Sha256, b"something else"));
            let signed = ring::digest::digest(&ring::digest::SHA256, b"something else");
            let signed = hex::encode(signed.as_ref());
            assert!(said.contains(&format!("whose sha256 digest is {signed}")), "{said}");
        }
    }
    let said = mistake("rsa2048", &raw("rsa4096", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "a signature by this key has 256 bytes");
    let said = mistake("rsa2048", &raw("p256", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "it is by an ECDSA key");
    let said = mistake("p256", &raw("rsa2048", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "it has the length of one by an RSA-2048 key");
}

/// What openssl signs unless it is told otherwise.
#[test]
fn paddings_of_rsa_are_named() {
    let Some(openssl) = OpenSsl::find() else { return };
    let hashed = ring::digest::digest(&ring::digest::SHA256, TEXT.as_bytes());
    openssl.file("digest", hashed.as_ref());
    let key = path("rsa2048", "key");
    for (options, words) in [
        ("", "the bare sha256 digest"),
        ("-pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss", "PSS padding"),
    ] {
        openssl.ok(&format!("pkeyutl -sign -inkey {{}} {options} -in digest -out raw"), &[&key]);
        let said = mistake("rsa2048", &openssl.read("raw"));
        assert!(said.contains(words), "{said}");
    }
}

/// A file that is no message: what the verifier and the lint say of it.
#[test]
fn files_that_are_no_message_are_named() {
    let message = good("rsa2048");
    let raw_rsa = raw("rsa2048", TEXT.as_bytes(), SignatureDigest::Sha256);
    let raw_ecdsa = raw("p256", TEXT.as_bytes(), SignatureDigest::Sha256);
    let partition = common::embedding_signatory("rsa2048", true);
    let partition = partition.sign_root_hash(&root_hash()).unwrap();
    let partition =
        verity_sign::SignaturePartition::new(&root_hash(), partition, &certificate("rsa2048"));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Base64::encode_string(&message).into_bytes(), "base64 text"),
        (hex::encode(&message).into_bytes(), "text in hex"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/signed".to_vec(), "S/MIME text"),
        (raw_rsa, "as long as a raw RSA-2048 signature"),
        (raw_ecdsa.clone(), "a raw ECDSA signature"),
        (two_numbers(&raw_ecdsa, 32), "as long as a raw ECDSA P-256 signature"),
        (b"vault:v1:AAAA".to_vec(), "the text of a Vault server"),
        (b"{\"rootHash\":\"0f\"}".to_vec(), "JSON text"),
    ];
    for (bytes, words) in cases {
        let (error, class) = refused(&bytes, "rsa2048");
        assert!(matches!(error, SignatureError::NotPkcs7 { .. }), "{error}");
        assert_eq!(class.name(), "format");
        assert!(error.to_string().contains(words), "{error}");
        let report = Lint::new().run(&bytes);
        let form = report.points().iter().find(|point| point.name() == "form").unwrap();
        assert!(form.explanation().contains(words), "{}", form.explanation());
        assert!(report.error().is_some());
    }
    let (error, _) = refused(&partition.unwrap().to_bytes(), "rsa2048");
    assert!(error.to_string().contains("as systemd's signature partition"), "{error}");
    let report = Lint::new().run(&message);
    assert!(report.points().iter().all(|point| point.name() != "form"));
}
