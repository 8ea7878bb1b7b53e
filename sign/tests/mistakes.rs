//! What is said of a signature that is refused: which of the usual mistakes it is. Whatever is
//! said, nothing of it is accepted.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};

use crate::common::{self, NAMES, OpenSsl, TEXT, certificate, good, key, path, refused, root_hash};
use verity_sign::lint::Lint;
use verity_sign::{
    Certificate, CertificateBundle, Error, SignatureBuilder, SignatureDigest, SignatureError,
    Signer, SigningError,
};

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
            (base64.clone(), "it is the right one, but as base64 text; base64 -d FILE"),
            (lines, "it is the right one, but as base64 text"),
            (Base64UrlUnpadded::encode_string(&good), "it is the right one, but as base64 text"),
            (hex::encode(&good), "it is the right one, but as text in hex; xxd -r -p"),
            (format!("{}\n", hex::encode_upper(&good)), "the right one, but as text in hex"),
            (format!("vault:v1:{base64}"), "the right one, but as the text of a Vault server"),
            (format!("vault:v31:{base64}\n"), "base64 behind \"vault:v1:\"; sed "),
            (format!("{{\"Signature\": \"{base64}\"}}"), "it is JSON text"),
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
        let both =
            said.starts_with("it is base64 text; ") && said.contains("with a newline at the end");
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
    for name in ["p256", "p384", "p521"] {
        let said = mistake(name, &[0xff; 50]);
        assert_eq!(said, "it is neither DER of r and s nor the two as they are");
    }
    let said = mistake("rsa2048", &raw("rsa4096", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "a signature by an RSA-2048 key has 256 bytes");
    let said = mistake("rsa2048", &raw("p256", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "it is by an ECDSA key");
    let said = mistake("p256", &raw("rsa2048", TEXT.as_bytes(), SignatureDigest::Sha256));
    assert_eq!(said, "it has the length of one by an RSA-2048 key");
}

/// As a program on another system may leave them.
#[test]
fn blanks_behind_a_signature_are_named() {
    for name in NAMES {
        let good = raw(name, TEXT.as_bytes(), SignatureDigest::Sha256);
        for blanks in ["\n", "\r\n", "  \t\r\n"] {
            let said = mistake(name, &[&good, blanks.as_bytes()].concat());
            assert!(said.contains("there is white space behind it"), "{name} {blanks:?}: {said}");
        }
    }
}

/// What a builder was told is what it says, and what its signatures have.
#[test]
fn builders_say_what_they_embed() {
    for embed in [false, true] {
        let builder = builder("p256").with_embedded_certificate(embed);
        assert_eq!(builder.embeds_certificate(), embed);
    }
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

/// The digest inside a signature may end with the byte that PSS ends with, and a signature by
/// another key too.
#[test]
fn a_last_byte_alone_is_no_pss() {
    let ends = |byte: u8| {
        let contents = (0_u32..).map(|count| count.to_string().into_bytes());
        let digest = |content: &[u8]| ring::digest::digest(&ring::digest::SHA256, content);
        contents.into_iter().find(|one| digest(one).as_ref().last() == Some(&byte)).unwrap()
    };
    let said = mistake("rsa2048", &raw("rsa2048", &ends(0xbc), SignatureDigest::Sha256));
    assert!(said.starts_with("this key has signed something else"), "{said}");
    // By the public key this is what it would be for any other content.
    let small = |byte: u8| [vec![0; 255], vec![byte]].concat();
    let said: Vec<_> = (1..=255).map(|byte| mistake("rsa2048", &small(byte))).collect();
    assert!(said.iter().all(|said| !said.contains("PSS")), "{said:?}");
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

/// What is cut off is not called by the length that it happens to have.
#[test]
fn what_is_cut_off_is_named() {
    let message = good("rsa2048");
    for length in [64, 96, 132, 256, 384] {
        let (error, class) = refused(&message[..length], "rsa2048");
        let words = format!("a PKCS#7 message, cut off: {length} of {} bytes", message.len());
        assert_eq!(error.to_string(), format!("malformed signature: it is {words}"));
        assert_eq!(class.name(), "format");
        let report = Lint::new().run(&message[..length]);
        let form = report.points().iter().find(|point| point.name() == "form").unwrap();
        assert!(form.explanation().contains(&words), "{}", form.explanation());
        for name in ["rsa2048", "p256"] {
            let said = mistake(name, &message[..length]);
            assert_eq!(said, format!("it is {words}"), "{name} {length}");
        }
    }
    let longer = [&message[..], b"more"].concat();
    assert!(matches!(refused(&longer, "rsa2048").0, SignatureError::TrailingBytes { count: 4 }));
    assert!(mistake("rsa2048", &longer).ends_with("with 4 bytes behind it"));
    let ecdsa = raw("p256", TEXT.as_bytes(), SignatureDigest::Sha256);
    let said = mistake("p256", &ecdsa[..64]);
    let words = format!("(DER of r and s), cut off: 64 of {} bytes", ecdsa.len());
    assert!(said.ends_with(&words), "{said}");
}

/// Which of several certificates is the signer's, where the signature is wrong: the key that has
/// signed is known by the mistake, and otherwise nobody's certificate is to blame.
#[test]
fn a_wrong_signature_does_not_blame_the_certificates() {
    let names = ["rsa2048", "p256"];
    let files = names.map(common::certificate_file).concat();
    let bundle = CertificateBundle::parse(&files).unwrap();
    let prepare = |one: &Certificate| SignatureBuilder::new(one.clone()).prepare(TEXT.as_bytes());
    let of = |raw: &[u8]| bundle.of_signature(prepare, raw);
    for name in names {
        let right = raw(name, TEXT.as_bytes(), SignatureDigest::Sha256);
        for wrong in [
            Base64::encode_string(&right).into_bytes(),
            [right.as_slice(), b"\n"].concat(),
            raw(name, TEXT.as_bytes(), SignatureDigest::Sha384),
            raw(name, format!("{TEXT}\n").as_bytes(), SignatureDigest::Sha256),
        ] {
            assert_eq!(of(&wrong).unwrap(), certificate(name));
        }
    }
    let strange = raw("p384", TEXT.as_bytes(), SignatureDigest::Sha256);
    let none = "is by the key of none of the 2 certificates over this content";
    for (wrong, end) in [
        (strange.clone(), ""),
        (b"{}".to_vec(), ": it is JSON text"),
        (Vec::new(), ": there are no bytes"),
        (
            Base64::encode_string(&strange).into_bytes(),
            ": it is base64 text; base64 -d FILE >NEW decodes it, but that is by none",
        ),
    ] {
        let error = of(&wrong).unwrap_err();
        let expected = matches!(error, Error::Signing(SigningError::NotByAny { .. }));
        assert!(expected, "{error:?}");
        let said = error.to_string();
        assert!(said.contains(none) && said.contains(end), "{said}");
        assert_eq!(said.ends_with("content"), end.is_empty(), "{said}");
    }
}

/// Every spelling of some bytes that services, editors and other systems make, with a name for it.
fn spellings(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let base64 = Base64::encode_string(bytes);
    let lines = |end: &str| {
        let lines = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + end);
        lines.collect::<String>()
    };
    let hex = hex::encode(bytes);
    vec![
        ("base64", base64.clone()),
        ("lines", lines("\n")),
        ("CRLF", lines("\r\n")),
        ("BOM", format!("\u{feff}{base64}")),
        ("BOM and CRLF", format!("\u{feff}{}", lines("\r\n"))),
        ("blanks", format!("  {}\t\n", lines(" "))),
        ("unpadded", format!("{}\n", Base64Unpadded::encode_string(bytes))),
        ("base64url", Base64Url::encode_string(bytes)),
        ("base64url, unpadded", Base64UrlUnpadded::encode_string(bytes)),
        ("base64url, CRLF", format!("{}\r\n", Base64UrlUnpadded::encode_string(bytes))),
        ("hex", hex.clone()),
        ("HEX", format!("{}\n", hex.to_uppercase())),
        ("0x", format!("0x{hex}\n")),
        ("hex, CRLF", format!("{}\r\n{}\r\n", &hex[..32], &hex[32..])),
        ("hex, BOM", format!("\u{feff}0X{hex}")),
    ]
}

/// Does what a message advises with a file, by the shell; what comes of it.
fn followed(openssl: &OpenSsl, said: &str, file: &[u8]) -> Vec<u8> {
    let done = [" decodes it", " converts it"].into_iter().find_map(|end| said.rsplit_once(end));
    let command = done.and_then(|(before, _)| before.split_once("; ")).map(|(_, command)| command);
    let command = command.unwrap_or_else(|| panic!("no advice: {said}"));
    openssl.follow(command, file)
}

/// What is advised helps, however the text is spelled: a raw signature is then attached.
#[test]
fn advice_on_raw_signatures_helps() {
    let Some(openssl) = OpenSsl::find() else { return };
    if verity_testdata::oracle::require("xxd").is_none() {
        return;
    }
    for name in NAMES {
        let right = raw(name, TEXT.as_bytes(), SignatureDigest::Sha256);
        let plain = spellings(&right);
        let vault = plain.iter().filter(|(_, text)| !text.contains(['\u{feff}', ' ']));
        let vault = vault.filter(|(kind, _)| !kind.to_lowercase().starts_with(['h', '0']));
        let vault: Vec<_> = vault
            .flat_map(|(kind, text)| {
                let text = format!("vault:v3:{text}");
                [(*kind, format!("\u{feff}{text}")), (*kind, text)]
            })
            .collect();
        for (kind, text) in plain.iter().chain(&vault) {
            let said = mistake(name, text.as_bytes());
            assert!(said.contains("it is the right one, but as "), "{name} {kind}: {said}");
            let raw = followed(&openssl, &said, text.as_bytes());
            let builder = builder(name);
            let attached = builder.attach(&builder.prepare(TEXT.as_bytes()), &raw);
            assert!(attached.is_ok(), "{name} {kind} {text}: {said}");
            let (error, _) = refused(text.as_bytes(), name);
            assert!(error.to_string().ends_with("attach-signature makes a message of that"));
            assert!(followed(&openssl, &error.to_string(), text.as_bytes()) == raw, "{error}");
        }
    }
}

/// What is advised helps: the message is then one that verifies.
#[test]
fn advice_on_messages_helps() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in ["rsa2048", "p256", "p521"] {
        let message = good(name);
        let mut files = spellings(&message);
        for label in ["CMS", "PKCS7", "PKCS #7 SIGNED DATA"] {
            let pem = |end| der::pem::encode_string(label, end, &message).unwrap();
            let lines = pem(der::pem::LineEnding::LF);
            files.push((label, pem(der::pem::LineEnding::CRLF)));
            files.push((label, format!("\u{feff}{lines}")));
            files.push((label, format!("\n  {lines}")));
            files.push((label, format!("subject: somebody\n{lines}\n")));
            files.push((label, lines));
        }
        let smime = openssl.file("message", &message);
        let smime = openssl.ok("cms -cmsout -inform DER -in {} -outform SMIME", &[&smime]);
        let smime = String::from_utf8(smime).unwrap();
        files.push(("S/MIME, CRLF", smime.replace('\n', "\r\n")));
        files.push(("S/MIME", smime));
        for (kind, text) in &files {
            let (error, _) = refused(text.as_bytes(), name);
            let said = error.to_string();
            let made = followed(&openssl, &said, text.as_bytes());
            assert!(made == message, "{name} {kind}: {said}");
            let report = Lint::new().run(text.as_bytes());
            let form = report.points().iter().find(|point| point.name() == "form").unwrap();
            let (_, advice) = said.split_once("; ").unwrap();
            assert!(form.explanation().ends_with(advice), "{}", form.explanation());
        }
    }
}
