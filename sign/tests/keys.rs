//! Keys: every encoding that is accepted, and what is refused.
//! The codes in names are those of `docs/ATTACKS.md`.

use std::fs;

use crate::common::{
    NAMES, OpenSsl, certificate, certificate_error, der_of, key, key_error, key_file, path,
    with_certificate, works,
};
use verity_sign::{
    CertificateError, Class, Error, KeyError, KeyType, PrivateKey, SignatureBuilder, Signer,
};
use verity_testdata::der::{Node, tlv};

#[test]
fn key_types_are_recognised() {
    let types = NAMES.map(|name| {
        assert_eq!(key(name).key_type(), certificate(name).key_type());
        key(name).key_type().to_string()
    });
    let rsa = ["RSA-2048", "RSA-3072", "RSA-4096"];
    assert_eq!(types[..3], rsa);
    assert_eq!(types[3..], ["ECDSA P-256", "ECDSA P-384", "ECDSA P-521"]);
    assert_eq!(key("p521").key_type().since_linux(), Some("6.10"));
    assert_eq!(key("p384").key_type(), KeyType::EcdsaP384);
}

#[test]
fn pkcs8_pem_and_der() {
    for name in NAMES {
        works(&key_file(name), name);
        works(&der_of(&key_file(name)), name);
    }
}

/// K08: what openssl writes in its older formats.
#[test]
fn k08_pkcs1_and_sec1_by_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in NAMES {
        let command = if name.starts_with("rsa") { "rsa" } else { "ec" };
        let traditional = if command == "rsa" { "-traditional" } else { "" };
        for form in ["PEM", "DER"] {
            let args = format!("{command} -in {{}} {traditional} -outform {form}");
            let file = openssl.ok(&args, &[&path(name, "key")]);
            if form == "PEM" {
                assert!(!file.starts_with(b"-----BEGIN PRIVATE"), "{name}");
            }
            works(&file, name);
        }
    }
    // `openssl ecparam -genkey` puts the curve in front, in a block of its own.
    let parameters = openssl.ok("ecparam -name prime256v1", &[]);
    let sec1 = openssl.ok("ec -in {}", &[&path("p256", "key")]);
    works(&[parameters, sec1].concat(), "p256");
}

const PASSPHRASE: &str = "correct horse 271828";

fn encrypted_error(file: &[u8], passphrase: &str) -> KeyError {
    match PrivateKey::parse_encrypted(file, passphrase.as_bytes()) {
        Err(Error::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Every way in which openssl protects a PKCS#8 key with AES; K04: another passphrase is refused.
#[test]
fn k08_encrypted_keys_by_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    let mut opened = 0;
    for name in NAMES {
        for way in [
            "-v2 aes-256-cbc",
            "-v2 aes-128-cbc",
            "-v2 aes-192-cbc -v2prf hmacWithSHA512",
            "-v2 aes-256-cbc -v2prf hmacWithSHA384 -iter 100000",
            "-scrypt",
            "-scrypt -scrypt_N 1024 -scrypt_r 4 -scrypt_p 2",
        ] {
            for form in ["PEM", "DER"] {
                let args =
                    format!("pkcs8 -topk8 -in {{}} {way} -passout file:passphrase -outform {form}");
                openssl.file("passphrase", PASSPHRASE.as_bytes());
                let file = openssl.ok(&args, &[&path(name, "key")]);
                assert!(matches!(key_error(&file), KeyError::Encrypted));
                let key = PrivateKey::parse_encrypted(&file, PASSPHRASE.as_bytes())
                    .unwrap_or_else(|error| panic!("{name} {way}: {error}"));
                let signatory = with_certificate(key, name).unwrap();
                signatory.sign_detached(b"content").unwrap();
                for wrong in ["", "correct horse 271829", "correct horse 271828\n"] {
                    let error = encrypted_error(&file, wrong);
                    assert!(matches!(error, KeyError::Passphrase), "{way}: {error}");
                }
                opened += 1;
            }
        }
    }
    assert_eq!(opened, 72);
}

/// A wrong passphrase gives a valid padding once in 256 times: that is no other error.
#[test]
fn k04_a_wrong_passphrase_is_always_called_that() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.file("passphrase", PASSPHRASE.as_bytes());
    let args = "pkcs8 -topk8 -in {} -iter 1 -passout file:passphrase -outform DER";
    let file = openssl.ok(args, &[&path("p256", "key")]);
    for number in 0..2000 {
        let error = encrypted_error(&file, &format!("wrong {number}"));
        assert!(matches!(error, KeyError::Passphrase), "{error}");
    }
}

#[test]
fn k08_other_encryption_is_named_and_refused() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (name, args) in [
        ("rsa2048", "rsa -in {} -traditional -aes128 -passout pass:secret"),
        ("p256", "ec -in {} -aes128 -passout pass:secret"),
        ("p256", "pkcs8 -topk8 -in {} -v2 des3 -passout pass:secret -outform PEM"),
        ("p256", "pkcs8 -topk8 -in {} -v1 PBE-SHA1-3DES -passout pass:secret -outform DER"),
    ] {
        let file = openssl.ok(args, &[&path(name, "key")]);
        let error = encrypted_error(&file, "secret");
        assert!(matches!(error, KeyError::UnsupportedEncryption { .. }), "{args}: {error}");
        assert_eq!(error.to_string().contains("1.2.840.113549.1.12.1.3"), args.contains("-v1"));
    }
    // Whoever gives a passphrase believes that there is one.
    for name in NAMES {
        let error = encrypted_error(&key_file(name), "secret");
        assert!(matches!(error, KeyError::NotEncrypted), "{error}");
    }
}

