//! Trust in authorities: chains by openssl, good ones and every kind of bad one.
//! The codes in names are those of `docs/ATTACKS.md`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{OpenSsl, TEXT, changed, decode, root_hash};
use cms::cert::CertificateChoices;
use cms::signed_data::CertificateSet;
use der::Decode;
use verity_sign::{
    Authorities, Certificate, Class, Error, Image, Manifest, PrivateKey, Signatory,
    SignatureBuilder, SignatureError, verify_root_hash,
};

const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                    extendedKeyUsage=codeSigning\n";
const DAY: u64 = 86_400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A key with its certificate.
struct Issued {
    key: Vec<u8>,
    certificate: Certificate,
}

/// openssl as an authority. Names are those of the files.
struct Office<'o>(&'o OpenSsl);

impl Office<'_> {
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.dir.path().join(name)
    }

    fn key(&self, name: &str) {
        let line = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}";
        self.0.ok(line, &[&self.file(&format!("{name}.key"))]);
    }

    /// A certificate with these extensions, signed by `issuer`, or by itself.
    fn issue(&self, name: &str, issuer: &str, extensions: &str) -> Issued {
        self.issue_as(name, name, issuer, extensions)
    }

    fn issue_as(&self, name: &str, subject: &str, issuer: &str, extensions: &str) -> Issued {
        self.key(name);
        let file = |kind: &str| self.file(&format!("{name}.{kind}"));
        let extensions = self.0.file(&format!("{name}.ext"), extensions.as_bytes());
        let line = format!("req -new -key {{}} -subj /CN={subject} -out {{}}");
        self.0.ok(&line, &[&file("key"), &file("csr")]);
        if issuer == name {
            self.0.ok(
                "x509 -req -in {} -signkey {} -days 30 -extfile {} -out {}",
                &[&file("csr"), &file("key"), &extensions, &file("cert")],
            );
        } else {
            let by = |kind: &str| self.file(&format!("{issuer}.{kind}"));
            self.0.ok(
                "x509 -req -in {} -CA {} -CAkey {} -days 30 -extfile {} -out {}",
                &[&file("csr"), &by("cert"), &by("key"), &extensions, &file("cert")],
            );
        }
        Issued {
            key: std::fs::read(file("key")).unwrap(),
            certificate: Certificate::parse(&std::fs::read(file("cert")).unwrap()).unwrap(),
        }
    }
}

fn signatory(signer: &Issued) -> Signatory<PrivateKey> {
    let builder = SignatureBuilder::new(signer.certificate.clone()).with_embedded_certificate(true);
    Signatory::new(PrivateKey::parse(&signer.key).unwrap(), builder).unwrap()
}

/// A signature that embeds the signer's certificate and these.
fn signed(signer: &Issued, links: &[&Issued]) -> Vec<u8> {
    let message = signatory(signer).sign_root_hash(&root_hash()).unwrap();
    let certificates: Vec<_> =
        [signer].iter().chain(links).map(|one| choice(&one.certificate)).collect();
    changed(&message, |data| {
        data.certificates = Some(CertificateSet::try_from(certificates).unwrap());
    })
}

fn choice(certificate: &Certificate) -> CertificateChoices {
    CertificateChoices::Certificate(x509_cert::Certificate::from_der(certificate.der()).unwrap())
}

/// The time at which certificates must be valid is the one that was given.
#[test]
fn authorities_know_their_time() {
    assert_eq!(Authorities::new(vec![], 1_790_000_000).unwrap().at(), 1_790_000_000);
}

fn verify(message: &[u8], authority: &Issued, at: u64) -> Result<verity_sign::SignedBy, Error> {
    let authorities = Authorities::new(vec![authority.certificate.clone()], at)?;
    verify_root_hash(message, &root_hash(), &authorities)
}

