//! Random changes of valid signatures, as bytes and as a tree of DER.

use verity_testdata::der::Node;
use verity_testdata::pattern::Prng;

use super::keys::Keys;
use super::lint::Variant;
use Mutation::*;

/// What is done to a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    /// One bit anywhere.
    Bit,
    /// One bit of an element's tag or length.
    Header,
    /// The end is missing.
    Cut,
    /// Bytes follow.
    Garbage,
    /// An object identifier is another.
    Oid,
    /// Two elements of a container change places.
    Swap,
    /// An element stands there twice.
    Twice,
    /// An element is not there.
    Gone,
    /// A length of more octets.
    Length,
    /// Containers of indefinite length.
    Indefinite,
    /// A value is shorter, longer or another.
    Value,
    /// A tag is another.
    Tag,
    /// An element of another signature in its place.
    Graft,
    /// Bytes in place of an element.
    Bytes,
    /// Some of these.
    Several,
}

const ALL: [Mutation; 15] = [
    Bit, Header, Cut, Garbage, Oid, Swap, Twice, Gone, Length, Indefinite, Value, Tag, Graft,
    Bytes, Several,
];
/// How many there are of each.
pub(crate) const EACH: usize = 22;

/// Identifiers that mean something to the kernel in one place or another, and some that do not.
pub(crate) const OIDS: [&str; 24] = [
    "2a864886f70d010701",
    "2a864886f70d010702",
    "2a864886f70d010705",
    "2a864886f70d010101",
    "2a864886f70d01010b",
    "2a864886f70d01010a",
    "2a8648ce3d0201",
    "2a8648ce3d040302",
    "2a8648ce3d040303",
    "2a8648ce3d030107",
    "2b81040022",
    "2b0e03021a",
    "608648016503040201",
    "608648016503040202",
    "608648016503040203",
    "608648016503040208",
    "2a864886f70d0205",
    "2a811ccf55018311",
    "2a85030701010202",
    "2a85030701010101",
    "2b060104018237020104",
    "2a864886f70d01090f",
    "2b6570",
    "80",
];
const TAGS: [u8; 16] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x17, 0x1f, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0xa2,
];

/// Every kind of change, as often.
pub(crate) fn variants(keys: &Keys, root: &str, prng: &mut Prng) -> Vec<Variant> {
    let originals = originals(keys, root);
    let mut variants = Vec::new();
    for mutation in ALL {
        for number in 0..EACH {
            let (name, original) = prng.pick(&originals);
            let (_, other) = prng.pick(&originals);
            let changed = mutation.apply(original, other, prng);
            let class = format!("mutation: {mutation:?}");
            variants.push(Variant::new(&class, &format!("{number} of {name}"), changed));
        }
    }
    variants
}

/// Valid ones; those of openssl have the time in them, so that not every byte is that of another
/// run.
fn originals(keys: &Keys, root: &str) -> Vec<(String, Vec<u8>)> {
    let mut originals = Vec::new();
    for (key, options) in [
        ("rsa2048", ""),
        ("rsa2048", "--subject-key-identifier"),
        ("rsa2048", "--embed-certificate"),
        ("p256", ""),
        ("p256", "--embed-certificate"),
        ("p384", "--embed-certificate --subject-key-identifier"),
    ] {
        originals.push((format!("{key} {options}"), keys.ours(root, key, options)));
    }
    if keys.openssl {
        for (key, options) in [
            ("rsa2048", "-nosmimecap -nocerts"),
            ("p256", "-nosmimecap"),
            ("rsa2048", "-nosmimecap -keyid -nocerts"),
            ("leaf", "-noattr -certfile middle.cert"),
            ("other", "-noattr -nocerts -signer p256.cert -inkey p256.key"),
        ] {
            let signature = keys.signed("cms", key, root.as_bytes(), options);
            originals.push((format!("{key} {options}"), signature.expect("made by openssl")));
        }
    }
    originals
}