/// K05: a file says itself how much work it makes. The numbers are put into a real one.
#[test]
fn k05_excessive_work_is_refused_before_it_is_done() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.file("passphrase", PASSPHRASE.as_bytes());
    let encrypted = |way: &str| {
        let args = format!("pkcs8 -topk8 -in {{}} {way} -passout file:passphrase -outform DER");
        openssl.ok(&args, &[&path("p256", "key")])
    };
    let begun = std::time::Instant::now();
    let refused = |file: &[u8], index: usize, number: &[u8]| {
        let mut tree = Node::parse(file);
        // PBES2's parameters: the key derivation's: salt, then numbers.
        *tree.at(&[0, 1, 0, 1, index]) = Node::Primitive(2, number.to_vec());
        let error = encrypted_error(&tree.encode(), PASSPHRASE);
        let refused =
            matches!(error, KeyError::EncryptionCost | KeyError::UnsupportedEncryption { .. });
        assert!(refused, "{index} {number:x?}: {error}");
        matches!(error, KeyError::EncryptionCost)
    };
    let pbkdf2 = encrypted("-v2 aes-256-cbc");
    assert!(refused(&pbkdf2, 1, &10_000_001_u32.to_be_bytes()));
    assert!(refused(&pbkdf2, 1, &[0x7f, 0xff, 0xff, 0xff]), "2^31 - 1 rounds");
    assert!(refused(&pbkdf2, 1, &[0, 0x80, 0, 0, 0]), "2^31 rounds");
    refused(&pbkdf2, 1, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let scrypt = encrypted("-scrypt");
    assert!(refused(&scrypt, 1, &[0x40, 0, 0, 0]), "N = 2^30");
    assert!(refused(&scrypt, 1, &[0x40, 0, 0, 0, 0, 0, 0, 0]), "N = 2^62");
    assert!(refused(&scrypt, 2, &[0x7f, 0xff]), "r");
    assert!(refused(&scrypt, 3, &[0x7f, 0xff]), "p");
    // Little work, but p blocks of 2 MiB: half a GiB.
    let mut many = Node::parse(&scrypt);
    *many.at(&[0, 1, 0, 1, 1]) = Node::Primitive(2, vec![2]);
    *many.at(&[0, 1, 0, 1, 2]) = Node::Primitive(2, vec![0x40, 0]);
    assert!(refused(&many.encode(), 3, &[1, 0]), "128 r p");
    // The work would take hours.
    assert!(begun.elapsed().as_secs() < 300);
    assert_eq!(Error::from(KeyError::EncryptionCost).class(), Class::Limit);
}

