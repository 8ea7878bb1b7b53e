//! The lint against what a real kernel did (Linux 6.12): each row is a signature that was put
//! before it, and its answer. openssl makes the messages that this crate does not make.

use std::fs;
use std::path::PathBuf;

use crate::common::{
    self, NAMES, OpenSsl, TEXT, certificate, certificate_file, changed, der_of, embedding, good,
    key_file, path, root_hash,
};
use cms::signed_data::SignerInfos;
use num_bigint::BigUint;
use proptest::prelude::*;
use verity_sign::SignatureBuilder;
use verity_sign::lint::{
    Accepted, EnrolledCertificate, KEYRINGS, KernelError, Lint, Prediction, Status, predict,
};
use verity_testdata::der::Node;

fn enrolled(name: &str) -> EnrolledCertificate {
    EnrolledCertificate::parse(&certificate_file(name)).unwrap()
}

/// The kernel's answer to a signature of `TEXT` with these certificates enrolled.
fn answer(message: &[u8], keyring: &[EnrolledCertificate]) -> &'static str {
    match predict(message, TEXT, keyring) {
        Prediction::Accepted => "accepted",
        Prediction::Refused(error) => error.name(),
        Prediction::Unknown => "unknown",
    }
}

/// A throw-away key and its certificate, in files.
struct Made {
    key: PathBuf,
    certificate: PathBuf,
}

impl Made {
    /// A self-signed certificate with more options.
    fn new(openssl: &OpenSsl, name: &str, key: &str, options: &str) -> Made {
        let made = Made::files(openssl, name);
        openssl.ok(&format!("genpkey {key} -out {{}}"), &[&made.key]);
        let request = format!(
            "req -x509 -new -key {{}} -subj /O=verity/CN={name} -days 30 -out {{}} {options}"
        );
        openssl.ok(&request, &[&made.key, &made.certificate]);
        made
    }

    /// A certificate that `issuer` has signed.
    fn issued(openssl: &OpenSsl, name: &str, issuer: &Made, extensions: &str) -> Made {
        let made = Made::files(openssl, name);
        openssl.ok(&format!("genpkey {EC} -out {{}}"), &[&made.key]);
        let request = openssl.file(&format!("{name}.csr"), b"");
        let line = format!("req -new -key {{}} -subj /O=verity/CN={name} -out {{}}");
        openssl.ok(&line, &[&made.key, &request]);
        let extensions = openssl.file(&format!("{name}.ext"), extensions.as_bytes());
        openssl.ok(
            "x509 -req -in {} -CA {} -CAkey {} -days 30 -extfile {} -out {}",
            &[&request, &issuer.certificate, &issuer.key, &extensions, &made.certificate],
        );
        made
    }

    fn files(openssl: &OpenSsl, name: &str) -> Made {
        let file = |kind| openssl.dir.path().join(format!("{name}.{kind}"));
        Made { key: file("key"), certificate: file("cert") }
    }

    fn enrolled(&self) -> EnrolledCertificate {
        EnrolledCertificate::parse(&fs::read(&self.certificate).unwrap()).unwrap()
    }

    fn sign(&self, openssl: &OpenSsl, command: &str, options: &str) -> Vec<u8> {
        let content = openssl.file("content", TEXT.as_bytes());
        openssl.ok(
            &format!(
                "{command} -sign -binary -outform DER -in {{}} -inkey {{}} -signer {{}} {options}"
            ),
            &[&content, &self.key, &self.certificate],
        )
    }
}

