//! Hostile encodings of good signatures: what stands around a message and how it is written. The
//! codes in names are those of `docs/ATTACKS.md`.

use crate::common::{TEXT, assert_refused, decode, embedding, encode, good, refused, signer_of};
use der::Encode;
use verity_sign::{Class, SignatureError};
use verity_testdata::der::{Node, tlv};

#[test]
fn p02_trailing_bytes() {
    for name in ["rsa2048", "p256"] {
        let message = good(name);
        for tail in [vec![0], vec![0; 100], vec![b'\n'], message.clone()] {
            let long = [message.clone(), tail.clone()].concat();
            let (error, class) = refused(&long, name);
            let SignatureError::TrailingBytes { count } = error else { panic!("{error}") };
            assert_eq!((count, class), (tail.len(), Class::Format));
        }
    }
}

/// Bytes that hide inside the explicit tag, behind the SignedData.
#[test]
fn p02_trailing_bytes_inside() {
    let mut tree = Node::parse(&good("rsa2048"));
    tree.at(&[1]).children().push(Node::Primitive(0x05, vec![]));
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
    let mut tree = Node::parse(&good("rsa2048"));
    tree.at(&[1, 0]).children().push(Node::Primitive(0x05, vec![]));
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
    let mut tree = Node::parse(&good("rsa2048"));
    tree.children().push(Node::Primitive(0x05, vec![]));
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
}

#[test]
fn p04_empty_and_pem() {
    assert_refused!([0; 0], "p256", Format, SignatureError::Empty);
    let pem = b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n".to_vec();
    assert_refused!(pem, "p256", Format, SignatureError::NotPkcs7 { .. });
}

#[test]
fn p23_size() {
    // The largest size is still looked at, one byte more is not.
    for (size, limit) in
        [(32_767, false), (32_768, true), (65_535, true), (65_536, true), (1 << 20, true)]
    {
        let mut bytes = vec![0; size];
        let message = good("rsa2048");
        bytes[..message.len()].copy_from_slice(&message);
        let (error, class) = refused(&bytes, "rsa2048");
        match limit {
            true => assert!(matches!(error, SignatureError::TooLarge { limit: 32_767, .. })),
            false => assert!(matches!(error, SignatureError::TrailingBytes { .. })),
        }
        assert_eq!(class == Class::Limit, limit);
    }
}

#[test]
fn p24_ber_and_nesting() {
    let mut tree = Node::parse(&good("rsa2048"));
    tree.indefinite();
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
    let mut tree = Node::parse(&good("rsa2048"));
    tree.at(&[1, 0]).indefinite();
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });

    // The signature value as a constructed OCTET STRING.
    let mut tree = Node::parse(&good("rsa2048"));
    let value = tree.at(&[1, 0, 3, 0, 4]);
    let (head, tail) = (value.bytes()[..100].to_vec(), value.bytes()[100..].to_vec());
    *value = Node::Constructed(0x24, vec![Node::Primitive(4, head), Node::Primitive(4, tail)]);
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });

    // Deep nesting, as deep as the size limit allows.
    let mut deep = Vec::new();
    while deep.len() < 32_000 {
        deep = tlv(0x30, &deep);
    }
    assert_refused!(deep.clone(), "rsa2048", Format, SignatureError::Malformed { .. });
    // 10^5 levels, and as many as fit in the size limit, in BER.
    let levels = |count: usize| [0x30, 0x80].repeat(count);
    assert_refused!(levels(100_000), "rsa2048", Limit, SignatureError::TooLarge { .. });
    assert_refused!(levels(16_383), "rsa2048", Format, SignatureError::Malformed { .. });
    for deep in [levels(16_383), deep, levels(100_000)] {
        let _ = verity_sign::lint::predict(&deep, TEXT, &[]);
    }
    let mut tree = Node::parse(&good("rsa2048"));
    let shallow =
        (0..11).fold(Node::Primitive(5, vec![]), |node, _| Node::Constructed(0x30, vec![node]));
    tree.at(&[1, 0, 3, 0, 3]).children()[1] = shallow;
    assert_refused!(tree.encode(), "rsa2048", Signature, SignatureError::AlgorithmMismatch { .. });
}

#[test]
fn p26_encodings_that_are_not_minimal() {
    // A length of four bytes where one would do, in every primitive of the message.
    let paths: [&[usize]; 5] =
        [&[0], &[1, 0, 0], &[1, 0, 1, 0, 0], &[1, 0, 3, 0, 0], &[1, 0, 3, 0, 4]];
    for path in paths {
        let mut tree = Node::parse(&good("rsa2048"));
        let node = tree.at(path);
        let tag = node.encode()[0];
        *node = Node::LongLength(tag, node.bytes(), 4);
        assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
    }
    // INTEGER 1 as 00 01.
    let mut tree = Node::parse(&good("rsa2048"));
    *tree.at(&[1, 0, 0]) = Node::Primitive(2, vec![0, 1]);
    assert_refused!(tree.encode(), "rsa2048", Format, SignatureError::Malformed { .. });
}

