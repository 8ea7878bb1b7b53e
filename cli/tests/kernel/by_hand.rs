//! Valid signatures with one thing changed on purpose: what a version, an algorithm, a number or a
//! container may be.

use verity_testdata::der::{Node, tlv};

use super::keys::Keys;
use super::lint::Variant;
use super::mutation::OIDS;

/// Where things are in a `SignedData`, and in a `SignerInfo`.
const VERSION: usize = 0;
const DIGEST_ALGORITHMS: usize = 1;
pub(crate) const CERTIFICATES: usize = 3;
const DIGEST_ALGORITHM: usize = 2;
pub(crate) const SIGNED_ATTRIBUTES: usize = 3;
const SIGNATURE_ALGORITHM: usize = 3;
const SIGNATURE: usize = 4;

/// A message taken apart.
#[derive(Clone)]
pub(crate) struct Message(Node);

impl Message {
    pub(crate) fn parse(der: &[u8]) -> Message {
        Message(Node::parse(der))
    }

    pub(crate) fn data(&mut self) -> &mut Node {
        self.0.at(&[1, 0])
    }

    pub(crate) fn signers(&mut self) -> &mut Node {
        let last = self.data().children().len() - 1;
        self.data().at(&[last])
    }

    pub(crate) fn signer(&mut self) -> &mut Node {
        self.signers().at(&[0])
    }

    pub(crate) fn variant(&self, name: &str) -> Variant {
        Variant::new("by hand", name, self.0.encode())
    }
}

pub(crate) fn variants(keys: &Keys, root: &str) -> Vec<Variant> {
    let message = |key: &str, options: &str| Message::parse(&keys.ours(root, key, options));
    let mut variants = Vec::new();
    for (key, options) in [
        ("rsa2048", ""),
        ("rsa2048", "--embed-certificate"),
        ("p256", ""),
        ("p256", "--embed-certificate"),
        ("p384", "--embed-certificate --subject-key-identifier"),
    ] {
        let message = message(key, options);
        let name = |what: &str| format!("{key} {options}: {what}");
        if options != "--embed-certificate" {
            variants.extend(versions(&message, &name));
        } else if key != "p384" {
            variants.extend(algorithms(&message, &name));
        }
        variants.extend(signatures(&message, key.starts_with("rsa"), &name));
    }
    let embedded = message("rsa2048", "--embed-certificate");
    variants.extend(containers(&embedded));
    variants.extend(unsigned_attributes(&embedded));
    variants.extend(two_signers(keys, root));
    if keys.openssl {
        let mut chain =
            message("leaf", "--embed-certificate --chain middle.cert --chain root.cert");
        chain.data().at(&[CERTIFICATES]).children().reverse();
        variants
            .push(chain.variant("a chain whose certificates are not sorted, as by openssl smime"));
    }
    variants
}

/// Two signers, of whom one or both have a digest that the kernel is built without: SM3.
fn two_signers(keys: &Keys, root: &str) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (one, other) in [("rsa2048", "p256"), ("rsa2048", "other"), ("other", "twin")] {
        for form in ["-noattr -nocerts", "-noattr", "-nosmimecap"] {
            let options = format!("{form} -signer {other}.cert -inkey {other}.key");
            let signed =
                keys.openssl.then(|| keys.signed("cms", one, root.as_bytes(), &options)).flatten();
            let Some(signed) = signed else { continue };
            for which in [&[0][..], &[1], &[0, 1]] {
                let mut message = Message::parse(&signed);
                for &signer in which {
                    let sm3 = hex::decode("2a811ccf55018311").unwrap();
                    *message.signers().at(&[signer, DIGEST_ALGORITHM, 0]) = Node::Primitive(6, sm3);
                }
                variants.push(message.variant(&format!("{one} {options}, SM3 for {which:?}")));
            }
        }
    }
    variants
}