const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn ours_are_accepted_where_the_key_is_enrolled() {
    for name in NAMES {
        for message in [good(name), embedding(name)] {
            assert_eq!(answer(&message, &[enrolled(name)]), "accepted", "{name}");
            assert_eq!(answer(&message, &NAMES.map(enrolled)), "accepted", "{name}");
            assert_eq!(answer(&message, &[]), "ENOKEY", "{name}");
            assert_eq!(answer(&message, &[enrolled("other")]), "ENOKEY", "{name}");
            let report = Lint::new().root_hash(TEXT).run(&message);
            assert_eq!(report.accepted(), Accepted::Unknown);
            assert!(report.assumptions()[0].contains("keyring"), "{:?}", report.assumptions());
            let report = Lint::new().keyring(&[enrolled(name)]).run(&message);
            assert_eq!(report.accepted(), Accepted::Unknown, "{name}");
            assert!(report.assumptions()[0].contains("root hash"), "{:?}", report.assumptions());
            let since = match name {
                "p256" | "p384" => "5.14",
                "p521" => "6.10",
                _ => "5.4",
            };
            assert_eq!(report.since(), since);
        }
    }
}

/// An expired certificate, and one key under two names.
#[test]
fn dates_and_usage_do_not_matter_to_the_kernel() {
    let builder = verity_sign::SignatureBuilder::new(common::certificate("expired"))
        .with_embedded_certificate(true);
    let expired = verity_sign::Signatory::new(common::key("rsa2048"), builder).unwrap();
    let message = expired.sign_root_hash(&root_hash()).unwrap();
    let keyring = [enrolled("expired")];
    let lint = Lint::new().root_hash(TEXT).keyring(&keyring).now(1_800_000_000);
    let report = lint.run(&message);
    assert_eq!(report.accepted(), Accepted::Yes);
    let warned = report
        .points()
        .iter()
        .any(|point| point.status() == Status::Warn && point.explanation().contains("has expired"));
    assert!(warned, "{report:?}");
}

#[test]
fn what_openssl_makes_without_attributes() {
    let Some(openssl) = OpenSsl::find() else { return };
    let digests =
        ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"];
    for digest in digests {
        for (name, command) in
            [("rsa2048", "cms"), ("rsa4096", "smime"), ("p256", "cms"), ("p384", "cms")]
        {
            if command == "smime" && digest.starts_with("sha3") {
                continue;
            }
            let options = format!("-nocerts -noattr -md {digest}");
            let content = openssl.file("content", TEXT.as_bytes());
            let line = format!(
                "{command} -sign -binary -outform DER -in {{}} -inkey {{}} -signer {{}} {options}"
            );
            let (made, message, _) =
                openssl.run(&line, &[&content, &path(name, "key"), &path(name, "cert")]);
            // openssl 3.0 does not make every combination.
            if !made {
                continue;
            }
            assert_eq!(answer(&message, &[enrolled(name)]), "accepted", "{name} {digest}");
            assert_eq!(answer(&message, &[enrolled("other")]), "ENOKEY", "{name} {digest}");
        }
    }
    for digest in ["md5", "ripemd160"] {
        let message = openssl.sign(
            "cms",
            "rsa2048",
            TEXT.as_bytes(),
            &format!("-nocerts -noattr -md {digest}"),
        );
        assert_eq!(answer(&message, &[enrolled("rsa2048")]), "ENOPKG", "{digest}");
    }
}