/// Refused, with these words, as a matter of trust.
fn refused(message: &[u8], authority: &Issued, words: &str) {
    let error = verify(message, authority, now()).unwrap_err();
    assert_eq!(error.class(), Class::Trust, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn chains_of_any_allowed_length() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    let middle = office.issue("middle", "root", CA);
    let lower = office.issue("lower", "middle", CA);
    let (one, two, three) = (
        office.issue("one", "root", LEAF),
        office.issue("two", "middle", LEAF),
        office.issue("three", "lower", LEAF),
    );
    for (signer, links) in [
        (&one, vec![]),
        (&one, vec![&root]),
        (&two, vec![&middle]),
        (&two, vec![&root, &middle]),
        (&three, vec![&lower, &middle]),
        (&three, vec![&middle, &lower]),
    ] {
        let message = signed(signer, &links);
        let signed_by = verify(&message, &root, now()).unwrap();
        assert_eq!(signed_by.certificate(), &signer.certificate);
        assert_eq!(signed_by.authority(), Some(&root.certificate));
        assert!(signed_by.embeds_certificate());
        // Chains are nothing to who has pinned; and the authority is not the signer.
        let pinned = [root.certificate.clone()];
        assert!(verify_root_hash(&message, &root_hash(), &pinned).is_err());
    }
    // A part of the chain is missing, or all of it.
    refused(&signed(&three, &[&lower]), &root, "no authority that is trusted");
    refused(&signed(&two, &[]), &root, "no authority that is trusted");
    let bare = changed(&signed(&one, &[]), |data| data.certificates = None);
    refused(&bare, &root, "not embedded");
    // The intermediate may itself be the one that is trusted.
    assert!(verify(&signed(&two, &[]), &middle, now()).is_ok());
    let nobody = Authorities::new(vec![], now()).unwrap();
    let error = verify_root_hash(&signed(&one, &[]), &root_hash(), &nobody).unwrap_err();
    assert!(matches!(error, Error::Signature(SignatureError::NothingTrusted)));

    // Something else was signed; and manifests go the same way.
    let other: verity::RootHash = "1".repeat(64).parse().unwrap();
    let authorities = Authorities::new(vec![root.certificate.clone()], now()).unwrap();
    let error = verify_root_hash(&signed(&one, &[]), &other, &authorities).unwrap_err();
    assert_eq!(error.class(), Class::Signature);
    let params = verity::Params::builder().data_blocks(3).build().unwrap();
    let area = verity::HashArea::new(&params, 3 * 4096, false).unwrap();
    let image = Image::new("rootfs", 7, "", 3 * 4096).unwrap();
    let manifest = Manifest::new(image, params, root_hash(), area, None).unwrap();
    let signature = signatory(&one).sign_manifest(&manifest).unwrap();
    let verified = Manifest::verify(&manifest.to_bytes(), &signature, &authorities).unwrap();
    assert_eq!(verified.signer().authority(), Some(&root.certificate));
}

/// By `openssl cms -keyid`, with a chain: a signer that is named by its subject key identifier.
#[test]
fn p34_signers_named_by_key_identifier() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    office.issue("middle", "root", CA);
    let leaf = office.issue("leaf", "middle", &format!("{LEAF}subjectKeyIdentifier=hash\n"));
    let content = openssl.file("content", TEXT.as_bytes());
    let [key, certificate, middle] =
        ["leaf.key", "leaf.cert", "middle.cert"].map(|name| office.file(name));
    let line =
        "cms -sign -binary -noattr -keyid -outform DER -in {} -inkey {} -signer {} -certfile {}";
    let theirs = openssl.ok(line, &[&content, &key, &certificate, &middle]);
    let builder = SignatureBuilder::new(leaf.certificate.clone())
        .with_chain(vec![Certificate::parse(&std::fs::read(&middle).unwrap()).unwrap()])
        .and_then(|builder| builder.with_subject_key_identifier(true))
        .unwrap();
    let ours = Signatory::new(PrivateKey::parse(&leaf.key).unwrap(), builder).unwrap();
    let ours = ours.sign_root_hash(&root_hash()).unwrap();
    for message in [theirs, ours] {
        let signed_by = verify(&message, &root, now()).unwrap();
        assert_eq!(signed_by.certificate(), &leaf.certificate);
        assert_eq!(signed_by.authority(), Some(&root.certificate));
        let file = openssl.file("p7s", &message);
        openssl.ok(
            "cms -verify -binary -inform DER -in {} -content {} -CAfile {} -purpose any",
            &[&file, &content, &office.file("root.cert")],
        );
    }
}

