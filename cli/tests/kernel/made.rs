//! Signatures made in every way there is: by `verity sign`, by openssl with its options, and by
//! hand.

use verity_testdata::der::Node;
use verity_testdata::pattern::Prng;

use super::keys::{Keys, certificate_file};
use super::lint::Variant;
use super::signed::KNOWN;

/// What openssl is told, beside key and certificate.
const OPTIONS: [&str; 8] = [
    "-noattr -nocerts",
    "-noattr",
    "-nosmimecap -nocerts",
    "-nosmimecap",
    "-keyid -noattr -nocerts",
    "-keyid -nosmimecap",
    "",
    "-noattr -nodetach",
];
/// What it is told once.
const ONCE: [&str; 8] = [
    "-nosmimecap -cades",
    "-noattr -nocerts -stream",
    "-noattr -nocerts -keyopt rsa_padding_mode:pss",
    "-noattr -econtent_type pkcs7-digestData",
    "-nosmimecap -econtent_type pkcs7-digestData",
    "-noattr -nocerts -keyid -econtent_type 1.3.6.1.4.1.311.2.1.4",
    "-nosmimecap -nocerts -keyid -econtent_type 1.3.6.1.4.1.311.2.1.4",
    "-keyid -econtent_type 1.3.6.1.4.1.311.2.1.4",
];
const DIGESTS: [&str; 14] = [
    "md5",
    "ripemd160",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sha512-256",
    "sha3-224",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "sm3",
    "blake2b512",
];

/// By `verity sign`: every digest, with and without certificates, of the root hash and of another
/// one.
pub(crate) fn ours(keys: &Keys, root: &str, other: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (key, digests) in KNOWN {
        for options in [
            "",
            "--embed-certificate",
            "--subject-key-identifier",
            "--embed-certificate --subject-key-identifier",
        ] {
            for digest in digests {
                let options = format!("--digest {digest} {options}");
                variants.push(Variant::new(
                    "by verity",
                    &format!("{key} {options}"),
                    keys.ours(root, key, &options),
                ));
            }
            let wrong = keys.ours(other, key, options);
            variants.push(Variant::new(
                "by verity",
                &format!("{key} {options}, another root hash"),
                wrong,
            ));
        }
    }
    for options in ["", "--embed-certificate", "--subject-key-identifier"] {
        variants.push(Variant::new(
            "by verity",
            &format!("other {options}"),
            keys.ours(root, "other", options),
        ));
    }
    if keys.openssl {
        for (key, options) in [
            ("leaf", ""),
            ("leaf", "--embed-certificate"),
            ("leaf", "--embed-certificate --chain middle.cert"),
            ("leaf", "--embed-certificate --chain middle.cert --chain root.cert"),
            ("middle", "--embed-certificate"),
            ("direct", "--embed-certificate"),
        ] {
            variants.push(Variant::new(
                "by verity",
                &format!("{key} {options}"),
                keys.ours(root, key, options),
            ));
        }
    }
    variants
}