fn versions(message: &Message, name: &impl Fn(&str) -> String) -> Vec<Variant> {
    let mut variants = Vec::new();
    let numbers: [&[u8]; 5] = [&[0], &[1], &[3], &[0, 1], &[]];
    for data in numbers {
        for signer in numbers {
            let mut message = message.clone();
            message.data().children()[VERSION] = Node::Primitive(2, data.to_vec());
            message.signer().children()[VERSION] = Node::Primitive(2, signer.to_vec());
            variants.push(message.variant(&name(&format!("versions {data:?} and {signer:?}"))));
        }
    }
    variants
}

fn algorithms(message: &Message, name: &impl Fn(&str) -> String) -> Vec<Variant> {
    let mut variants = Vec::new();
    for oid in OIDS {
        for (place, what) in [(DIGEST_ALGORITHM, "digest"), (SIGNATURE_ALGORITHM, "signature")] {
            let mut message = message.clone();
            let bytes = hex::decode(oid).unwrap();
            *message.signer().at(&[place, 0]) = Node::Primitive(6, bytes);
            variants.push(message.variant(&name(&format!("{what} algorithm {oid}"))));
        }
    }
    variants
}

/// Numbers at the borders of what a signature can be.
fn signatures(message: &Message, rsa: bool, name: &impl Fn(&str) -> String) -> Vec<Variant> {
    let value = message.clone().signer().at(&[SIGNATURE]).bytes();
    let values = if rsa { of_rsa(&value) } else { of_ecdsa(&value) };
    let variant = |(what, value)| {
        let mut message = message.clone();
        *message.signer().at(&[SIGNATURE]) = Node::Primitive(4, value);
        message.variant(&name(&format!("signature {what}")))
    };
    values.into_iter().map(variant).collect()
}

fn of_rsa(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let size = value.len();
    let number = |last: u8| [vec![0; size - 1], vec![last]].concat();
    let mut values = vec![
        ("of no bytes", Vec::new()),
        ("0", number(0)),
        ("1", number(1)),
        ("2", number(2)),
        ("of ones", vec![0xff; size]),
        ("with a zero before", [&[0], value].concat()),
        ("with a zero behind", [value, &[0]].concat()),
        ("without its first byte", value[1..].to_vec()),
        ("twice", [value, value].concat()),
    ];
    let mut changed = value.to_vec();
    changed[size - 1] ^= 1;
    values.push(("with another bit", changed));
    values.into_iter().map(|(what, value)| (what.to_owned(), value)).collect()
}

fn of_ecdsa(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut pair = Node::parse(value);
    let whole = pair.children().clone();
    let size = if value.len() < 80 { 32 } else { 48 };
    let mut values = Vec::new();
    for (place, letter) in [(0, 'r'), (1, 's')] {
        let number = whole[place].bytes();
        for (what, number) in [
            ("of no bytes", Vec::new()),
            ("0", vec![0]),
            ("1", vec![1]),
            ("of ones", vec![0xff; size]),
            ("of ones with a zero before", [vec![0], vec![0xff; size]].concat()),
            ("with a zero more", [vec![0], number.clone()].concat()),
            ("with two zeros more", [vec![0, 0], number.clone()].concat()),
            ("too long", [vec![1], vec![0; size]].concat()),
            ("much too long", vec![1; 2 * size]),
            ("without its last byte", number[..number.len() - 1].to_vec()),
        ] {
            let mut numbers = whole.clone();
            numbers[place] = Node::Primitive(2, number);
            values
                .push((format!("with {letter} {what}"), Node::Constructed(0x30, numbers).encode()));
        }
    }
    let swapped = Node::Constructed(0x30, whole.iter().rev().cloned().collect()).encode();
    let three = Node::Constructed(0x30, [&whole[..], &whole[..1]].concat()).encode();
    // Its length reaches into s, of which too little is left.
    let mut long = value.to_vec();
    long[3] = u8::try_from(size + 8).unwrap();
    for (what, value) in [
        ("with r that reaches into s", long),
        ("with r and s swapped", swapped),
        ("with three numbers", three),
        ("with one number", Node::Constructed(0x30, whole[..1].to_vec()).encode()),
        ("with a byte behind", [value, &[0]].concat()),
        ("cut short", value[..value.len() - 1].to_vec()),
        ("of no bytes", Vec::new()),
        ("as a set", [&[0x31], &value[1..]].concat()),
    ] {
        values.push((what.to_owned(), value));
    }
    values
}

