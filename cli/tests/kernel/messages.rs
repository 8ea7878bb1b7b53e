//! A signature for each line that the kernel can write about one, where other cases do not lead to
//! it for certain: signed attributes, embedded certificates and chains with one thing changed.

use verity_testdata::der::{Node, tlv};

use super::by_hand::{CERTIFICATES, Message, SIGNED_ATTRIBUTES};
use super::keys::Keys;
use super::lint::Variant;

const AUTHORITY_KEY: [u8; 3] = [0x55, 0x1d, 0x23];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
const SUBJECT_KEY: [u8; 3] = [0x55, 0x1d, 0x0e];
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];

/// By openssl, and changed.
pub(crate) fn variants(keys: &Keys, root: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (key, options) in [("rsa2048", "-nosmimecap -nocerts"), ("p256", "-nosmimecap")] {
        let message = made(keys, root, key, options);
        variants.extend(signed_attributes(&message, &format!("{key} {options}")));
    }
    variants.extend(two_signers(keys, root));
    variants.extend(certificates(keys, root));
    variants.extend(extensions(keys, root));
    variants.extend(chains(keys, root));
    variants
}

fn made(keys: &Keys, root: &str, key: &str, options: &str) -> Message {
    let signature = keys.signed("cms", key, root.as_bytes(), options);
    Message::parse(&signature.expect("made by openssl"))
}

/// The content type, the time and the digest: each missing, twice, with two values and with another
/// one; and one more.
fn signed_attributes(message: &Message, name: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Vec<Node>)| {
        let mut message = message.clone();
        change(message.signer().at(&[SIGNED_ATTRIBUTES]).children());
        variants.push(message.variant(&format!("{name}: signed attributes, {what}")));
    };
    for index in 0..3 {
        add(&format!("without {index}"), &|all| drop(all.remove(index)));
        add(&format!("{index} twice"), &|all| all.insert(index, all[index].clone()));
        let change_values = |all: &mut Vec<Node>, change: &dyn Fn(&mut Vec<Node>)| {
            change(all[index].at(&[1]).children());
        };
        add(&format!("two values of {index}"), &|all| {
            change_values(all, &|values| values.push(values[0].clone()));
        });
        for (what, value) in [
            ("signedData", tlv(6, &hex::decode("2a864886f70d010702").unwrap())),
            ("1971", tlv(0x17, b"710101000000Z")),
            ("33 bytes", tlv(4, &[7; 33])),
            ("32 bytes", tlv(4, &[7; 32])),
        ] {
            let value = Node::parse(&value);
            add(&format!("{index} is {what}"), &|all| {
                change_values(all, &|values| values[0] = value.clone());
            });
        }
    }
    // Those of Authenticode, and one that nobody knows.
    for oid in ["2b06010401823702010c", "2b06010401823702010b", "2b0601040182370201ff7f"] {
        let oid = Node::Primitive(6, hex::decode(oid).unwrap());
        let values = Node::Constructed(0x31, vec![Node::Constructed(0x30, vec![])]);
        add(&format!("with {oid:?}"), &|all| {
            all.push(Node::Constructed(0x30, vec![oid.clone(), values.clone()]));
        });
    }
    variants
}

/// Attributes of one of them only, or one whose digest is another: the kernel says which one it is.
fn two_signers(keys: &Keys, root: &str) -> Vec<Variant> {
    let message = made(keys, root, "rsa2048", "-nosmimecap -signer p256.cert -inkey p256.key");
    let mut variants = Vec::new();
    for signer in [0, 1] {
        let mut add = |what: &str, change: &dyn Fn(&mut Node)| {
            let mut message = message.clone();
            change(message.signers().at(&[signer]));
            variants.push(message.variant(&format!("two signers, of {signer} {what}")));
        };
        add("no signed attributes", &|info| drop(info.children().remove(SIGNED_ATTRIBUTES)));
        for size in [32, 20] {
            let digest = Node::Primitive(4, vec![7; size]);
            add(&format!("a digest of {size} other bytes"), &|info| {
                *info.at(&[SIGNED_ATTRIBUTES, 2, 1, 0]) = digest.clone();
            });
        }
    }
    variants
}

/// An embedded certificate that names two algorithms, or has an authority key identifier that is
/// none.
fn certificates(keys: &Keys, root: &str) -> Vec<Variant> {
    let mut message = made(keys, root, "rsa2048", "-noattr");
    let sha384 = hex::decode("2a864886f70d01010c").unwrap();
    *message.data().at(&[CERTIFICATES, 0, 1, 0]) = Node::Primitive(6, sha384);
    let mut variants = vec![message.variant("a certificate with two algorithms")];
    // The modulus is nothing, and the exponent longer than what is left: the first of them counts.
    let mut message = made(keys, root, "rsa2048", "-noattr");
    let numbers = [0, 0x30, 4, 2, 0, 2, 5];
    *message.data().at(&[CERTIFICATES, 0, 0, 6, 1]) = Node::Primitive(3, numbers.to_vec());
    variants.push(message.variant("a certificate with a broken key"));
    for key in ["leaf", "direct"] {
        let mut message = made(keys, root, key, "-noattr");
        *extension(message.data().at(&[CERTIFICATES, 0]), AUTHORITY_KEY) =
            Node::Primitive(4, tlv(0x30, &[0x80, 7]));
        variants.push(message.variant(&format!("{key}, a broken authority key identifier")));
    }
    variants
}

