//! openssl as the second opinion, in both directions. P34 as far as openssl goes: every test here.
//! What a real kernel says is in `cli/tests/kernel`.

use crate::common::{
    self, NAMES, OpenSsl, TEXT, certificate, key, path, root_hash, signatory, signatory_with,
};
use verity_sign::lint::{Accepted, EnrolledCertificate, Lint, Status};
use verity_sign::{
    Authorities, Certificate, CertificateError, Error, Signatory, SignatureBuilder,
    SignatureDigest, SignatureError, verify_detached, verify_root_hash,
};

const RSA: [&str; 3] = ["rsa2048", "rsa3072", "rsa4096"];

#[test]
fn rsa_signatures_are_byte_identical_to_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in RSA {
        for &digest in SignatureDigest::ALL {
            for embed in [false, true] {
                let ours = signatory_with(name, |builder| {
                    builder.with_digest(digest).with_embedded_certificate(embed)
                });
                let ours = ours.sign_root_hash(&root_hash()).unwrap();
                let nocerts = if embed { "" } else { "-nocerts" };
                let options = format!("{nocerts} -noattr -md {digest}");
                let theirs = openssl.sign("smime", name, TEXT.as_bytes(), &options);
                assert_eq!(hex::encode(&ours), hex::encode(&theirs), "{name} {options}");
            }
        }
    }
}

/// Named by key identifier the message is CMS, not PKCS#7, and that of `openssl cms`.
#[test]
fn rsa_signatures_by_key_identifier_are_byte_identical_to_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in RSA {
        for &digest in SignatureDigest::ALL {
            for embed in [false, true] {
                let ours = signatory_with(name, |builder| {
                    let builder = builder.with_digest(digest).with_embedded_certificate(embed);
                    builder.with_subject_key_identifier(true).unwrap()
                });
                let ours = ours.sign_root_hash(&root_hash()).unwrap();
                let nocerts = if embed { "" } else { "-nocerts" };
                let options = format!("{nocerts} -noattr -keyid -md {digest}");
                let theirs = openssl.sign("cms", name, TEXT.as_bytes(), &options);
                assert_eq!(hex::encode(&ours), hex::encode(&theirs), "{name} {options}");
            }
        }
    }
}

/// A signing certificate, its issuer and the root above, made by openssl.
struct Chain {
    key: std::path::PathBuf,
    /// Leaf, intermediate, root.
    certificates: [std::path::PathBuf; 3],
}

impl Chain {
    fn make(openssl: &OpenSsl) -> Chain {
        let file = |name: &str| openssl.dir.path().join(name);
        let ca = openssl
            .file("ca.cnf", b"basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n");
        let leaf = openssl
            .file("leaf.cnf", b"basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n");
        let (root, middle, signer) = (file("root.crt"), file("middle.crt"), file("signer.crt"));
        let request = file("csr");
        openssl.ok(
            "req -x509 -new -days 3650 -subj /CN=root -key {} -out {}",
            &[&path("rsa4096", "key"), &root],
        );
        for (subject, key, extensions, issuer, issuer_key, output) in [
            ("middle", "p384", &ca, &root, "rsa4096", &middle),
            ("signer", "rsa2048", &leaf, &middle, "p384", &signer),
        ] {
            let args = format!("req -new -subj /CN={subject} -key {{}} -out {{}}");
            openssl.ok(&args, &[&path(key, "key"), &request]);
            openssl.ok(
                "x509 -req -days 3650 -in {} -extfile {} -CA {} -CAkey {} -CAcreateserial -out {}",
                &[&request, extensions, issuer, &path(issuer_key, "key"), output],
            );
        }
        Chain { key: path("rsa2048", "key"), certificates: [signer, middle, root] }
    }

    fn parsed(&self) -> [Certificate; 3] {
        self.certificates
            .each_ref()
            .map(|path| Certificate::parse(&std::fs::read(path).unwrap()).unwrap())
    }
}

