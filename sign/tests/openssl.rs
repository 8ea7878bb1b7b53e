//! openssl as the second opinion, in both directions. P34 as far as openssl goes.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod common;

use common::{NAMES, OpenSsl, TEXT, certificate, key, path, root_hash, signer};
use verity_sign::{
    Error, SignatureDigest, SignatureError, Signer, verify_detached, verify_root_hash,
};

const RSA: [&str; 3] = ["rsa2048", "rsa3072", "rsa4096"];

#[test]
fn rsa_signatures_are_byte_identical_to_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in RSA {
        for &digest in SignatureDigest::ALL {
            for embed in [false, true] {
                let ours = signer(name)
                    .with_digest(digest)
                    .unwrap()
                    .with_embedded_certificate(embed)
                    .sign_root_hash(&root_hash())
                    .unwrap();
                let nocerts = if embed { "" } else { "-nocerts" };
                let options = format!("{nocerts} -noattr -md {digest}");
                let theirs = openssl.sign("smime", name, TEXT.as_bytes(), &options);
                assert_eq!(hex::encode(&ours), hex::encode(&theirs), "{name} {options}");
            }
        }
    }
}

/// ECDSA is not deterministic: everything before the signature value is compared.
#[test]
fn ecdsa_signatures_have_the_shape_of_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (name, digest) in [("p256", "sha256"), ("p384", "sha384")] {
        let ours = signer(name).sign_root_hash(&root_hash()).unwrap();
        let options = format!("-nocerts -noattr -md {digest}");
        let theirs = openssl.sign("smime", name, TEXT.as_bytes(), &options);
        let blank = |message: &[u8]| {
            common::changed_signer(message, |signer| {
                signer.signature = der::asn1::OctetString::new([]).unwrap();
            })
        };
        assert_eq!(hex::encode(blank(&ours)), hex::encode(blank(&theirs)), "{name}");
    }
}

#[test]
fn openssl_verifies_ours() {
    let Some(openssl) = OpenSsl::find() else { return };
    let content = openssl.file("hex", TEXT.as_bytes());
    let other = openssl.file("other", &TEXT.as_bytes()[1..]);
    for name in NAMES {
        for embed in [false, true] {
            let signer = signer(name).with_embedded_certificate(embed);
            let signature = openssl.file("p7s", &signer.sign_root_hash(&root_hash()).unwrap());
            for command in ["cms", "smime"] {
                let verify = format!(
                    "{command} -verify -binary -inform DER -in {{}} -content {{}} -certfile {{}} \
                     -noverify -nointern"
                );
                let certificate = path(name, "cert");
                let out = openssl.ok(&verify, &[&signature, &content, &certificate]);
                assert_eq!(out, TEXT.as_bytes(), "{name} {command}");
                let (accepted, _, _) = openssl.run(&verify, &[&signature, &other, &certificate]);
                assert!(!accepted, "{name} {command}");
            }
        }
    }
}

#[test]
fn ours_verifies_openssl_without_attributes() {
    let Some(openssl) = OpenSsl::find() else { return };
    let combinations = RSA
        .iter()
        .flat_map(|name| ["sha256", "sha384", "sha512"].map(|digest| (*name, digest)))
        .chain(["p256", "p384"].iter().flat_map(|name| ["sha256", "sha384"].map(|md| (*name, md))));
    for (name, digest) in combinations {
        for command in ["smime", "cms"] {
            for (nocerts, embeds) in [("-nocerts", false), ("", true)] {
                let options = format!("{nocerts} -noattr -md {digest}");
                let theirs = openssl.sign(command, name, TEXT.as_bytes(), &options);
                let signed_by = verify_root_hash(&theirs, &root_hash(), &[certificate(name)])
                    .unwrap_or_else(|error| panic!("{name} {command} {options}: {error}"));
                assert_eq!(signed_by.certificate(), &certificate(name));
                assert_eq!(signed_by.digest().name(), digest);
                assert_eq!(signed_by.embeds_certificate(), embeds);
            }
        }
    }
}