/// Extensions of an embedded certificate at the borders of what they can be: of a good one the
/// kernel says no more than that its issuer did not sign it.
fn extensions(keys: &Keys, root: &str) -> Vec<Variant> {
    let message = made(keys, root, "middle", "-noattr -certfile root.cert");
    let mut variants = Vec::new();
    for (what, id, values) in [
        ("basic constraints", BASIC_CONSTRAINTS, &BASIC_CONSTRAINTS_VALUES[..]),
        ("key usage", KEY_USAGE, &KEY_USAGE_VALUES),
        ("subject key identifier", SUBJECT_KEY, &SUBJECT_KEY_VALUES),
        ("authority key identifier", AUTHORITY_KEY, &AUTHORITY_KEY_VALUES),
    ] {
        for value in values {
            let mut message = message.clone();
            for certificate in message.data().at(&[CERTIFICATES]).children() {
                // The root is its own issuer.
                if certificate.at(&[0, 3]).encode() != certificate.at(&[0, 5]).encode() {
                    let bytes = hex::decode(value).unwrap();
                    *extension(certificate, id) = Node::Primitive(4, bytes);
                }
            }
            variants.push(message.variant(&format!("{what} {value}")));
        }
    }
    variants
}

const BASIC_CONSTRAINTS_VALUES: [&str; 24] = [
    "",
    "30",
    "31",
    "3000",
    "3001",
    "300000",
    "3001ff",
    "30020101",
    "3002ff01",
    "30020500",
    "3003010100",
    "3003010101",
    "30030101ff",
    "300301ffff",
    "3003020100",
    "3003020101",
    "300301020f",
    "30040102ffff",
    "30040101ff00",
    "30060101ff020100",
    "31030101ff",
    "3080",
    "308103",
    "30810301010f",
];
const KEY_USAGE_VALUES: [&str; 12] = [
    "",
    "03",
    "0302",
    "030207",
    "03020780",
    "03020880",
    "0302ff80",
    "03ff0780",
    "04020780",
    "0300000000",
    "0303078000",
    "03020700",
];

const SUBJECT_KEY_VALUES: [&str; 7] =
    ["", "04", "0400", "040101", "050101", "04020102ff", "04810101"];
const AUTHORITY_KEY_VALUES: [&str; 9] = [
    "",
    "30",
    "3000",
    "3003800101",
    "3003810101",
    "30028000",
    "3003800101ff",
    "3004800101ff",
    "30058001018200",
];

/// What is in the octets of an extension; it is added if it is not there.
fn extension(certificate: &mut Node, id: [u8; 3]) -> &mut Node {
    let tbs = certificate.at(&[0]).children();
    let all = tbs.last_mut().unwrap().at(&[0]).children();
    let is_it = |extension: &mut Node| extension.children()[0].bytes() == id;
    let place = all.iter_mut().position(is_it).unwrap_or_else(|| {
        let oid = Node::Primitive(6, id.to_vec());
        all.push(Node::Constructed(0x30, vec![oid, Node::Primitive(4, Vec::new())]));
        all.len() - 1
    });
    // There may be a flag between.
    all[place].children().last_mut().unwrap()
}

/// A chain whose issuer has another key identifier than the certificate says, and one that goes
/// round.
fn chains(keys: &Keys, root: &str) -> Vec<Variant> {
    let mut message = made(keys, root, "direct", "-noattr -certfile root.cert");
    for certificate in message.data().at(&[CERTIFICATES]).children() {
        // The other one is the root, which has no issuer's name and number in it.
        let octets = extension(certificate, AUTHORITY_KEY);
        let mut bytes = octets.bytes();
        if bytes.len() > 40 {
            bytes[10] ^= 1;
            *octets = Node::Primitive(4, bytes);
        }
    }
    let circle = made(keys, root, "round", "-noattr -certfile about.cert");
    let attributes = made(keys, root, "round", "-nosmimecap -certfile about.cert");
    let two =
        made(keys, root, "round", "-noattr -certfile about.cert -signer p256.cert -inkey p256.key");
    vec![
        message.variant("a chain with another key identifier"),
        circle.variant("a chain that goes round"),
        attributes.variant("a chain that goes round, and attributes"),
        two.variant("a chain that goes round, and a signer in the keyring"),
    ]
}
