//! Files with keys and certificates: which object is taken where there are several, and what is
//! said of files in another form. The codes in names are those of `docs/ATTACKS.md`.

use std::fs;

use crate::common::{
    NAMES, OpenSsl, certificate, certificate_error, certificate_file, der_of, key, key_error,
    key_file, path, works,
};
use verity_sign::{
    Certificate, CertificateBundle, CertificateError, Class, Error, InputError, KeyError, KeyType,
    PrivateKey, SignatureBuilder, Signer, lint::EnrolledCertificate,
};
use verity_testdata::der::tlv;

#[test]
fn k08_exactly_one_object_in_a_file() {
    let (one, other) = (key_file("rsa2048"), key_file("p256"));
    for file in [[one.clone(), other.clone()].concat(), [one.clone(), one.clone()].concat()] {
        let error = key_error(&file);
        assert!(matches!(error, KeyError::Input(InputError::NotOneBlock { actual: 2, .. })));
        assert!(matches!(
            certificate_error(&file),
            CertificateError::Input(InputError::NoBlock { actual: 2, .. })
        ));
    }
    let (own, stranger) = (certificate_file("rsa2048"), certificate_file("other"));
    for file in [[own.clone(), stranger].concat(), [own.clone(), own].concat()] {
        let error = certificate_error(&file);
        let words = "2 PEM blocks (CERTIFICATE, CERTIFICATE) where exactly one certificate is \
                     expected";
        assert_eq!(error.to_string(), words);
        let error = key_error(&file).to_string();
        assert!(error.starts_with("no private key among 2 PEM blocks"), "{error}");
    }
    let two_in_der = [der_of(&one), der_of(&one)].concat();
    assert!(matches!(key_error(&two_in_der), KeyError::Malformed { .. }));
    let certificate = der_of(&certificate_file("p256"));
    let two_in_der = [certificate.clone(), certificate].concat();
    assert!(matches!(certificate_error(&two_in_der), CertificateError::Malformed { .. }));
}

/// A certificate lies beside its key, as the kernel's own `signing_key.pem` has it, with the text
/// that openssl writes between them; each is found, and damage to the other is not overlooked.
#[test]
fn k08_key_and_certificate_in_one_file() {
    for name in NAMES {
        let (own_key, own) = (key_file(name), certificate_file(name));
        let text = b"Bag Attributes\n    localKeyID: 01\nsubject=CN = x\n".to_vec();
        for parts in [
            vec![&own_key, &own],
            vec![&own, &own_key],
            vec![&text, &own_key, &text, &own],
            vec![&text, &own, &text, &own_key],
        ] {
            let file = parts.into_iter().flatten().copied().collect::<Vec<u8>>();
            works(&file, name);
            assert_eq!(Certificate::parse(&file).unwrap(), certificate(name));
            let damaged = [file.as_slice(), b"-----BEGIN EC PARAMETERS-----\nM\n"].concat();
            assert!(matches!(key_error(&damaged), KeyError::Input(InputError::Pem { .. })));
            let behind = [file.as_slice(), b"text\n"].concat();
            assert!(matches!(
                certificate_error(&behind),
                CertificateError::Input(InputError::Pem { .. })
            ));
        }
    }
    // Certificates of others are of no matter to a key.
    works(
        &[certificate_file("other"), key_file("p256"), certificate_file("p384")].concat(),
        "p256",
    );
}