#[test]
fn the_rows_of_the_kernels_table() {
    let Some(openssl) = OpenSsl::find() else { return };
    let rsa = [enrolled("rsa2048")];
    let sign =
        |command: &str, options: &str| openssl.sign(command, "rsa2048", TEXT.as_bytes(), options);
    for (command, options, expected) in [
        ("smime", "-nocerts", "EKEYREJECTED"),
        ("smime", "", "EKEYREJECTED"),
        ("cms", "-nosmimecap", "accepted"),
        ("cms", "-nosmimecap -nocerts", "accepted"),
        ("cms", "-nosmimecap -cades", "accepted"),
        ("cms", "-keyid -noattr -nocerts", "accepted"),
        ("cms", "-keyid -noattr", "accepted"),
        ("cms", "-noattr", "accepted"),
        ("smime", "-noattr -nodetach", "EBADMSG"),
        ("cms", "-noattr -nodetach -nocerts", "EBADMSG"),
        ("cms", "-noattr -nocerts -keyopt rsa_padding_mode:pss", "ENOPKG"),
        ("cms", "-noattr -econtent_type pkcs7-digestData", "EINVAL"),
    ] {
        let message = sign(command, options);
        assert_eq!(answer(&message, &rsa), expected, "{command} {options}");
        if expected == "accepted" {
            assert_eq!(answer(&message, &[]), "ENOKEY", "{command} {options}");
            assert_eq!(answer(&message, &[enrolled("other")]), "ENOKEY", "{command} {options}");
            let other = "1".repeat(64);
            let refused = predict(&message, &other, &rsa);
            assert_eq!(refused, Prediction::Refused(KernelError::Keyrejected), "{options}");
        }
    }
    // Indefinite lengths, by openssl.
    let stream = openssl.sign("cms", "rsa2048", TEXT.as_bytes(), "-noattr -nocerts -stream");
    let content_inside = answer(&stream, &rsa);
    assert!(["accepted", "EBADMSG"].contains(&content_inside), "{content_inside}");

    for (content, options) in [
        (format!("{TEXT}\n").into_bytes(), "a newline"),
        (TEXT.to_ascii_uppercase().into_bytes(), "in upper case"),
        (hex::decode(TEXT).unwrap(), "the binary hash"),
    ] {
        for certificates in ["-nocerts", ""] {
            let message =
                openssl.sign("smime", "rsa2048", &content, &format!("-noattr {certificates}"));
            let report = Lint::new().root_hash(TEXT).keyring(&rsa).run(&message);
            assert_eq!(report.error(), Some(KernelError::Keyrejected), "{options}");
            let words = report.refusal().unwrap().explanation();
            assert!(words.contains(options), "{words}");
        }
    }
    // Upper case in the table too.
    let message = openssl.sign("smime", "rsa2048", TEXT.to_ascii_uppercase().as_bytes(), "-noattr");
    let upper = TEXT.to_ascii_uppercase();
    assert_eq!(predict(&message, &upper, &rsa), Prediction::Accepted);
}

/// P14: the kernel holds a signing time against the embedded certificate's dates; here it is an
/// attribute too many.
#[test]
fn p14_a_signing_time_outside_the_dates() {
    use const_oid::db::rfc5911;
    use der::asn1::{OctetString, SetOfVec};
    use der::{Any, Encode, Tag};
    let attribute = |oid, value| x509_cert::attr::Attribute {
        oid,
        values: SetOfVec::try_from(vec![value]).unwrap(),
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, TEXT.as_bytes());
    let digest = Any::encode_from(&OctetString::new(digest.as_ref()).unwrap()).unwrap();
    for (time, expected) in [
        ("260101000000Z", "accepted"),
        ("251231235959Z", "EKEYREJECTED"),
        ("990101000000Z", "EKEYREJECTED"),
    ] {
        let time = Any::new(Tag::UtcTime, time.as_bytes()).unwrap();
        let attributes = SetOfVec::try_from(vec![
            attribute(rfc5911::ID_CONTENT_TYPE, Any::encode_from(&rfc5911::ID_DATA).unwrap()),
            attribute(rfc5911::ID_MESSAGE_DIGEST, digest.clone()),
            attribute(rfc5911::ID_SIGNING_TIME, time),
        ])
        .unwrap();
        for (embed, expected) in [(true, expected), (false, "accepted")] {
            let signatory = common::embedding_signatory("rsa2048", embed);
            let signed = signatory.sign_detached(&attributes.to_der().unwrap()).unwrap();
            let message = common::changed_signer(&signed, |info| {
                info.signed_attrs = Some(attributes.clone())
            });
            assert_eq!(answer(&message, &[enrolled("rsa2048")]), expected);
            let pinned = [common::certificate("rsa2048")];
            assert!(verity_sign::verify_root_hash(&message, &root_hash(), &pinned).is_err());
        }
    }
}