/// A whole chain travels with the signature, as `-certfile` puts it there; openssl verifies against
/// the root.
#[test]
fn chains_are_byte_identical_to_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    let chain = Chain::make(&openssl);
    let [signer, middle, root] = chain.parsed();
    let sign = |by_key: bool, others: Vec<Certificate>| {
        let builder = SignatureBuilder::new(signer.clone()).with_chain(others)?;
        let builder = builder.with_subject_key_identifier(by_key)?;
        Signatory::new(key("rsa2048"), builder)?.sign_root_hash(&root_hash())
    };
    let content = openssl.file("content", TEXT.as_bytes());
    let [signer_file, middle_file, root_file] = chain.certificates.each_ref();
    let both = [std::fs::read(middle_file).unwrap(), std::fs::read(root_file).unwrap()];
    let both = openssl.file("both.pem", &both.concat());
    // Not smime: it writes the certificates unsorted, which is no DER.
    let theirs = openssl.ok(
        "cms -sign -binary -noattr -keyid -outform DER -md sha256 -in {} -inkey {} -signer {} \
         -certfile {}",
        &[&content, &chain.key, signer_file, &both],
    );
    for order in [vec![middle.clone(), root.clone()], vec![root.clone(), middle.clone()]] {
        let ours = sign(true, order.clone()).unwrap();
        assert_eq!(hex::encode(&ours), hex::encode(&theirs));
        for ours in [ours, sign(false, order).unwrap()] {
            let signed_by =
                verify_root_hash(&ours, &root_hash(), std::slice::from_ref(&signer)).unwrap();
            assert!(signed_by.embeds_certificate());
            assert_eq!(signed_by.certificate(), &signer);
            // The chain adds no trust here: a pinned issuer is not the signer.
            let issuers = [middle.clone(), root.clone()];
            assert!(verify_root_hash(&ours, &root_hash(), &issuers).is_err());
        }
    }
    for by_key in [false, true] {
        let signature = openssl.file("p7s", &sign(by_key, vec![middle.clone()]).unwrap());
        openssl.ok(
            "cms -verify -binary -inform DER -in {} -content {} -CAfile {} -purpose any",
            &[&signature, &content, root_file],
        );
    }

    // One that leads nowhere, and one link that is missing.
    for others in [vec![certificate("other")], vec![root], vec![middle, certificate("p256")]] {
        let error = sign(false, others).unwrap_err();
        assert!(
            matches!(error, Error::Certificate(CertificateError::NotInChain { .. })),
            "{error}"
        );
    }
}

/// P26: what `openssl smime -certfile` writes is no DER, as its certificates stand as they were
/// given. The kernel takes it (the lint says so, and `cli/tests/kernel` asks), openssl takes it,
/// and here it is refused with its cause.
#[test]
fn p26_certificates_that_openssl_has_not_sorted() {
    let Some(openssl) = OpenSsl::find() else { return };
    let chain = Chain::make(&openssl);
    let [signer, middle, root] = chain.parsed();
    let content = openssl.file("content", TEXT.as_bytes());
    let [signer_file, middle_file, root_file] = chain.certificates.each_ref();
    let files = [middle_file, root_file].map(|file| std::fs::read(file).unwrap());
    let keyring = [EnrolledCertificate::from_der(root.der().to_vec())];
    let authorities = Authorities::new(vec![root.clone()], 1_790_000_000).unwrap();
    let mut unsorted = 0;
    for (command, order) in [("smime", [0, 1]), ("smime", [1, 0]), ("cms", [0, 1]), ("cms", [1, 0])]
    {
        let bundle = openssl.file("bundle.pem", &order.map(|index| files[index].clone()).concat());
        let line = format!(
            "{command} -sign -binary -noattr -outform DER -in {{}} -inkey {{}} -signer {{}} \
             -certfile {{}}"
        );
        let theirs = openssl.ok(&line, &[&content, &chain.key, signer_file, &bundle]);
        let message = openssl.file("p7s", &theirs);
        openssl.ok(
            &format!("{command} -verify -binary -inform DER -in {{}} -content {{}} -noverify"),
            &[&message, &content],
        );
        let report = Lint::new().root_hash(TEXT).keyring(&keyring).run(&theirs);
        assert_eq!(report.accepted(), Accepted::Yes, "{report:?}");
        let warned = report.points().iter().any(|point| {
            point.status() == Status::Warn && point.explanation().contains("order of DER")
        });
        let verdicts = [
            verify_root_hash(&theirs, &root_hash(), std::slice::from_ref(&signer)),
            verify_root_hash(&theirs, &root_hash(), &authorities),
        ];
        // By the sizes of these certificates no order that smime writes is that of DER.
        assert_eq!(warned, command == "smime");
        for verdict in verdicts {
            match verdict {
                Ok(_) => assert_eq!(command, "cms"),
                Err(Error::Signature(error @ SignatureError::UnsortedCertificates)) => {
                    assert_eq!(command, "smime");
                    for words in ["order of DER", "openssl cms", "verity sign --chain"] {
                        assert!(error.to_string().contains(words), "{error}");
                    }
                    assert_eq!(Error::from(error).class().name(), "format");
                    unsorted += 1;
                }
                // openssl's test certificates are for nothing in particular.
                Err(Error::Signature(SignatureError::Chain { .. })) => assert_eq!(command, "cms"),
                Err(other) => panic!("{command} {order:?}: {other}"),
            }
        }
    }
    assert_eq!(unsorted, 4);
    // Other sets out of order are no certificates: signers, for one.
    let two = openssl.ok(
        "cms -sign -binary -noattr -outform DER -in {} -inkey {} -signer {} -inkey {} -signer {}",
        &[&content, &chain.key, signer_file, &path("other", "key"), &path("other", "cert")],
    );
    let mut tree = verity_testdata::der::Node::parse(&two);
    tree.at(&[1, 0, 4]).children().reverse();
    let error = verify_root_hash(&tree.encode(), &root_hash(), &[signer, middle]).unwrap_err();
    assert!(matches!(error, Error::Signature(SignatureError::NotCanonical { .. })), "{error}");
}