/// K05: numbers that mean nothing, of which N = 0 once was a panic.
#[test]
fn k05_numbers_out_of_range_are_refused() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.file("passphrase", PASSPHRASE.as_bytes());
    for (way, index, numbers) in [
        ("-v2 aes-256-cbc", 1, &[0_u8][..]),
        ("-scrypt", 1, &[0, 1, 3, 6]),
        ("-scrypt", 2, &[0]),
        ("-scrypt", 3, &[0]),
    ] {
        let args = format!("pkcs8 -topk8 -in {{}} {way} -passout file:passphrase -outform DER");
        let mut tree = Node::parse(&openssl.ok(&args, &[&path("p256", "key")]));
        for &number in numbers {
            *tree.at(&[0, 1, 0, 1, index]) = Node::Primitive(2, vec![number]);
            let error = encrypted_error(&tree.encode(), PASSPHRASE);
            let refused = matches!(error, KeyError::UnsupportedEncryption { .. });
            assert!(refused, "{way}: number {index} is {number}: {error}");
        }
    }
}

/// Cut and flipped files: an error, never a panic.
#[test]
fn k07_damaged_encrypted_keys() {
    let Some(openssl) = OpenSsl::find() else { return };
    openssl.file("passphrase", PASSPHRASE.as_bytes());
    let args = "pkcs8 -topk8 -in {} -iter 1 -passout file:passphrase -outform DER";
    let file = openssl.ok(args, &[&path("p256", "key")]);
    for length in 0..file.len() {
        assert!(PrivateKey::parse_encrypted(&file[..length], PASSPHRASE.as_bytes()).is_err());
    }
    // Not the iteration count: some of its bits are much work, and within the bound.
    let Node::Primitive(_, count) = Node::parse(&file).at(&[0, 1, 0, 1, 1]).clone() else {
        panic!()
    };
    assert_eq!(count, [1]);
    let place = file.windows(3).position(|bytes| bytes == [2, 1, 1]).unwrap();
    let others = (0..file.len()).filter(|byte| !(place..place + 3).contains(byte));
    for (byte, bit) in others.flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
        let mut flipped = file.clone();
        flipped[byte] ^= 1 << bit;
        if let Ok(key) = PrivateKey::parse_encrypted(&flipped, PASSPHRASE.as_bytes()) {
            // CBC lets a flip through where PKCS#8 holds nothing of the key.
            assert_eq!(key.key_type(), KeyType::EcdsaP256);
        }
    }
}

/// RFC 6979 A.2.5 to A.2.7: the keys and signatures of its examples.
#[test]
fn ecdsa_signatures_are_those_of_rfc_6979() {
    let p256 = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
    let p384 = "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
                96D5724E4C70A825F872C9EA60D2EDF5";
    let p521 = "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75\
                CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B8\
                3538";
    let cases = [
        (
            p256,
            "sha256",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            p256,
            "sha384",
            "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719",
            "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954",
        ),
        (
            p256,
            "sha512",
            "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
            "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
        ),
        (
            p384,
            "sha256",
            "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33\
             BDE1E888E63355D92FA2B3C36D8FB2CD",
            "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEB\
             EFDC63ECCD1AC42EC0CB8668A4FA0AB0",
        ),
        (
            p384,
            "sha384",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
             81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
             A329C145786E679E7B82C71A38628AC8",
        ),
        (
            p384,
            "sha512",
            "ED0959D5880AB2D869AE7F6C2915C6D60F96507F9CB3E047C0046861DA4A799C\
             FE30F35CC900056D7C99CD7882433709",
            "512C8CCEEE3890A84058CE1E22DBC2198F42323CE8ACA9135329F03C068E5112\
             DC7CC3EF3446DEFCEB01A45C2667FDD5",
        ),
        (
            p521,
            "sha256",
            "01511BB4D675114FE266FC4372B87682BAECC01D3CC62CF2303C92B3526012659D16\
             876E25C7C1E57648F23B73564D67F61C6F14D527D54972810421E7D87589E1A7",
            "004A171143A83163D6DF460AAF61522695F207A58B95C0644D87E52AA1A347916E4F\
             7A72930B1BC06DBE22CE3F58264AFD23704CBB63B29B931F7DE6C9D949A7ECFC",
        ),
        (
            p521,
            "sha384",
            "01EA842A0E17D2DE4F92C15315C63DDF72685C18195C2BB95E572B9C5136CA4B4B57\
             6AD712A52BE9730627D16054BA40CC0B8D3FF035B12AE75168397F5D50C67451",
            "01F21A3CEE066E1961025FB048BD5FE2B7924D0CD797BABE0A83B66F1E35EEAF5FDE\
             143FA85DC394A7DEE766523393784484BDF3E00114A1C857CDE1AA203DB65D61",
        ),
        (
            p521,
            "sha512",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E\
             25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF2826\
             23EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ),
    ];
    for (scalar, digest, r, s) in cases {
        let scalar = hex::decode(scalar).unwrap();
        let (length, curve) = match scalar.len() {
            32 => (32, "a00a06082a8648ce3d030107"),
            48 => (48, "a00706052b81040022"),
            _ => (66, "a00706052b81040023"),
        };
        let scalar = Node::Primitive(4, scalar).encode();
        let inner = [vec![2, 1, 1], scalar, hex::decode(curve).unwrap()].concat();
        let key = PrivateKey::parse(&tlv(0x30, &inner)).unwrap();
        let name = match length {
            32 => "p256",
            48 => "p384",
            _ => "p521",
        };
        let builder = SignatureBuilder::new(certificate(name));
        let to_be_signed = builder.with_digest(digest.parse().unwrap()).prepare(b"sample");
        let raw = key.sign(&to_be_signed).unwrap();
        let integer = |number: &str| {
            let mut bytes = hex::decode(number).unwrap();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            bytes.drain(..zeros);
            if bytes[0] & 0x80 != 0 {
                bytes.insert(0, 0);
            }
            Node::Primitive(2, bytes).encode()
        };
        let expected = tlv(0x30, &[integer(r), integer(s)].concat());
        assert_eq!(hex::encode(&raw), hex::encode(expected), "{length} {digest}");
        assert!(key.public_key().verifies(&to_be_signed, &raw));
    }
}