#[test]
fn encodings() {
    let rsa = [enrolled("rsa2048")];
    let message = good("rsa2048");
    assert_eq!(answer(&[message.clone(), vec![0]].concat(), &rsa), "accepted");
    assert_eq!(answer(&[message.clone(), b"garbage".to_vec()].concat(), &rsa), "accepted");
    assert_eq!(answer(&message[..message.len() - 1], &rsa), "EBADMSG");
    assert_eq!(answer(b"", &rsa), "EINVAL");
    assert_eq!(answer(&[0x42; 256], &rsa), "EBADMSG");
    assert_eq!(answer(b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n", &rsa), "EBADMSG");
    let mut large = message.clone();
    large.resize(32_768, 0);
    assert_eq!(answer(&large, &rsa), "EINVAL");
    large.truncate(32_767);
    assert_eq!(answer(&large, &rsa), "accepted");

    // BER: indefinite lengths outside, and a length of more octets than needed.
    let mut tree = Node::parse(&message);
    tree.indefinite();
    tree.at(&[1]).indefinite();
    tree.at(&[1, 0]).indefinite();
    tree.at(&[1, 0, 3]).indefinite();
    tree.at(&[1, 0, 3, 0]).indefinite();
    assert_eq!(answer(&tree.encode(), &rsa), "accepted");
    let mut tree = Node::parse(&message);
    let value = tree.at(&[1, 0, 3, 0, 4]);
    *value = Node::LongLength(4, value.bytes(), 3);
    assert_eq!(answer(&tree.encode(), &rsa), "EBADMSG");
    let mut tree = Node::parse(&message);
    let serial = tree.at(&[1, 0, 0]);
    *serial = Node::LongLength(2, serial.bytes(), 2);
    assert_eq!(answer(&tree.encode(), &rsa), "accepted");
    // A constructed octet string is no octet string there.
    let mut tree = Node::parse(&message);
    let value = tree.at(&[1, 0, 3, 0, 4]);
    *value = Node::Constructed(0x24, vec![Node::Primitive(4, value.bytes())]);
    assert_eq!(answer(&tree.encode(), &rsa), "EBADMSG");
    // But a sequence without its bit is one.
    let mut bytes = message.clone();
    bytes[0] = 0x10;
    assert_eq!(answer(&bytes, &rsa), "accepted");
}

#[test]
fn versions_algorithms_and_signers() {
    use cms::content_info::CmsVersion::{V0, V1, V3};
    let rsa = [enrolled("rsa2048")];
    let message = good("rsa2048");
    for (data, signer, expected) in [
        (V1, V1, "accepted"),
        (V3, V1, "EBADMSG"),
        (V1, V3, "EBADMSG"),
        // Version 3 wants a key identifier, and there is none.
        (V3, V3, "EINVAL"),
        (V0, V1, "EINVAL"),
        (V1, V0, "EINVAL"),
    ] {
        let message = common::changed_signer(&message, |info| info.version = signer);
        let message = changed(&message, |signed| signed.version = data);
        assert_eq!(answer(&message, &rsa), expected, "{data:?} {signer:?}");
    }
    for (oid, expected) in [
        ("1.2.840.113549.1.1.11", "ENOPKG"),
        ("1.2.840.113549.1.1.10", "ENOPKG"),
        ("1.3.101.112", "ENOPKG"),
        ("2.16.840.1.101.3.4.3.18", "ENOPKG"),
        // An algorithm of another family than the key.
        ("1.2.840.10045.4.3.2", "EKEYREJECTED"),
    ] {
        let oid = const_oid::ObjectIdentifier::new(oid).unwrap();
        let message = common::changed_signer(&message, |info| info.signature_algorithm.oid = oid);
        assert_eq!(answer(&message, &rsa), expected, "{oid}");
    }
    // ecdsa-with-SHA384 over a SHA-256 digest: only the digest's own name counts.
    let message = common::changed_signer(&good("p256"), |info| {
        info.signature_algorithm.oid = const_oid::db::rfc5912::ECDSA_WITH_SHA_384;
    });
    assert_eq!(answer(&message, &[enrolled("p256")]), "accepted");

    let signers = |names: [&str; 2]| {
        let infos =
            names.map(|name| common::decode(&good(name)).signer_infos.0.as_slice()[0].clone());
        changed(&good("rsa2048"), |data| {
            data.signer_infos = SignerInfos::try_from(infos.to_vec()).unwrap();
        })
    };
    let two = signers(["rsa2048", "other"]);
    assert_eq!(answer(&two, &rsa), "accepted");
    assert_eq!(answer(&two, &[enrolled("other")]), "accepted");
    assert_eq!(answer(&two, &[enrolled("rsa2048"), enrolled("other")]), "accepted");
    assert_eq!(answer(&two, &[enrolled("p256")]), "ENOKEY");
    let none = changed(&good("rsa2048"), |data| {
        data.signer_infos = SignerInfos::try_from(vec![]).unwrap();
    });
    // A set of nothing does not decode; a message without the set has no signer.
    assert_eq!(answer(&none, &rsa), "EBADMSG");
    let mut tree = Node::parse(&good("rsa2048"));
    tree.at(&[1, 0]).children().pop();
    assert_eq!(answer(&tree.encode(), &rsa), "EINVAL");
    let mut tree = Node::parse(&good("rsa2048"));
    tree.children().pop();
    assert_eq!(answer(&tree.encode(), &rsa), "EINVAL");
}

/// The parser knows SM3 and Streebog, the kernel is built without them: its error is ENOPKG,
/// whatever the key, and with a signer of that kind it does not ask `.platform` for the key of
/// another.
#[test]
fn digests_that_the_kernel_is_built_without() {
    for oid in ["1.2.156.10197.1.401", "1.2.643.7.1.1.2.2", "1.2.643.7.1.1.2.3"] {
        let oid = const_oid::ObjectIdentifier::new(oid).unwrap();
        let without =
            |message: &[u8]| common::changed_signer(message, |info| info.digest_alg.oid = oid);
        for name in ["rsa2048", "p256"] {
            for message in [good(name), embedding(name)] {
                assert_eq!(answer(&without(&message), &[enrolled(name)]), "ENOPKG", "{name} {oid}");
                assert_eq!(answer(&without(&message), &[]), "ENOPKG", "{name} {oid}");
            }
        }
        let infos = [without(&good("p256")), good("rsa2048")]
            .map(|message| common::decode(&message).signer_infos.0.as_slice()[0].clone());
        let two = changed(&good("rsa2048"), |data| {
            data.signer_infos = SignerInfos::try_from(infos.to_vec()).unwrap();
        });
        let keyring = [enrolled("rsa2048")];
        let report = Lint::new().root_hash(TEXT).platform_keyring(&keyring).run(&two);
        assert_eq!(report.error(), Some(KernelError::Nopkg), "{oid}");
        let report = Lint::new().root_hash(TEXT).keyring(&keyring).run(&two);
        assert_eq!(report.accepted(), Accepted::Unknown, "{oid}");
        assert!(report.assumptions()[0].contains(".platform"), "{:?}", report.assumptions());
        assert_eq!(answer(&two, &[enrolled("p256")]), "ENOPKG", "{oid}");
    }
}

/// Same issuer and serial number, another key.
#[test]
fn a_key_of_the_same_name() {
    let Some(openssl) = OpenSsl::find() else { return };
    let twin = openssl.dir.path().join("twin.pem");
    let line = "req -x509 -new -set_serial 0x1001 -config {} -key {} -out {}";
    let config = b"[req]\nprompt=no\ndistinguished_name=dn\n\
                   [dn]\nO=TEST KEY DO NOT USE\nCN=verity test rsa2048\n";
    let config = openssl.file("twin.cnf", config);
    openssl.ok(line, &[&config, &path("other", "key"), &twin]);
    let twin = EnrolledCertificate::parse(&fs::read(twin).unwrap()).unwrap();
    assert_eq!(answer(&good("rsa2048"), &[twin]), "EKEYREJECTED");
}

#[test]
fn curves_and_certificates_that_are_not_loaded() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (curve, digest) in [("P-521", "sha512"), ("P-521", "sha256"), ("prime192v1", "sha256")] {
        let key = format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
        let made = Made::new(&openssl, &format!("{curve}{digest}"), &key, "");
        let message = made.sign(&openssl, "cms", &format!("-noattr -nocerts -md {digest}"));
        assert_eq!(answer(&message, &[made.enrolled()]), "accepted", "{curve}");
        assert_eq!(answer(&message, &[enrolled("p256")]), "ENOKEY", "{curve}");
    }
    let ed25519 = Made::new(&openssl, "ed", "-algorithm ED25519", "");
    let secp256k1 =
        Made::new(&openssl, "k1", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "");
    let message = secp256k1.sign(&openssl, "cms", "-noattr -nocerts");
    assert_eq!(answer(&message, &[secp256k1.enrolled()]), "ENOKEY");
    let message = secp256k1.sign(&openssl, "cms", "-noattr");
    assert_eq!(answer(&message, &[secp256k1.enrolled()]), "ENOPKG");
    let keyring = [ed25519.enrolled(), enrolled("p256")];
    let report = Lint::new().root_hash(TEXT).keyring(&keyring).run(&good("p256"));
    assert_eq!(report.accepted(), Accepted::Yes);
    let warned = report.points().iter().any(|point| point.explanation().contains("Ed25519"));
    assert!(warned, "{report:?}");

    let plain = Made::new(&openssl, "noski", EC, "-addext subjectKeyIdentifier=none");
    let message = plain.sign(&openssl, "cms", "-noattr");
    assert_eq!(answer(&message, &[plain.enrolled()]), "accepted");
    let usage = Made::new(&openssl, "usage", EC, "-addext keyUsage=keyCertSign");
    let message = usage.sign(&openssl, "cms", "-noattr");
    assert_eq!(answer(&message, &[usage.enrolled()]), "accepted");
}

/// A leaf under an intermediate under a root; only what is embedded leads to what is enrolled.
#[test]
fn chains() {
    let Some(openssl) = OpenSsl::find() else { return };
    let ca = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n\
              authorityKeyIdentifier=keyid\n";
    let leaf = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
    let root = Made::new(&openssl, "root", EC, "");
    let middle = Made::issued(&openssl, "middle", &root, ca);
    let leaf = Made::issued(&openssl, "leaf", &middle, leaf);
    let with = |certificates: &[&Made]| {
        let pem: Vec<u8> =
            certificates.iter().flat_map(|made| fs::read(&made.certificate).unwrap()).collect();
        let bundle = openssl.file("bundle.pem", &pem);
        let content = openssl.file("content", TEXT.as_bytes());
        openssl.ok(
            "cms -sign -binary -noattr -outform DER -in {} -inkey {} -signer {} -certfile {}",
            &[&content, &leaf.key, &leaf.certificate, &bundle],
        )
    };
    let bare = leaf.sign(&openssl, "cms", "-noattr -nocerts");
    let alone = leaf.sign(&openssl, "cms", "-noattr");
    let whole = with(&[&middle]);
    let all = with(&[&middle, &root]);
    let keyrings = [[leaf.enrolled()], [middle.enrolled()], [root.enrolled()]];
    for (message, expected) in [
        (bare, ["accepted", "ENOKEY", "ENOKEY"]),
        (alone, ["accepted", "accepted", "ENOKEY"]),
        (whole, ["accepted", "accepted", "accepted"]),
        (all, ["accepted", "accepted", "accepted"]),
    ] {
        for (keyring, expected) in keyrings.iter().zip(expected) {
            assert_eq!(answer(&message, keyring), expected);
        }
        assert_eq!(answer(&message, &[]), "ENOKEY");
    }
}

#[test]
fn every_failing_point_is_named() {
    let Some(openssl) = OpenSsl::find() else { return };
    // Wrong text, S/MIME capabilities and an algorithm that is not known, in one message.
    let message = openssl.sign("smime", "rsa2048", b"something else", "-nocerts");
    let message = common::changed_signer(&message, |info| {
        info.signature_algorithm.oid =
            const_oid::ObjectIdentifier::new("1.2.840.113549.1.1.11").unwrap();
    });
    let report = Lint::new().root_hash(TEXT).keyring(&[enrolled("rsa2048")]).run(&message);
    let failing: Vec<_> = report
        .points()
        .iter()
        .filter(|point| point.status() == Status::Fail)
        .map(|point| (point.name(), point.error().unwrap().name()))
        .collect();
    assert_eq!(
        failing,
        [
            ("signed-attributes", "EKEYREJECTED"),
            ("signature-algorithm", "ENOPKG"),
            ("signed-text", "EKEYREJECTED"),
        ]
    );
    let message = report.refusal().unwrap().kernel_message().unwrap();
    assert_eq!(message, "PKCS7: S/MIME Caps only allowed with Authenticode");
    assert_eq!(KEYRINGS.len(), 4);
}

/// The kernel's words, where they depend on the message.
#[test]
fn what_the_kernel_logs() {
    let Some(openssl) = OpenSsl::find() else { return };
    let logged = |message: &[u8]| {
        let report = Lint::new().root_hash(TEXT).keyring(&[enrolled("rsa2048")]).run(message);
        report.refusal().unwrap().kernel_message().map(str::to_owned)
    };
    let sign = |options: &str| openssl.sign("cms", "rsa2048", b"something else", options);
    assert_eq!(logged(&sign("-noattr")), None);
    let other = sign("-nosmimecap");
    assert_eq!(logged(&other).unwrap(), "PKCS7: Sig 1: Message digest doesn't match");
    let mut message = Node::parse(&embedding("rsa2048"));
    let sha384 = Node::Primitive(6, hex::decode("2a864886f70d01010c").unwrap());
    *message.at(&[1, 0, 3, 0, 1, 0]) = sha384;
    assert_eq!(logged(&message.encode()).unwrap(), "X.509: signatureAlgorithm");
}

/// The kernel refuses a number that is too long before it sees that the next one is broken.
#[test]
fn numbers_are_judged_as_they_are_read() {
    let mut message = Node::parse(&embedding("p256"));
    let last = message.at(&[1, 0]).children().len() - 1;
    let value = message.at(&[1, 0, last, 0, 4]);
    let mut bytes = value.bytes();
    bytes[3] = 40;
    *value = Node::Primitive(4, bytes);
    assert_eq!(answer(&message.encode(), &[enrolled("p256")]), "EINVAL");
    // An empty modulus, and an exponent of which there is too little.
    let mut message = Node::parse(&embedding("rsa2048"));
    *message.at(&[1, 0, 3, 0, 0, 6, 1]) = Node::Primitive(3, vec![0, 0x30, 4, 2, 0, 2, 5]);
    assert_eq!(answer(&message.encode(), &[enrolled("rsa2048")]), "EINVAL");
}

/// What is in the basic constraints counts: nothing, or first that it is a CA.
#[test]
fn basic_constraints() {
    for (value, expected) in [
        ("3000", "accepted"), // What it is.
        ("30030101ff", "EKEYREJECTED"),
        ("30060101ff020100", "EKEYREJECTED"),
        ("3003010100", "EBADMSG"),
        ("3003010101", "EBADMSG"),
        ("3003020100", "EBADMSG"),
        ("3002", "EBADMSG"),
    ] {
        let mut message = Node::parse(&embedding("p256"));
        let tbs = message.at(&[1, 0, 3, 0, 0]).children();
        let extensions = tbs.last_mut().unwrap().at(&[0]).children();
        let constraints = Node::Primitive(6, hex::decode("551d13").unwrap()).encode();
        let mut all = extensions.iter_mut().map(Node::children);
        let one = all.find(|extension| extension[0].encode() == constraints).unwrap();
        *one.last_mut().unwrap() = Node::Primitive(4, hex::decode(value).unwrap());
        // A good one only makes the certificate's own signature wrong.
        assert_eq!(answer(&message.encode(), &[enrolled("p256")]), expected, "{value}");
    }
}

/// What the crate's own verifier accepts, the kernel takes: never the other way round.
#[test]
fn the_verifier_is_stricter_than_the_prediction() {
    for name in NAMES {
        let message = embedding(name);
        let (pinned, keyring) = ([common::certificate(name)], [enrolled(name)]);
        let mut lenient = 0;
        for bit in 0..message.len() * 8 {
            // The lint's arithmetic is unhurried, and a flip may lead through it several times.
            if bit % (if name == "p256" { 3 } else { 61 }) != 0 {
                continue;
            }
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let strict = verity_sign::verify_root_hash(&flipped, &root_hash(), &pinned).is_ok();
            let kernel = answer(&flipped, &keyring) == "accepted";
            assert!(!strict || kernel, "{name}: bit {bit}");
            lenient += usize::from(kernel);
        }
        println!("{name}: the kernel would take {lenient} of the flips");
    }
}

/// R03: the kernel verifies every signer, and a public key may have an exponent as long as its
/// modulus. What takes too much work is not done, and nothing is claimed then.
#[test]
fn r03_many_signers_with_long_exponents_take_bounded_work() {
    let file = der_of(&key_file("rsa4096"));
    let mut key = Node::parse(&Node::parse(&file).at(&[2]).bytes());
    let mut number = |index: usize| BigUint::from_bytes_be(&key.at(&[index]).bytes());
    let (modulus, public, private) = (number(1), number(2), number(3));
    // The two exponents change places: e is the long one.
    let info = SignatureBuilder::new(certificate("rsa4096")).prepare(TEXT.as_bytes()).digest_info();
    let padded = [&[0, 1], vec![0xff; 509 - info.len()].as_slice(), &[0], &info].concat();
    let signature = BigUint::from_bytes_be(&padded).modpow(&public, &modulus).to_bytes_be();
    let signature = [vec![0; 512 - signature.len()], signature].concat();
    let key = [modulus, private].map(|n| Node::Primitive(2, [vec![0], n.to_bytes_be()].concat()));
    let key = [vec![0], Node::Constructed(0x30, key.to_vec()).encode()].concat();
    let mut message = Node::parse(&embedding("rsa4096"));
    let certificate = message.at(&[1, 0, 3, 0, 0]);
    // No longer its own issuer, whose signature would have to hold.
    *certificate.at(&[5, 0, 0, 1]) = Node::Primitive(0x0c, b"x".to_vec());
    *certificate.at(&[6, 1]) = Node::Primitive(3, key);
    let signers = message.at(&[1, 0, 4]).children();
    *signers[0].at(&[4]) = Node::Primitive(4, signature);
    let signer = signers[0].clone();
    let with = |count: usize| {
        let mut message = message.clone();
        *message.at(&[1, 0, 4]).children() = vec![signer.clone(); count];
        message.encode()
    };
    let keyring = [enrolled("p256")];
    // The signature holds, and its key is in no keyring.
    assert_eq!(answer(&with(1), &keyring), "ENOKEY");
    let many = with(45);
    assert!(many.len() <= 32_767);
    assert_eq!(answer(&many, &keyring), "unknown");
    let report = Lint::new().root_hash(TEXT).keyring(&keyring).run(&many);
    assert_eq!(report.accepted(), Accepted::Unknown);
    assert!(report.assumptions().iter().any(|words| words.contains("public-key operations")));
    // As many honest ones are judged.
    let mut message = Node::parse(&good("rsa4096"));
    let signer = message.at(&[1, 0, 3]).children()[0].clone();
    *message.at(&[1, 0, 3]).children() = vec![signer; 45];
    assert_eq!(answer(&message.encode(), &[enrolled("rsa4096")]), "accepted");
}

proptest! {
    /// Total: any bytes, and any damage to a message.
    #[test]
    fn nothing_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in 0..NAMES.len(),
    ) {
        let mut message = embedding(NAMES[which]);
        for (index, byte) in changes {
            let index = index.index(message.len());
            message[index] = byte;
        }
        for message in [bytes, message] {
            let keyring = [EnrolledCertificate::from_der(message.clone()), enrolled("p256")];
            let _ = predict(&message, TEXT, &keyring);
            let told = Lint::new().run(&message);
            // Assumptions never turn a refusal into anything else.
            prop_assert_eq!(told.accepted() == Accepted::No, told.error().is_some());
        }
    }
}