/// Of several certificates the signer's key knows its own, or the chain leads on from the signer's.
#[test]
fn k08_one_of_several_certificates_is_the_keys() {
    let bundle = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| certificate_file(name)).collect();
        CertificateBundle::parse(&files.concat()).unwrap()
    };
    let own = key("rsa2048");
    for names in [["rsa2048", "other"], ["other", "rsa2048"], ["p256", "rsa2048"]] {
        let several = bundle(&names);
        assert_eq!(several.of_key(own.public_key()).unwrap(), certificate("rsa2048"));
        let error = several.of_signer().unwrap_err().to_string();
        assert!(error.starts_with("2 certificates that are not one chain"), "{error}");
    }
    // Two certificates of one key, and one certificate twice.
    for names in [["rsa2048", "expired"], ["rsa2048", "rsa2048"]] {
        let error = bundle(&names).of_key(own.public_key()).unwrap_err();
        assert!(
            matches!(error, Error::Certificate(CertificateError::SeveralFit { actual: 2 })),
            "{error}"
        );
    }
    let error = bundle(&["p256", "other"]).of_key(own.public_key()).unwrap_err();
    assert!(matches!(error, Error::Certificate(CertificateError::NoneFits { actual: 2, .. })));
    // The only one is taken for what it is: a wrong one is told apart by the signatory.
    let only = bundle(&["p256"]);
    assert_eq!(only.of_key(own.public_key()).unwrap(), certificate("p256"));
    assert_eq!(only.of_signer().unwrap(), certificate("p256"));
}

/// The raw signature shows whose it is.
#[test]
fn k08_a_raw_signature_chooses_its_certificate() {
    let files = [certificate_file("p256"), certificate_file("p384"), certificate_file("p256")];
    let to_be_signed =
        |certificate: &Certificate| SignatureBuilder::new(certificate.clone()).prepare(b"content");
    let raw = key("p384").sign(&to_be_signed(&certificate("p384"))).unwrap();
    let two = CertificateBundle::parse(&files[..2].concat()).unwrap();
    assert_eq!(two.of_signature(to_be_signed, &raw).unwrap(), certificate("p384"));
    let raw = key("p256").sign(&to_be_signed(&certificate("p256"))).unwrap();
    assert_eq!(two.of_signature(to_be_signed, &raw).unwrap(), certificate("p256"));
    assert!(two.of_signature(to_be_signed, b"x").is_err());
    let twice = CertificateBundle::parse(&files.concat()).unwrap();
    let error = twice.of_signature(to_be_signed, &raw).unwrap_err();
    assert!(matches!(error, Error::Certificate(CertificateError::SeveralFit { actual: 2 })));
}

/// Does what a message advises with a file, by the shell; what comes of it.
fn followed(openssl: &OpenSsl, said: &str, file: &[u8], end: &str) -> Vec<u8> {
    let command = said.rsplit_once(end).and_then(|(before, _)| before.split_once("; "));
    let command = command.map(|(_, command)| command).unwrap_or_else(|| panic!("{said}"));
    openssl.follow(command, file)
}

/// Several blocks of which none is what is looked for are not too many.
#[test]
fn k08_none_is_not_called_several() {
    let beside = [key_file("p256"), key_file("p384")].concat();
    let errors = [
        certificate_error(&beside).to_string(),
        CertificateBundle::parse(&beside).unwrap_err().to_string(),
        EnrolledCertificate::parse(&beside).unwrap_err().to_string(),
    ];
    for error in errors {
        assert_eq!(error, "no certificate among 2 PEM blocks (PRIVATE KEY, PRIVATE KEY)");
    }
    let error = key_error(&[certificate_file("p256"), certificate_file("p384")].concat());
    assert_eq!(error.to_string(), "no private key among 2 PEM blocks (CERTIFICATE, CERTIFICATE)");
    let error = EnrolledCertificate::parse(&der_of(&key_file("p256"))).unwrap_err();
    assert!(error.to_string().contains("looks like a private key"), "{error}");
}