#[test]
fn k06_key_and_certificate_must_belong_together() {
    for (name, other) in [
        ("rsa2048", "other"),
        ("rsa2048", "rsa3072"),
        ("rsa2048", "p256"),
        ("p256", "p384"),
        ("p256", "rsa2048"),
    ] {
        let error = with_certificate(key(name), other).unwrap_err();
        assert!(matches!(error, Error::Key(KeyError::Mismatch { .. })), "{error}");
        assert_eq!(error.class(), Class::Key);
    }
    // The same key in another certificate is no mismatch.
    assert!(with_certificate(key("rsa2048"), "expired").is_ok());
}

/// K07: numbers that are no key. Version, n, e, d, p, q, dP, dQ, qInv.
#[test]
fn k07_inconsistent_rsa_keys() {
    let pkcs8 = Node::parse(&der_of(&key_file("rsa2048"))).at(&[2]).bytes();
    let number = |index: usize| Node::parse(&pkcs8).at(&[index]).bytes();
    let plus_two = |index: usize| {
        let mut bytes = number(index);
        let last = bytes.last_mut().unwrap();
        *last = last.wrapping_add(2);
        bytes
    };
    let even = |index: usize| {
        let mut bytes = number(index);
        *bytes.last_mut().unwrap() &= 0xfe;
        bytes
    };
    let cases: [(&str, usize, Vec<u8>); 16] = [
        ("version 1", 0, vec![1]),
        ("n + 2", 1, plus_two(1)),
        ("n even", 1, even(1)),
        ("n negative", 1, number(1)[1..].to_vec()),
        ("n of 1024 bits", 1, number(1)[..129].to_vec()),
        ("e = 1", 2, vec![1]),
        ("e = 3", 2, vec![3]),
        ("e even", 2, vec![1, 0, 0]),
        ("d = 0", 3, vec![0]),
        ("p = 1", 4, vec![1]),
        ("p = q", 4, number(5)),
        ("p even", 4, even(4)),
        ("q = 0", 5, vec![0]),
        ("q + 2", 5, plus_two(5)),
        ("qInv + 2", 8, plus_two(8)),
        ("n empty", 1, vec![]),
    ];
    assert!(PrivateKey::parse(&pkcs8).is_ok());
    for (case, index, bytes) in cases {
        let mut tree = Node::parse(&pkcs8);
        *tree.at(&[index]) = Node::Primitive(2, bytes);
        let verdict = PrivateKey::parse(&tree.encode());
        assert!(matches!(verdict, Err(Error::Key(_))), "{case}");
    }
}