/// openssl's ECDSA is not deterministic: everything before the signature value is compared.
#[test]
fn ecdsa_signatures_have_the_shape_of_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    let digests = SignatureDigest::ALL;
    for (name, &digest) in
        ["p256", "p384", "p521"].iter().flat_map(|name| digests.iter().map(move |one| (*name, one)))
    {
        let ours = signatory_with(name, |builder| builder.with_digest(digest));
        let ours = ours.sign_root_hash(&root_hash()).unwrap();
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
    let shapes = [false, true].map(|by_key| [false, true].map(|embed| (by_key, embed)));
    let shapes: Vec<_> = shapes.concat();
    for (name, &digest) in
        NAMES.iter().flat_map(|name| SignatureDigest::ALL.iter().map(move |one| (*name, one)))
    {
        for &(by_key, embed) in &shapes {
            let signatory = signatory_with(name, |builder| {
                let builder = builder.with_digest(digest).with_embedded_certificate(embed);
                builder.with_subject_key_identifier(by_key).unwrap()
            });
            let signature = openssl.file("p7s", &signatory.sign_root_hash(&root_hash()).unwrap());
            // PKCS#7 knows no key identifiers.
            let commands = if by_key { &["cms"][..] } else { &["cms", "smime"] };
            for command in commands {
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
        .chain(
            ["p256", "p384", "p521"]
                .iter()
                .flat_map(|name| ["sha256", "sha384", "sha512"].map(|md| (*name, md))),
        );
    for (name, digest) in combinations {
        for (command, keyid) in [("smime", ""), ("cms", ""), ("cms", "-keyid")] {
            for (nocerts, embeds) in [("-nocerts", false), ("", true)] {
                let options = format!("{nocerts} {keyid} -noattr -md {digest}");
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
    assert!(matches!(pem, SignatureError::NotPkcs7 { .. }), "{pem}");

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

    let attacker = |embed| {
        let builder = SignatureBuilder::new(twin.clone()).with_embedded_certificate(embed);
        Signatory::new(key("other"), builder).unwrap()
    };
    for embed in [false, true] {
        let forged = attacker(embed).sign_root_hash(&root_hash()).unwrap();
        let error = refusal(&forged, "rsa2048");
        assert!(matches!(error, SignatureError::Mismatch { .. }), "{error}");
    }
    // The trusted key's own signature with the twin in place of its certificate.
    let embedding = attacker(true).sign_root_hash(&root_hash()).unwrap();
    let certificates = common::decode(&embedding).certificates;
    let good = signatory("rsa2048").sign_root_hash(&root_hash()).unwrap();
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
        let message = signatory(name).sign_detached(content).unwrap();
        verify_detached(&message, content, &[certificate(name)]).unwrap();
        let message = openssl.file("p7s", &message);
        openssl.ok(
            "cms -verify -binary -inform DER -in {} -content {} -certfile {} -noverify -nointern",
            &[&message, &file, &path(name, "cert")],
        );
    }
}

/// GnuTLS as another reader: it takes every shape apart, and its verdict is ours.
#[test]
fn p34_gnutls_reads_and_verifies_ours() {
    let Some(certtool) = verity_testdata::oracle::require("certtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (content, other) = (file("content", TEXT.as_bytes()), file("other", b"other"));
    for (name, &digest) in
        NAMES.iter().flat_map(|name| SignatureDigest::ALL.iter().map(move |one| (*name, one)))
    {
        for (by_key, embed) in [(false, false), (false, true), (true, false), (true, true)] {
            let signatory = signatory_with(name, |builder| {
                let builder = builder.with_digest(digest).with_embedded_certificate(embed);
                builder.with_subject_key_identifier(by_key).unwrap()
            });
            let signature = file("p7s", &signatory.sign_root_hash(&root_hash()).unwrap());
            let certtool = |options: &[&std::ffi::OsStr]| {
                let mut command = std::process::Command::new(&certtool);
                command.arg("--inder").arg("--infile").arg(&signature).args(options);
                let output = command.output().unwrap();
                let said = [output.stdout, output.stderr].concat();
                (output.status.success(), String::from_utf8_lossy(&said).into_owned())
            };
            let (read, said) = certtool(&["--p7-info".as_ref()]);
            assert!(read, "{name} {digest}: {said}");
            let hash = digest.name().to_uppercase();
            let kind = if name.starts_with("rsa") { "RSA" } else { "ECDSA" };
            let algorithm = format!("{kind}-{hash}");
            assert!(said.contains(&algorithm), "{name} {digest}: {said}");
            let named = if by_key { "Signer's issuer key ID" } else { "Signer's serial" };
            assert!(said.contains(named), "{name} {digest}: {said}");
            for (data, good) in [(&content, true), (&other, false)] {
                let certificate = path(name, "cert");
                let verify: [&std::ffi::OsStr; 5] = [
                    "--p7-verify".as_ref(),
                    "--load-certificate".as_ref(),
                    certificate.as_ref(),
                    "--load-data".as_ref(),
                    data.as_ref(),
                ];
                let (verified, said) = certtool(&verify);
                assert_eq!(verified, good, "{name} {digest} {by_key} {embed}: {said}");
            }
        }
    }
}
