//! Keys and certificates as they lie around: what `sign`, `build`, `prepare-signature` and
//! `attach-signature` take, and what is refused where a certificate says whom to trust.

use crate::common::{CHECK, Dir, ROOT};
use verity_testdata::oracle;

/// A signing certificate (`leaf.crt`, for `rsa2048.key`) and its issuer (`ca.crt`).
fn with_chain() -> Option<Dir> {
    oracle::require("openssl")?;
    let dir = Dir::with_signed_set(20);
    dir.write("ext", b"basicConstraints=CA:FALSE\nextendedKeyUsage=codeSigning\n");
    dir.openssl("req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.crt -subj /CN=ca");
    dir.openssl("req -new -key rsa2048.key -subj /CN=leaf -out csr");
    dir.openssl(
        "x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out leaf.crt",
    );
    Some(dir)
}

fn concat(dir: &Dir, name: &str, parts: &[&str]) {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| dir.read(part)).collect();
    dir.write(name, &bytes);
    dir.set_mode(name, 0o600);
}

/// Every command that signs takes key and certificate from one file, and its certificate from a
/// chain in both orders; the signature is that of the plain files.
#[test]
fn signing_takes_the_one_that_fits() {
    let Some(dir) = with_chain() else { return };
    dir.ok(&format!("sign {ROOT} --key rsa2048.key --certificate leaf.crt --output plain"));
    concat(&dir, "both", &["rsa2048.key", "leaf.crt"]);
    concat(&dir, "all", &["ca.crt", "rsa2048.key", "leaf.crt"]);
    concat(&dir, "up", &["leaf.crt", "ca.crt"]);
    concat(&dir, "down", &["ca.crt", "leaf.crt"]);
    dir.script("signer", "exec openssl pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256");
    for (key, certificate) in
        [("both", "both"), ("rsa2048.key", "up"), ("rsa2048.key", "down"), ("all", "all")]
    {
        let run =
            dir.run(&format!("sign {ROOT} --key {key} --certificate {certificate} --output s"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{key} {certificate}: {run:?}");
        assert_eq!(dir.read("s"), dir.read("plain"), "{key} {certificate}");
        dir.ok(&format!("build image.raw --key {key} --certificate {certificate}"));
        dir.ok("check image.raw --certificate leaf.crt");
        // Without the key: the chain says which one signs, and then the signature.
        let with = format!("{ROOT} --certificate {certificate}");
        dir.ok(&format!("prepare-signature {with} --output digest"));
        dir.openssl("pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256 -in digest -out raw");
        dir.ok(&format!("attach-signature {with} --raw-signature raw --output s"));
        assert_eq!(dir.read("s"), dir.read("plain"), "{certificate}");
        dir.ok(&format!("sign {with} --signer-command ./signer --output s"));
        assert_eq!(dir.read("s"), dir.read("plain"), "{certificate}");
    }
}

/// Two that fit are a guess, and none that fits is an error.
#[test]
fn k08_two_that_fit_are_refused() {
    let Some(dir) = with_chain() else { return };
    dir.key("other");
    dir.key("p256");
    concat(&dir, "two-keys", &["rsa2048.key", "other.key"]);
    concat(&dir, "twice", &["leaf.crt", "leaf.crt"]);
    concat(&dir, "renewed", &["leaf.crt", "rsa2048.cert"]);
    concat(&dir, "strangers", &["other.cert", "p256.cert"]);
    let key = "--key rsa2048.key";
    for (with, words) in [
        ("--key two-keys --certificate leaf.crt", "where exactly one private key is expected"),
        (&format!("{key} --certificate twice"), "2 certificates in the file are those of the key"),
        (&format!("{key} --certificate renewed"), "2 certificates in the file are those of"),
        (&format!("{key} --certificate strangers"), "none of the 2 certificates in the file"),
        (&format!("{key} --certificate other.cert"), "does not belong to the certificate"),
    ] {
        dir.fails(&format!("sign {ROOT} {with} --output s"), 5, words);
        dir.fails(&format!("build image.raw {with}"), 5, words);
    }
    for certificate in ["twice", "renewed", "strangers"] {
        let line = format!("prepare-signature {ROOT} --certificate {certificate} --output digest");
        dir.fails(&line, 5, "that are not one chain");
    }
    dir.ok(&format!("prepare-signature {ROOT} --certificate leaf.crt --output digest"));
    dir.openssl("pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256 -in digest -out raw");
    std::fs::remove_file(dir.path("digest")).unwrap();
    for certificate in ["twice", "renewed"] {
        let line = format!(
            "attach-signature {ROOT} --certificate {certificate} --raw-signature raw --output s"
        );
        dir.fails(&line, 5, "2 certificates in the file are those of the key");
    }
    assert!(!dir.exists("s") && !dir.exists("digest"));
}

/// Whom to trust is never picked out of several; a key beside the certificate is ignored.
#[test]
fn k08_several_certificates_are_not_trusted() {
    let Some(dir) = with_chain() else { return };
    concat(&dir, "both", &["rsa2048.key", "rsa2048.cert"]);
    concat(&dir, "several", &["rsa2048.cert", "leaf.crt"]);
    let verify = "verify image.raw image.verity --manifest image.manifest.json";
    let bare = "verify image.raw image.verity --root-hash-file image.roothash \
                --root-hash-signature image.roothash.p7s";
    for line in ["check image.raw", verify, bare, "check image.raw --no-manifest"] {
        dir.ok(&format!("{line} --certificate both"));
        let run = dir.fails(
            &format!("{line} --certificate several"),
            5,
            "2 PEM blocks (CERTIFICATE, CERTIFICATE) where exactly one certificate is expected",
        );
        assert!(run.stderr.contains("--ca"), "{run:?}");
        dir.fails(&format!("{line} --ca several"), 5, "a file of its own");
    }
    dir.ok("lint-signature image.roothash.p7s --certificate both");
    dir.fails("lint-signature image.roothash.p7s --certificate several", 5, "file of its own");
    dir.ok(CHECK);
}

/// PKCS#12 is named with and without a passphrase, and never called a key that is not encrypted.
#[test]
fn other_formats_are_named_with_the_command_that_converts() {
    let Some(dir) = with_chain() else { return };
    dir.openssl("pkcs12 -export -inkey rsa2048.key -in rsa2048.cert -passout pass:x -out k.p12");
    dir.set_mode("k.p12", 0o600);
    dir.write("pass", b"x\n");
    dir.set_mode("pass", 0o600);
    dir.openssl("x509 -in rsa2048.cert -trustout -out trusted.crt");
    let own = "--certificate rsa2048.cert --output s";
    for (with, words) in [
        (format!("--key k.p12 {own}"), "it is PKCS#12; openssl pkcs12 -in FILE -nocerts"),
        (format!("--key k.p12 --passphrase-file pass {own}"), "it is PKCS#12; openssl pkcs12 "),
        ("--key rsa2048.key --certificate k.p12 --output s".to_owned(), "-clcerts -nokeys"),
        (
            "--key rsa2048.key --certificate trusted.crt --output s".to_owned(),
            "\"TRUSTED CERTIFICATE\" where a certificate is expected; openssl x509 -in FILE",
        ),
    ] {
        dir.fails(&format!("sign {ROOT} {with}"), 5, words);
    }
    dir.fails("check image.raw --certificate trusted.crt", 5, "openssl x509 -in FILE -out NEW");
    // What openssl takes out of it is taken here as it stands.
    dir.openssl("pkcs12 -in k.p12 -passin pass:x -nodes -out all.pem");
    dir.set_mode("all.pem", 0o600);
    dir.ok(&format!("sign {ROOT} --key all.pem --certificate all.pem --output s"));
}

/// P-521 signs, and which kernel takes it is said.
#[test]
fn p521_signs_for_newer_kernels() {
    let dir = Dir::with_signed_set(20);
    dir.key("p521");
    let run = dir.run("build image.raw --key p521.key --certificate p521.cert --seed test");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("ECDSA P-521 keys from Linux 6.10 on"), "{run:?}");
    let run = dir.run("check image.raw --certificate p521.cert");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let text = dir.ok(
        "lint-signature image.roothash.p7s --root-hash-file image.roothash --certificate p521.cert",
    );
    assert!(text.contains("accepted by the kernel: yes\nsince: Linux 6.10\n"), "{text}");
    let again = dir.read("image.roothash.p7s");
    dir.ok("build image.raw --key p521.key --certificate p521.cert --seed test");
    assert_eq!(dir.read("image.roothash.p7s"), again, "signatures are deterministic");
}

/// Which mistake it is, and what each way out says.
#[test]
fn attach_signature_says_which_mistake_it_is() {
    let Some(dir) = with_chain() else { return };
    dir.key("p256");
    for name in ["rsa2048", "p256"] {
        let with = format!("{ROOT} --certificate {name}.cert");
        dir.ok(&format!("prepare-signature {with} --output digest --content-output content"));
        let sign = |digest: &str, input: &str, output: &str| {
            dir.openssl(&format!(
                "pkeyutl -sign -inkey {name}.key -pkeyopt digest:{digest} -in {input} -out {output}"
            ));
        };
        sign("sha256", "digest", "good");
        dir.openssl("base64 -in good -out base64");
        let line: String = String::from_utf8(dir.read("base64")).unwrap().split('\n').collect();
        dir.write("vault", format!("vault:v1:{line}\n").as_bytes());
        dir.write("hex", hex::encode(dir.read("good")).as_bytes());
        dir.write("content", &[dir.read("content"), b"\n".to_vec()].concat());
        dir.openssl(&format!("dgst -sha256 -sign {name}.key -out newline content"));
        dir.openssl(&format!("dgst -sha256 -sign {name}.key -out twice digest"));
        dir.write("content", ROOT.as_bytes());
        dir.openssl(&format!("dgst -sha384 -sign {name}.key -out sha384 content"));
        for (raw, words) in [
            ("base64", "the right one, but as base64 text; base64 -d FILE >NEW"),
            ("vault", "the right one, but as the text of a Vault server"),
            ("hex", "the right one, but as text in hex; xxd -r -p FILE NEW"),
            ("newline", "with a newline at the end"),
            ("twice", "hashed once more"),
            ("sha384", "with sha384: --digest sha384 says so"),
            ("rsa2048.cert", "PEM text"),
            ("image.roothash.p7s", "a whole PKCS#7 message"),
        ] {
            let line = format!("attach-signature {with} --raw-signature {raw} --output s");
            let run = dir.fails(&line, 5, words);
            assert!(run.stderr.contains(raw), "{run:?}");
        }
        assert!(!dir.exists("s"));
        dir.ok(&format!(
            "attach-signature {with} --digest sha384 --raw-signature sha384 --output s"
        ));
        dir.ok(&format!("attach-signature {with} --raw-signature good --output s"));
        std::fs::remove_file(dir.path("s")).unwrap();
    }
}

/// The root hash is told as everywhere, and the older option still works.
#[test]
fn lint_signature_takes_the_root_hash_as_other_commands() {
    let dir = Dir::with_signed_set(20);
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    let lint = "lint-signature image.roothash.p7s --certificate rsa2048.cert";
    for with in [
        root.clone(),
        "--root-hash-file image.roothash".to_owned(),
        format!("{root} --root-hash-file image.roothash"),
        format!("--root-hash {root}"),
    ] {
        let text = dir.ok(&format!("{lint} {with}"));
        assert!(text.contains("accepted by the kernel: yes\n"), "{text}");
    }
    // White space behind it is in no table.
    for behind in ["\n", " ", "\r\n"] {
        let mut command = dir.command();
        command.args(lint.split(' ')).arg(format!("{root}{behind}"));
        let run = crate::common::Run::of(command.output().unwrap());
        assert!(run.stdout.contains("accepted by the kernel: yes\n"), "{run:?}");
    }
    let other = crate::common::wrong(&root);
    dir.fails(&format!("{lint} {root} --root-hash {root}"), 2, "cannot be used with");
    dir.fails(&format!("{lint} {other} --root-hash-file image.roothash"), 2, "command line");
    assert_eq!(dir.run(&format!("{lint} {other}")).code, 5);
    // What is typed counts as it is: the kernel takes the text of the table.
    let run = dir.run(&format!("{lint} {}", root.to_uppercase()));
    assert!(run.code == 5 && run.stdout.contains("upper case"), "{run:?}");
    assert!(!dir.run("lint-signature --help").stdout.contains("--root-hash <"));
}

#[test]
fn lint_signature_names_what_is_no_message() {
    let Some(dir) = with_chain() else { return };
    dir.openssl(
        "smime -sign -nocerts -noattr -binary -in image.roothash -inkey rsa2048.key -signer \
         rsa2048.cert -out smime",
    );
    dir.openssl("base64 -in image.roothash.p7s -out base64");
    dir.openssl("dgst -sha256 -sign rsa2048.key -out raw image.roothash");
    dir.openssl("pkcs7 -inform DER -in image.roothash.p7s -out pem");
    dir.write("cut", &dir.read("image.roothash.p7s")[..256]);
    for (file, words) in [
        ("smime", "warn form: it is S/MIME text"),
        ("base64", "warn form: it is base64 text"),
        ("raw", "warn form: it is as long as a raw RSA-2048 signature"),
        ("cut", "warn form: it is a PKCS#7 message, cut off: 256 of "),
        ("pem", "warn form: it is PEM text"),
    ] {
        let run = dir.run(&format!("lint-signature {file}"));
        assert_eq!(run.code, 5, "{run:?}");
        assert!(run.stdout.contains(words), "{run:?}");
    }
}

/// The file that is wrong is the one that is named, and what to do is about that.
#[test]
fn the_file_that_is_wrong_is_named() {
    let Some(dir) = with_chain() else { return };
    dir.key("other");
    dir.key("p256");
    concat(&dir, "strangers", &["rsa2048.cert", "p256.cert"]);
    concat(&dir, "keys", &["rsa2048.key", "p256.key"]);
    concat(&dir, "several", &["other.cert", "p256.cert"]);
    dir.ok(&format!("prepare-signature {ROOT} --certificate rsa2048.cert --output digest"));
    dir.openssl("pkeyutl -sign -inkey other.key -pkeyopt digest:sha256 -in digest -out foreign");
    dir.openssl("pkeyutl -sign -inkey rsa2048.key -pkeyopt digest:sha256 -in digest -out good");
    dir.openssl("base64 -in good -out base64");
    dir.write("empty", b"");
    let attach = format!("attach-signature {ROOT} --certificate strangers --output s");
    for (raw, words) in [
        ("foreign", "foreign: the raw signature (256 bytes) is by the key of none of the 2"),
        ("base64", "base64: the raw signature"),
        ("base64", "it is the right one, but as base64 text"),
        ("empty", "there are no bytes"),
    ] {
        let run = dir.fails(&format!("{attach} --raw-signature {raw}"), 5, words);
        assert!(run.stderr.starts_with(&format!("verity: {raw}: ")), "{run:?}");
    }
    let sign = format!("sign {ROOT} --key rsa2048.key --output s");
    for (with, words) in [
        (
            "--certificate leaf.crt --chain several",
            "several: 2 PEM blocks (CERTIFICATE, CERTIFICATE) where exactly one certificate is \
             expected; give each in a file of its own, by a --chain of its own\n",
        ),
        ("--certificate leaf.crt --chain other.cert", "verity: other.cert: the certificate of"),
        (
            "--certificate keys",
            "keys: no certificate among 2 PEM blocks (PRIVATE KEY, PRIVATE KEY)\n",
        ),
        ("--certificate leaf.crt --chain keys", "keys: no certificate among 2 PEM blocks"),
    ] {
        dir.fails(&format!("{sign} {with}"), 5, words);
    }
    for line in ["check image.raw --certificate keys", "check image.raw --ca keys"] {
        let words = "keys: no certificate among 2 PEM blocks (PRIVATE KEY, PRIVATE KEY)\n";
        dir.fails(line, 5, words);
    }
    assert!(!dir.exists("s"));
}