/// What browsers, Windows, Java and openssl itself export, and the command that converts it.
#[test]
fn k08_files_of_other_formats_are_named_with_a_command() {
    let Some(openssl) = OpenSsl::find() else { return };
    let (key_path, certificate_path) = (path("p256", "key"), path("p256", "cert"));
    openssl.ok(
        "pkcs12 -export -inkey {} -in {} -passout pass:x -out k.p12",
        &[&key_path, &certificate_path],
    );
    let p12 = openssl.read("k.p12");
    let mut indefinite = vec![0x30, 0x80];
    indefinite.extend_from_slice(&p12[4..]);
    for file in [&p12, &indefinite] {
        let errors = [
            key_error(file).to_string(),
            PrivateKey::parse_encrypted(file, b"x").unwrap_err().to_string(),
            certificate_error(file).to_string(),
        ];
        for error in errors {
            assert!(error.starts_with("it is PKCS#12; openssl pkcs12 "), "{error}");
        }
    }
    // The commands that it names.
    openssl.ok("pkcs12 -in k.p12 -passin pass:x -passout pass:y -nocerts -out key", &[]);
    openssl.ok("pkcs12 -in k.p12 -passin pass:x -clcerts -nokeys -out cert", &[]);
    let taken = PrivateKey::parse_encrypted(&openssl.read("key"), b"y").unwrap();
    let own = Certificate::parse(&openssl.read("cert")).unwrap();
    assert_eq!((own.public_key(), &own), (taken.public_key(), &certificate("p256")));

    openssl.ok("x509 -in {} -trustout -out trusted", &[&certificate_path]);
    let error = certificate_error(&openssl.read("trusted")).to_string();
    assert_eq!(
        error,
        "a PEM block \"TRUSTED CERTIFICATE\" where a certificate is expected; openssl x509 -in \
         FILE -out NEW makes a plain one of it"
    );
    openssl.ok("x509 -in trusted -out plain", &[]);
    assert_eq!(Certificate::parse(&openssl.read("plain")).unwrap(), certificate("p256"));

    openssl.ok("crl2pkcs7 -nocrl -certfile {} -out p7b", &[&certificate_path]);
    openssl.ok("crl2pkcs7 -nocrl -certfile {} -outform DER -out p7c", &[&certificate_path]);
    let error = certificate_error(&openssl.read("p7b")).to_string();
    assert!(error.contains("\"PKCS7\"") && error.contains("-print_certs"), "{error}");
    let error = certificate_error(&openssl.read("p7c")).to_string();
    assert!(error.starts_with("it is PKCS#7; ") && error.contains("-print_certs"), "{error}");
    openssl.ok("pkcs7 -inform DER -in p7c -print_certs -out printed", &[]);
    assert_eq!(
        CertificateBundle::parse(&openssl.read("printed")).unwrap().of_signer().unwrap(),
        own
    );

    for label in ["PKCS7", "CMS", "PKCS #7 SIGNED DATA"] {
        let ends = [der::pem::LineEnding::LF, der::pem::LineEnding::CRLF];
        for end in ends {
            let pem = der::pem::encode_string(label, end, &openssl.read("p7c")).unwrap();
            let error = certificate_error(pem.as_bytes()).to_string();
            assert!(error.contains(&format!("\"{label}\"")), "{error}");
            let end = " takes certificates out";
            let printed = followed(&openssl, &error, pem.as_bytes(), end);
            assert_eq!(Certificate::parse(&printed).unwrap(), own, "{error}");
        }
    }
    let p7c = openssl.read("p7c");
    let error = certificate_error(&p7c).to_string();
    let printed = followed(&openssl, &error, &p7c, " takes certificates out");
    assert_eq!(Certificate::parse(&printed).unwrap(), own, "{error}");

    let text = String::from_utf8(certificate_file("p256")).unwrap();
    let bare: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let error = certificate_error(bare.as_bytes()).to_string();
    assert!(error.starts_with("it is base64 without the lines of PEM"), "{error}");
    for text in [
        bare.clone(),
        format!("\u{feff}{bare}\r\n"),
        bare.trim_end_matches('=').replace('+', "-").replace('/', "_"),
        text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\r\n"),
    ] {
        let error = certificate_error(text.as_bytes()).to_string();
        let der = followed(&openssl, &error, text.as_bytes(), " makes DER of it");
        assert_eq!(Certificate::parse(&der).unwrap(), certificate("p256"), "{error}");
    }
    let error = certificate_error(&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).to_string();
    assert!(error.starts_with("it is a Java keystore; keytool "), "{error}");
    for label in ["OPENSSH PRIVATE KEY", "DSA PRIVATE KEY", "X509 CRL", "CERTIFICATE REQUEST"] {
        let file = format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        let error = key_error(file.as_bytes()).to_string();
        assert!(error.contains(&format!("a PEM block \"{label}\" where")), "{error}");
    }
}