/// By openssl: every key with every form, every digest, several signers, and chains.
pub(crate) fn by_openssl(keys: &Keys, root: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    let mut add = |command: &str, key: &str, content: &[u8], options: &str, what: &str| {
        let signature = keys.signed(command, key, content, options);
        let name = format!("{command} {key} {options}{what}");
        variants.extend(signature.map(|signature| Variant::new("by openssl", &name, signature)));
    };
    for key in keys.names() {
        OPTIONS.iter().for_each(|options| add("cms", key, root.as_bytes(), options, ""));
        add("smime", key, root.as_bytes(), "-noattr -nocerts", "");
    }
    for key in ["rsa2048", "p256"] {
        ONCE.iter().for_each(|options| add("cms", key, root.as_bytes(), options, ""));
    }
    for key in ["rsa2048", "p256", "p384", "p521", "p192"] {
        for options in DIGESTS.iter().flat_map(|digest| {
            ["-noattr -nocerts", "-nosmimecap"].map(|form| format!("{form} -md {digest}"))
        }) {
            add("cms", key, root.as_bytes(), &options, "");
        }
    }
    for (content, what) in other_texts(root) {
        for (key, options) in
            [("rsa2048", "-noattr -nocerts"), ("p384", "-noattr"), ("rsa3072", "-nosmimecap")]
        {
            add("smime", key, &content, options, &format!(", {what}"));
            add("cms", key, &content, options, &format!(", {what}"));
        }
    }
    for (one, other) in [
        ("rsa2048", "p256"),
        ("rsa2048", "other"),
        ("other", "p384"),
        ("other", "leaf"),
        ("p521", "ed25519"),
    ] {
        for options in ["-noattr -nocerts", "-nosmimecap", "-noattr -keyid"] {
            let options = format!("{options} -signer {other}.cert -inkey {other}.key");
            add("cms", one, root.as_bytes(), &options, "");
        }
    }
    for (key, with) in [
        ("leaf", "middle"),
        ("leaf", "root"),
        ("rsa2048", "ed25519"),
        ("rsa2048", "md5"),
        ("other", "rsa2048"),
        ("p256", "explicit"),
    ] {
        for options in ["-noattr", "-nosmimecap"] {
            add("cms", key, root.as_bytes(), &format!("{options} -certfile {with}.cert"), "");
        }
    }
    variants
}

/// What people sign instead of the root hash.
fn other_texts(root: &str) -> [(Vec<u8>, &'static str); 6] {
    [
        (format!("{root}\n").into(), "newline"),
        (format!("{root}\r\n").into(), "CR LF"),
        (format!("{root}\0").into(), "zero byte"),
        (root.to_ascii_uppercase().into(), "upper case"),
        (hex::decode(root).unwrap(), "binary hash"),
        (Vec::new(), "nothing"),
    ]
}

/// A table in upper case: its text is what must be signed.
pub(crate) fn upper_case(keys: &Keys, root: &str) -> Vec<Variant> {
    let upper = root.to_ascii_uppercase();
    let texts = [("upper case", upper.as_bytes()), ("lower case", root.as_bytes())];
    let signature = |(what, text): (&str, &[u8])| {
        let signature = keys.signed("cms", "rsa2048", text, "-noattr -nocerts")?;
        Some(Variant::new("upper case in the table", what, signature).upper())
    };
    texts.into_iter().filter_map(signature).collect()
}

/// What is no signature, or hardly.
pub(crate) fn odd(keys: &Keys, root: &str, prng: &mut Prng) -> Vec<Variant> {
    let good = keys.ours(root, "rsa2048", "");
    let long = |length: usize| [&good[..], &vec![0; length - good.len()]].concat();
    let raw = Node::parse(&good).at(&[1, 0, 3, 0, 4]).bytes();
    let mut odd = vec![
        ("empty", Vec::new()),
        ("one zero", vec![0]),
        ("two bytes", vec![0x30, 0]),
        ("noise", prng.bytes(700)),
        ("zeros", vec![0; 700]),
        ("raw RSA", raw),
        ("a certificate in PEM", certificate_file("rsa2048")),
        ("a certificate", keys.certificates().swap_remove(0)),
        ("as long as a key can be", long(32_767)),
        ("longer than a key can be", long(32_768)),
    ];
    if keys.openssl {
        keys.dir.write("good", &good);
        keys.dir.write("content", root.as_bytes());
        for (what, line) in [
            ("PEM", "pkcs7 -inform DER -in good -outform PEM -out made"),
            (
                "certificates and no signer",
                "crl2pkcs7 -nocrl -certfile rsa2048.cert -outform DER -out made",
            ),
            ("digested data", "cms -digest_create -in content -outform DER -out made"),
            ("plain data", "cms -data_create -in content -outform DER -out made"),
            ("encrypted data", "cms -encrypt -in content -outform DER -out made rsa2048.cert"),
        ] {
            keys.openssl(line);
            odd.push((what, keys.dir.read("made")));
        }
    }
    odd.into_iter().map(|(what, bytes)| Variant::new("no signature", what, bytes)).collect()
}