/// P09, P10: what a message brings along is no authority, whatever its name.
#[test]
fn p09_p10_strangers() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    let impostor = office.issue_as("impostor", "root", "impostor", CA);
    let signer = office.issue("signer", "impostor", LEAF);
    refused(&signed(&signer, &[&impostor]), &root, "chain");
    refused(&signed(&signer, &[]), &root, "not signed by its issuer");
    let alone = office.issue("alone", "alone", LEAF);
    refused(&signed(&alone, &[]), &root, "no authority that is trusted");
}

#[test]
fn p11_issuers_that_may_not_issue() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    let short = office.issue(
        "short",
        "short",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n",
    );
    for (name, issuer, extensions, words) in [
        (
            "plain",
            &root,
            "basicConstraints=CA:FALSE\nkeyUsage=keyCertSign\n",
            "no authority has issued",
        ),
        ("unmarked", &root, "subjectKeyIdentifier=hash\n", "no authority has issued"),
        (
            "unusable",
            &root,
            "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n",
            "keyCertSign",
        ),
        ("long", &short, CA, "longer than an issuer allows"),
        (
            "server",
            &root,
            "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n\
             extendedKeyUsage=serverAuth\n",
            "code signing",
        ),
    ] {
        let by = if std::ptr::eq(issuer, &short) { "short" } else { "root" };
        let middle = office.issue(name, by, extensions);
        let leaf = office.issue(&format!("{name}-leaf"), name, LEAF);
        refused(&signed(&leaf, &[&middle]), issuer, words);
        let error = Authorities::new(vec![middle.certificate.clone()], now());
        assert_eq!(error.is_err(), !["long", "server"].contains(&name), "{name}");
    }
    let narrow = office.issue(
        "narrow",
        "root",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n\
         nameConstraints=critical,permitted;DNS:example.org\n",
    );
    let leaf = office.issue("named", "narrow", &format!("{LEAF}subjectAltName=DNS:example.com\n"));
    refused(&signed(&leaf, &[&narrow]), &root, "that name");
}

/// P12: loops and crowds end soon.
#[test]
fn p12_bounded_work() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    // Two that vouch for each other.
    let stray = office.issue("stray", "stray", CA);
    let first = office.issue("first", "stray", CA);
    let back = office.issue_as("back", "stray", "first", CA);
    let leaf = office.issue("leaf", "first", LEAF);
    refused(&signed(&leaf, &[&first, &back]), &root, "chain");
    refused(&signed(&leaf, &[&first, &stray, &back]), &root, "chain");
    // Many of one name, none of which has signed.
    let crowd: Vec<_> =
        (0..8).map(|number| office.issue_as(&format!("c{number}"), "first", "stray", CA)).collect();
    let links: Vec<_> = crowd.iter().take(7).collect();
    refused(&signed(&leaf, &links), &root, "chain");
    let links: Vec<_> = crowd.iter().collect();
    let error = verify(&signed(&leaf, &links), &root, now()).unwrap_err();
    assert_eq!(error.class(), Class::Limit, "{error}");
}