#[test]
fn k08_other_objects_are_named() {
    let error = key_error(&certificate_file("p256"));
    assert_eq!(error.to_string(), "a PEM block \"CERTIFICATE\" where a private key is expected");
    let error = certificate_error(&key_file("p256"));
    assert_eq!(error.to_string(), "a PEM block \"PRIVATE KEY\" where a certificate is expected");
    let error = key_error(&der_of(&certificate_file("p256")));
    assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
    let error = certificate_error(&der_of(&key_file("p256")));
    assert!(matches!(error, CertificateError::Malformed { .. }), "{error}");
    let relabelled = String::from_utf8(key_file("p256")).unwrap().replace("PRIVATE", "PUBLIC");
    assert!(matches!(
        key_error(relabelled.as_bytes()),
        KeyError::Input(InputError::WrongLabel { .. })
    ));
}

/// P04, K10: empty, far too large, never ending.
#[test]
fn p04_k10_sizes_and_reading() {
    assert!(matches!(key_error(b""), KeyError::Input(InputError::Empty)));
    assert!(matches!(certificate_error(b""), CertificateError::Input(InputError::Empty)));
    let endless = PrivateKey::read(std::io::repeat(b'x')).unwrap_err();
    assert_eq!(endless.class(), Class::Limit);
    let endless = Certificate::read(std::io::repeat(b'x')).unwrap_err();
    assert_eq!(endless.class(), Class::Limit);
    let directory = fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    assert_eq!(PrivateKey::read(&directory).unwrap_err().class(), Class::Io);
    assert_eq!(Certificate::read(&directory).unwrap_err().class(), Class::Io);
    let from_file = PrivateKey::read(fs::File::open(path("p256", "key")).unwrap()).unwrap();
    assert_eq!(from_file.key_type(), KeyType::EcdsaP256);
    let from_file = Certificate::read(fs::File::open(path("p256", "cert")).unwrap()).unwrap();
    assert_eq!(from_file, certificate("p256"));
}

/// Text around PEM, its line ends, and what is no text of ASCII.
#[test]
fn p04_spellings_of_pem() {
    for (file, is_key) in [(key_file("p256"), true), (certificate_file("p256"), false)] {
        let parse = |file: &[u8]| match is_key {
            true => PrivateKey::parse(file).map(drop),
            false => Certificate::parse(file).map(drop),
        };
        let text = String::from_utf8(file).unwrap();
        for good in [text.clone(), text.replace('\n', "\r\n"), format!("words\n{text}\n\n")] {
            parse(good.as_bytes()).unwrap();
        }
        let utf16: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (line, rest) = text.split_once('\n').unwrap();
        for (bad, what) in [
            (utf16.clone(), "UTF-16"),
            ([&[0xff, 0xfe], utf16.as_slice()].concat(), "UTF-16 with its mark"),
            (format!("{text}\0").into_bytes(), "NUL behind it"),
            (text.replacen('M', "\0", 1).into_bytes(), "NUL in it"),
            (format!("{line}\nProc-Type: 4,CLEAR\n\n{rest}").into_bytes(), "a header"),
            (text.replace("-----END", "-----FIN").into_bytes(), "no end"),
            (format!("{line}\n").into_bytes(), "nothing in it"),
            (vec![0; 100], "zeros"),
        ] {
            let error = parse(&bad).expect_err(what);
            assert_eq!(error.class(), Class::Key, "{what}: {error}");
        }
    }
}

/// P24 for keys and certificates: as deep as a file may be.
#[test]
fn p24_deep_nesting() {
    let mut deep = Vec::new();
    while deep.len() < 65_000 {
        deep = tlv(0x30, &deep);
    }
    for deep in [deep, [0x30, 0x80].repeat(32_768), [0xa0, 0x80].repeat(10)] {
        assert!(PrivateKey::parse(&deep).is_err());
        assert!(PrivateKey::parse_encrypted(&deep, b"x").is_err());
        assert!(Certificate::parse(&deep).is_err());
    }
}