/// The other forms of containers that the kernel's grammar knows, and what is in them.
fn containers(message: &Message) -> Vec<Variant> {
    let certificate = message.clone().data().at(&[CERTIFICATES, 0]).clone();
    let retagged = |place: usize, tag: u8| {
        let mut message = message.clone();
        let node = &mut message.data().children()[place];
        *node = Node::Constructed(tag, node.children().clone());
        message
    };
    let last = message.clone().data().children().len() - 1;
    let mut variants = vec![
        retagged(DIGEST_ALGORITHMS, 0x30).variant("digest algorithms as a sequence"),
        retagged(CERTIFICATES, 0xa2).variant("certificates as a sequence"),
        retagged(CERTIFICATES, 0xa1).variant("certificates as revocation lists"),
        retagged(last, 0x30).variant("signers as a sequence"),
    ];
    for (what, inner) in [
        ("none", vec![]),
        ("twice the same", vec![certificate.clone(), certificate.clone()]),
        ("a set", vec![Node::Constructed(0x31, vec![certificate.clone()])]),
        ("an attribute certificate", vec![certificate.clone(), Node::Constructed(0xa1, vec![])]),
        ("an empty sequence", vec![Node::Constructed(0x30, vec![])]),
        ("bytes behind one", vec![certificate.clone(), Node::Raw(vec![0; 4])]),
    ] {
        for tag in [0xa0, 0xa2] {
            let mut message = message.clone();
            message.data().children()[CERTIFICATES] = Node::Constructed(tag, inner.clone());
            variants.push(message.variant(&format!("certificates {tag:x}: {what}")));
        }
    }
    for (what, inner) in [
        ("none", vec![]),
        ("an empty one", vec![Node::Constructed(0x30, vec![])]),
        ("a certificate in one", vec![Node::Constructed(0x30, vec![certificate.clone()])]),
        ("a certificate", vec![certificate]),
        ("a number in one", vec![Node::Constructed(0x30, vec![Node::Primitive(2, vec![1])])]),
    ] {
        for tag in [0xa1, 0xa3] {
            let mut message = message.clone();
            message
                .data()
                .children()
                .insert(CERTIFICATES + 1, Node::Constructed(tag, inner.clone()));
            variants.push(message.variant(&format!("revocation lists {tag:x}: {what}")));
        }
    }
    variants
}

fn unsigned_attributes(message: &Message) -> Vec<Variant> {
    let mut variants = Vec::new();
    let oid = Node::Primitive(6, hex::decode("2a864886f70d010906").unwrap());
    let attribute = |values| Node::Constructed(0x30, vec![oid.clone(), values]);
    let good = attribute(Node::Constructed(0x31, vec![Node::Raw(tlv(4, b"counter"))]));
    for (what, inner) in [
        ("one", vec![good.clone()]),
        ("two", vec![good.clone(), good]),
        ("none", vec![]),
        ("one without values", vec![attribute(Node::Constructed(0x31, vec![]))]),
        (
            "one with a sequence of values",
            vec![attribute(Node::Constructed(0x30, vec![oid.clone()]))],
        ),
    ] {
        for tag in [0xa1, 0xa3, 0xa0, 0xa2] {
            let mut message = message.clone();
            let signer = message.signer().children();
            let place = if matches!(tag, 0xa0 | 0xa2) { SIGNATURE_ALGORITHM } else { signer.len() };
            signer.insert(place, Node::Constructed(tag, inner.clone()));
            variants.push(message.variant(&format!("attributes {tag:x}: {what}")));
        }
    }
    variants
}