impl Mutation {
    fn apply(self, original: &[u8], other: &[u8], prng: &mut Prng) -> Vec<u8> {
        match self {
            Bit => {
                let mut bytes = original.to_vec();
                *any_mut(&mut bytes, prng) ^= 1 << prng.below(8);
                bytes
            }
            Cut => original[..index(original.len(), prng)].to_vec(),
            Garbage => [original, &some_bytes(prng)].concat(),
            Several => {
                let mut tree = Node::parse(original);
                for _ in 0..prng.range(2..=4) {
                    let tree_changes: Vec<_> = ALL
                        .into_iter()
                        .filter(|one| !matches!(one, Bit | Cut | Garbage | Several))
                        .collect();
                    prng.pick(&tree_changes).change(&mut tree, other, prng);
                }
                tree.encode()
            }
            _ => {
                let mut tree = Node::parse(original);
                self.change(&mut tree, other, prng);
                tree.encode()
            }
        }
    }

    /// Changes the tree where it can.
    fn change(self, tree: &mut Node, other: &[u8], prng: &mut Prng) {
        let fits = |node: &Node| match self {
            Oid => matches!(node, Node::Primitive(6, _)),
            Swap | Twice | Gone => matches!(node, Node::Constructed(_, inner) if !inner.is_empty()),
            Indefinite => matches!(node, Node::Constructed(..)),
            Value => matches!(node, Node::Primitive(..)),
            _ => true,
        };
        let mut places = tree.paths();
        places.retain(|path| fits(tree.at(path)));
        if places.is_empty() {
            return;
        }
        let count = if self == Indefinite { prng.range(1..=4) } else { 1 };
        for _ in 0..count {
            let path = prng.pick(&places).clone();
            let node = tree.at(&path);
            self.change_one(node, other, prng);
        }
    }

    fn change_one(self, node: &mut Node, other: &[u8], prng: &mut Prng) {
        let mut encoded = node.encode();
        let tag = encoded.first().copied().unwrap_or(0);
        match self {
            Header => {
                let header = encoded.len().min(2);
                if header > 0 {
                    *any_mut(&mut encoded[..header], prng) ^= 1 << prng.below(8);
                }
                *node = Node::Raw(encoded);
            }
            Oid => *node = Node::Primitive(6, hex::decode(prng.pick(&OIDS)).unwrap()),
            Swap | Twice | Gone => {
                let inner = node.children();
                let (one, two) = (index(inner.len(), prng), index(inner.len(), prng));
                match self {
                    Swap => inner.swap(one, two),
                    Twice => inner.insert(two, inner[one].clone()),
                    _ => drop(inner.remove(one)),
                }
            }
            Length => {
                let width = usize::try_from(prng.range(1..=4)).unwrap();
                *node = Node::LongLength(tag, node.content(), width);
            }
            Indefinite if matches!(node, Node::Constructed(..)) => node.indefinite(),
            Value => *node = Node::Primitive(tag, value(&node.bytes(), prng)),
            Tag => {
                let tag = if prng.one_in(3) { tag ^ 0x20 } else { *prng.pick(&TAGS) };
                *node = Node::Raw([&[tag], encoded.get(1..).unwrap_or_default()].concat());
            }
            Graft => {
                let mut other = Node::parse(other);
                let path = prng.pick(&other.paths()).clone();
                *node = other.at(&path).clone();
            }
            Bytes => *node = Node::Raw(some_bytes(prng)),
            _ => {}
        }
    }
}

/// Another value, often nearly the same.
fn value(bytes: &[u8], prng: &mut Prng) -> Vec<u8> {
    match prng.below(7) {
        0 => Vec::new(),
        1 => some_bytes(prng),
        2 => [&[0], bytes].concat(),
        3 => [bytes, &[0]].concat(),
        4 => bytes.get(1..).unwrap_or_default().to_vec(),
        5 => bytes[..bytes.len().saturating_sub(1)].to_vec(),
        _ => vec![0xff; bytes.len()],
    }
}

fn some_bytes(prng: &mut Prng) -> Vec<u8> {
    let count = usize::try_from(prng.range(1..=12)).unwrap();
    prng.bytes(count)
}

fn index(count: usize, prng: &mut Prng) -> usize {
    usize::try_from(prng.below(u64::try_from(count).unwrap())).unwrap()
}

fn any_mut<'a>(bytes: &'a mut [u8], prng: &mut Prng) -> &'a mut u8 {
    let place = index(bytes.len(), prng);
    &mut bytes[place]
}