/// The embedded certificate with an explicit default (`critical FALSE`): the decoder takes it for
/// the same certificate; only encoding again tells.
#[test]
fn p26_an_explicit_default_value() {
    let mut tree = Node::parse(&embedding("rsa2048"));
    let extensions = tree.at(&[1, 0, 3, 0, 0, 7, 0]).children();
    let mut extensions = extensions.iter_mut().map(Node::children);
    let plain = extensions.find(|fields| fields.len() == 2).unwrap();
    plain.insert(1, Node::Primitive(1, vec![0]));
    let message = tree.encode();
    assert!(decode(&message).certificates == decode(&embedding("rsa2048")).certificates);
    assert_refused!(message, "rsa2048", Format, SignatureError::NotCanonical { .. });
}

/// TRUE as anything but FF; bits that a BIT STRING says are unused, in the embedded certificate's
/// key and signature.
#[test]
fn p26_booleans_and_unused_bits() {
    let reject = |tree: &Node| {
        let (error, class) = refused(&tree.encode(), "rsa2048");
        assert!([Class::Format, Class::Trust].contains(&class), "{error}");
    };
    let original = Node::parse(&embedding("rsa2048"));
    let certificate = [1, 0, 3, 0, 0];
    let mut booleans = 0;
    for path in original.paths() {
        let mut tree = original.clone();
        let node = tree.at(&path);
        match node {
            Node::Primitive(1, value) if *value == [0xff] => {
                for byte in [1, 0x7f, 0xfe] {
                    *tree.at(&path) = Node::Primitive(1, vec![byte]);
                    assert_eq!(refused(&tree.encode(), "rsa2048").1, Class::Format, "{byte}");
                    booleans += 1;
                }
            }
            Node::Primitive(3, value) if path.starts_with(&certificate) => {
                for unused in [1, 7, 8, 255] {
                    let bits = [&[unused], &value[1..]].concat();
                    let mut tree = original.clone();
                    *tree.at(&path) = Node::Primitive(3, bits);
                    reject(&tree);
                }
            }
            _ => {}
        }
    }
    assert!(booleans > 0);
}

#[test]
fn p26_order_in_a_set() {
    let (one, other) = (signer_of(&good("rsa2048")), signer_of(&good("other")));
    let mut tree = Node::parse(&good("rsa2048"));
    for order in [[&one, &other], [&other, &one]] {
        *tree.at(&[1, 0, 3]).children() =
            order.iter().map(|signer| Node::parse(&signer.to_der().unwrap())).collect();
        refused(&tree.encode(), "rsa2048");
    }
}

#[test]
fn p27_lengths_that_lie() {
    for head in [
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x82, 0xff, 0xff],
        &[0x30],
        &[0x30, 0x82],
        &[0x1f, 0xff, 0xff],
    ] {
        let message = [head, &good("rsa2048")[4..]].concat();
        assert_refused!(message, "rsa2048", Format, SignatureError::Malformed { .. });
        assert_refused!(head, "rsa2048", Format, SignatureError::Malformed { .. });
    }
}

/// An arc of 2^128, wherever the message has an object identifier.
#[test]
fn p27_object_identifiers_without_end() {
    let original = Node::parse(&embedding("rsa2048"));
    // 2^128 in base 128: a 4 and 18 zeros.
    let arc = [&[0x84][..], &[0x80; 17], &[0]].concat();
    let mut tried = 0;
    for path in original.paths() {
        let mut tree = original.clone();
        let node = tree.at(&path);
        let Node::Primitive(6, name) = node else { continue };
        *node = Node::Primitive(6, [&name[..1], &arc].concat());
        let (error, class) = refused(&tree.encode(), "rsa2048");
        assert_eq!(class, Class::Format, "{path:?}: {error}");
        let _ = verity_sign::lint::predict(&tree.encode(), TEXT, &[]);
        tried += 1;
    }
    assert!(tried >= 10, "{tried}");
}

#[test]
fn p28_a_zero_filled_file_is_no_signature() {
    assert_refused!(vec![0; 4096], "rsa2048", Format, SignatureError::Malformed { .. });
}

/// The tools of these tests write what they read.
#[test]
fn unchanged_messages_stay_the_same() {
    for message in [good("rsa2048"), good("p256"), embedding("p384")] {
        assert_eq!(encode(&decode(&message)), message);
        assert_eq!(Node::parse(&message).encode(), message);
    }
}