/// K07: a CRT exponent that does not fit is only noticed in use, and must not become a signature.
#[test]
fn k07_a_wrong_crt_exponent_makes_no_signature() {
    for index in [6, 7] {
        let pkcs1 = Node::parse(&der_of(&key_file("rsa2048"))).at(&[2]).bytes();
        let mut tree = Node::parse(&pkcs1);
        let mut exponent = tree.at(&[index]).bytes();
        exponent[40] ^= 1;
        *tree.at(&[index]) = Node::Primitive(2, exponent);
        if let Ok(key) = PrivateKey::parse(&tree.encode()) {
            let signatory = with_certificate(key, "rsa2048").unwrap();
            let error = signatory.sign_detached(b"content").unwrap_err();
            assert!(matches!(error, Error::Signing(_)), "{error}");
        }
    }
}

#[test]
fn k07_bad_ec_keys() {
    // The SEC1 key inside PKCS#8: version, scalar, public key.
    let pkcs8 = der_of(&key_file("p256"));
    let sec1 = Node::parse(&pkcs8).at(&[2]).bytes();
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [vec![0; 32], order.unwrap(), vec![0xff; 32], vec![7; 31], vec![], vec![1; 32]] {
        let mut inner = Node::parse(&sec1);
        *inner.at(&[1]) = Node::Primitive(4, scalar.clone());
        let mut outer = Node::parse(&pkcs8);
        *outer.at(&[2]) = Node::Primitive(4, inner.encode());
        let verdict = PrivateKey::parse(&outer.encode());
        assert!(matches!(verdict, Err(Error::Key(_))), "{}", hex::encode(scalar));
    }
    // A public key that is not the scalar's.
    let mut outer = Node::parse(&pkcs8);
    let mut inner = Node::parse(&sec1);
    let point = inner.at(&[2, 0]).bytes();
    let mut other = point.clone();
    *other.last_mut().unwrap() ^= 1;
    *inner.at(&[2, 0]) = Node::Primitive(3, other);
    *outer.at(&[2]) = Node::Primitive(4, inner.encode());
    assert!(matches!(key_error(&outer.encode()), KeyError::Rejected { .. }));
    // The same beside it, as PKCS#8 of version 2 has it.
    let mut second = Node::parse(&pkcs8);
    *second.at(&[0]) = Node::Primitive(2, vec![1]);
    second.children().push(Node::Primitive(0x81, point.clone()));
    works(&second.encode(), "p256");
    let other = [&point[..64], &[point[64] ^ 1, point[65]]].concat();
    *second.at(&[3]) = Node::Primitive(0x81, other);
    assert!(matches!(key_error(&second.encode()), KeyError::Rejected { .. }));
    // Without one, as some programs write it: the scalar is enough.
    let mut inner = Node::parse(&sec1);
    inner.children().truncate(2);
    *outer.at(&[2]) = Node::Primitive(4, inner.encode());
    works(&outer.encode(), "p256");
    // Without a curve.
    let inner = Node::parse(&sec1);
    assert!(matches!(key_error(&inner.encode()), KeyError::Unsupported { .. }));
}

#[test]
fn p17_unsupported_keys_by_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (generate, what) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:512", "RSA"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2560", "RSA"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3", ""),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime192v1", "curve"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-224", "curve"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "curve"),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "EC",
        ),
        ("genpkey -algorithm ED25519", "1.3.101.112"),
    ] {
        let file = openssl.file("key.pem", &openssl.ok(generate, &[]));
        let error = key_error(&fs::read(&file).unwrap());
        assert!(error.to_string().contains(what), "{generate}: {error}");
        let certificate = openssl.ok("req -x509 -new -subj /CN=x -key {}", &[&file]);
        let error = certificate_error(&certificate);
        assert!(matches!(error, CertificateError::UnsupportedKey { .. }), "{generate}: {error}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let key = key("rsa2048");
    assert_eq!(format!("{key:?}"), "PrivateKey(RSA-2048)");
    let signatory = with_certificate(key, "rsa2048").unwrap();
    let text = format!("{signatory:?}");
    assert!(text.len() < 600, "{text}");
}