fn refusal(message: &[u8], name: &str) -> SignatureError {
    match verify_root_hash(message, &root_hash(), &[certificate(name)]) {
        Err(Error::Signature(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// P20, P22: openssl's defaults have signed attributes, with S/MIME capabilities among them.
#[test]
fn p22_attributes_are_refused() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in ["rsa2048", "p256"] {
        let sign = |command, options| openssl.sign(command, name, TEXT.as_bytes(), options);
        let smime = refusal(&sign("smime", "-nocerts"), name);
        assert!(matches!(smime, SignatureError::SmimeCapabilities), "{smime}");
        assert_eq!(Error::from(smime).class().name(), "policy");
        let plain = refusal(&sign("cms", "-nocerts -nosmimecap"), name);
        assert!(matches!(plain, SignatureError::SignedAttributes), "{plain}");
    }
}

/// What else openssl makes and the kernel may even take, but this crate does not.
#[test]
fn other_shapes_by_openssl_are_refused() {
    let Some(openssl) = OpenSsl::find() else { return };
    let sign = |command, options| openssl.sign(command, "rsa2048", TEXT.as_bytes(), options);
    let refused = |message: Vec<u8>| refusal(&message, "rsa2048");

    let keyid = refused(sign("cms", "-noattr -nocerts -keyid"));
    assert!(matches!(keyid, SignatureError::SubjectKeyIdentifier), "{keyid}");
    let p06 = refused(sign("smime", "-noattr -nocerts -nodetach"));
    assert!(matches!(p06, SignatureError::EmbeddedContent), "{p06}");
    let p16_pss = refused(sign("cms", "-noattr -nocerts -keyopt rsa_padding_mode:pss"));
    assert!(matches!(p16_pss, SignatureError::UnsupportedAlgorithm { .. }), "{p16_pss}");
    let p16_sha1 = refused(sign("cms", "-noattr -nocerts -md sha1"));
    assert!(matches!(p16_sha1, SignatureError::UnsupportedAlgorithm { .. }), "{p16_sha1}");
    let p24_ber = refused(sign("cms", "-noattr -nocerts -stream"));
    assert!(matches!(p24_ber, SignatureError::Malformed { .. }), "{p24_ber}");

    let pem = openssl.file("pem", b"");
    let content = openssl.file("content", TEXT.as_bytes());
    openssl.ok(
        "cms -sign -binary -noattr -nocerts -outform PEM -in {} -inkey {} -signer {} -out {}",
        &[&content, &path("rsa2048", "key"), &path("rsa2048", "cert"), &pem],
    );
    let pem = refused(std::fs::read(pem).unwrap());
    assert!(matches!(pem, SignatureError::Pem), "{pem}");

    let p07_certs_only =
        openssl.ok("crl2pkcs7 -nocrl -certfile {} -outform DER", &[&path("rsa2048", "cert")]);
    let p07 = refused(p07_certs_only);
    assert!(matches!(p07, SignatureError::Signers { actual: 0 } | SignatureError::Crls), "{p07}");

    let p08 = openssl.ok(
        "cms -sign -binary -noattr -nocerts -outform DER -in {} -inkey {} -signer {} \
         -inkey {} -signer {}",
        &[
            &content,
            &path("rsa2048", "key"),
            &path("rsa2048", "cert"),
            &path("other", "key"),
            &path("other", "cert"),
        ],
    );
    let p08 = refused(p08);
    assert!(matches!(p08, SignatureError::Signers { actual: 2 }), "{p08}");
}

/// P05 by openssl: the hints must name what people really do.
#[test]
fn p05_hints_name_the_mistake() {
    let Some(openssl) = OpenSsl::find() else { return };
    let upper = TEXT.to_ascii_uppercase();
    let cases: [(Vec<u8>, &str); 7] = [
        (format!("{TEXT}\n").into(), "newline at the end"),
        (format!("{TEXT}\r\n").into(), "CR LF"),
        (upper.clone().into(), "upper-case hex"),
        (format!("{upper}\n").into(), "upper-case hex with a newline"),
        (hex::decode(TEXT).unwrap(), "raw digest"),
        (format!("sha256:{TEXT}").into(), "algorithm's name"),
        (b"something else".to_vec(), ""),
    ];
    for (content, hint) in cases {
        for name in ["rsa2048", "p384"] {
            let error = refusal(
                &openssl.sign("smime", name, &content, "-noattr -nocerts -md sha256"),
                name,
            );
            let SignatureError::Mismatch { content: "root hash", signed_instead } = error else {
                panic!("{error}");
            };
            assert_eq!(signed_instead.is_some(), !hint.is_empty());
            assert!(signed_instead.unwrap_or_default().contains(hint), "{signed_instead:?}");
            assert_eq!(Error::from(error).class().name(), "signature");
        }
    }
}

/// P10: another certificate with the trusted one's issuer and serial number.
#[test]
fn p10_a_certificate_of_the_same_name_is_not_trusted() {
    let Some(openssl) = OpenSsl::find() else { return };
    let twin = openssl.dir.path().join("twin.pem");
    let subject = "/O=TEST KEY DO NOT USE/CN=verity test rsa2048";
    let status = std::process::Command::new("openssl")
        .args(["req", "-x509", "-new", "-set_serial", "0x1001", "-subj", subject, "-key"])
        .arg(path("other", "key"))
        .arg("-out")
        .arg(&twin)
        .status()
        .unwrap();
    assert!(status.success());
    let twin = verity_sign::Certificate::parse(&std::fs::read(twin).unwrap()).unwrap();
    let pinned = certificate("rsa2048");
    assert_eq!((twin.issuer(), twin.serial()), (pinned.issuer(), pinned.serial()));

    let attacker = Signer::new(key("other"), twin.clone()).unwrap();
    for embed in [false, true] {
        let attacker = Signer::new(key("other"), twin.clone()).unwrap();
        let forged =
            attacker.with_embedded_certificate(embed).sign_root_hash(&root_hash()).unwrap();
        let error = refusal(&forged, "rsa2048");
        assert!(matches!(error, SignatureError::Mismatch { .. }), "{error}");
    }
    // The trusted key's own signature with the twin in place of its certificate.
    let embedding = attacker.with_embedded_certificate(true).sign_root_hash(&root_hash()).unwrap();
    let certificates = common::decode(&embedding).certificates;
    let good = signer("rsa2048").sign_root_hash(&root_hash()).unwrap();
    let mixed = common::changed(&good, |data| data.certificates = certificates);
    let error = refusal(&mixed, "rsa2048");
    assert!(matches!(error, SignatureError::ForeignCertificate), "{error}");
    assert_eq!(Error::from(error).class().name(), "trust");

    // Where both are pinned, the one whose key holds is named.
    let both = [twin.clone(), pinned.clone()];
    let signed_by = verify_root_hash(&good, &root_hash(), &both).unwrap();
    assert_eq!(signed_by.certificate(), &pinned);
}

#[test]
fn manifest_signatures_pass_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    let content = b"{\"any\":\"bytes\"}\n\r\n\0end";
    let file = openssl.file("manifest", content);
    for name in NAMES {
        let message = signer(name).sign_detached(content).unwrap();
        verify_detached(&message, content, &[certificate(name)]).unwrap();
        let message = openssl.file("p7s", &message);
        openssl.ok(
            "cms -verify -binary -inform DER -in {} -content {} -certfile {} -noverify -nointern",
            &[&message, &file, &path(name, "cert")],
        );
    }
}