#[test]
fn p13_dates_decide() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    let leaf = office.issue("leaf", "root", LEAF);
    let message = signed(&leaf, &[]);
    let words = |at| verify(&message, &root, at).unwrap_err().to_string();
    assert!(verify(&message, &root, now() + 29 * DAY).is_ok());
    for at in [now() + 31 * DAY, 4_102_444_800, u64::MAX / 4] {
        assert!(words(at).contains("expired"), "{}", words(at));
    }
    for at in [0, 1, now() - DAY] {
        assert!(words(at).contains("not valid yet"), "{}", words(at));
    }
    // Pinned, the same certificate is reported only.
    let pinned = [leaf.certificate.clone()];
    let signed_by = verify_root_hash(&message, &root_hash(), &pinned).unwrap();
    assert_ne!(signed_by.validity_at(now() + 31 * DAY), verity_sign::Validity::Valid);
    // An authority out of its dates, over a signer within them.
    let brief = office.file("brief.cert");
    openssl.ok(
        "x509 -req -in {} -signkey {} -days 1 -extfile {} -out {}",
        &[&office.file("root.csr"), &office.file("root.key"), &office.file("root.ext"), &brief],
    );
    let certificate = Certificate::parse(&std::fs::read(&brief).unwrap()).unwrap();
    let brief = Issued { key: root.key.clone(), certificate };
    assert!(verify(&message, &brief, now()).is_ok());
    let error = verify(&message, &brief, now() + 2 * DAY).unwrap_err();
    assert!(error.to_string().contains("out of its dates"), "{error}");
}

#[test]
fn p15_usage() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    for (number, (extensions, words)) in [
        ("keyUsage=digitalSignature\n", Some("code signing")),
        ("extendedKeyUsage=serverAuth\n", Some("code signing")),
        ("extendedKeyUsage=emailProtection\n", Some("code signing")),
        ("extendedKeyUsage=anyExtendedKeyUsage\n", Some("code signing")),
        ("keyUsage=keyEncipherment\nextendedKeyUsage=codeSigning\n", Some("digitalSignature")),
        ("basicConstraints=CA:TRUE\nextendedKeyUsage=codeSigning\n", Some("authority itself")),
        ("extendedKeyUsage=codeSigning\n1.2.3.4=critical,DER:0500\n", Some("critical extension")),
        ("extendedKeyUsage=codeSigning\n", None),
        ("extendedKeyUsage=serverAuth,codeSigning\n", None),
        (LEAF, None),
    ]
    .into_iter()
    .enumerate()
    {
        let leaf = office.issue(&format!("leaf{number}"), "root", extensions);
        let message = signed(&leaf, &[]);
        match words {
            Some(words) => refused(&message, &root, words),
            None => drop(verify(&message, &root, now()).unwrap()),
        }
    }
}

/// P01 with a chain: not one bit may change, not one certificate be added or left out.
#[test]
fn p01_no_single_bit_flip_is_accepted() {
    let Some(openssl) = OpenSsl::find() else { return };
    let office = Office(&openssl);
    let root = office.issue("root", "root", CA);
    let middle = office.issue("middle", "root", CA);
    let leaf = office.issue("leaf", "middle", LEAF);
    let message = signed(&leaf, &[&middle]);
    let authorities = Authorities::new(vec![root.certificate.clone()], now()).unwrap();
    let accepted = |message: &[u8]| verify_root_hash(message, &root_hash(), &authorities).is_ok();
    assert!(accepted(&message));
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepted(&flipped), "bit {bit}");
    }
    for length in 0..message.len() {
        assert!(!accepted(&message[..length]), "{length} bytes");
    }
    for byte in 0..=255 {
        assert!(!accepted(&[message.as_slice(), &[byte]].concat()));
    }
    // A certificate that nothing needs could be put in by anybody.
    let needless = office.issue("needless", "root", CA);
    let error = verify(&signed(&leaf, &[&middle, &needless]), &root, now()).unwrap_err();
    assert!(matches!(error, Error::Signature(SignatureError::ForeignCertificate)), "{error}");
    // As DER sorts them, and in no other order.
    let mut tree = verity_testdata::der::Node::parse(&message);
    tree.at(&[1, 0, 3]).children().reverse();
    assert!(!accepted(&tree.encode()));
    assert_eq!(decode(&message).certificates.unwrap().0.len(), 2);
    assert_eq!(TEXT.len(), 64);
}
