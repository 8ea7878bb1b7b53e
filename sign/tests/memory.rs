//! What is allocated for claims that nothing backs. A program of its own: the peak that the kernel
//! counts is that of the whole process, with every thread in it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod common;

use common::{TEXT, certificate_file, der_of, embedding, key_file, refused};
use verity_sign::Class;
use verity_testdata::der::Node;

/// A claim of 4 GiB in every place of a message and of a certificate; nothing is allocated for it.
#[test]
fn p27_4_gib_are_not_believed() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = peak();
    let lies = |original: &[u8]| {
        let original = Node::parse(original);
        let lie = |path: Vec<usize>| {
            let mut tree = original.clone();
            let node = tree.at(&path);
            let head = [node.encode()[0], 0x84, 0xff, 0xff, 0xff, 0xf0];
            *node = Node::Raw([&head[..], &node.content()].concat());
            tree.encode()
        };
        original.paths().into_iter().map(lie).collect::<Vec<_>>()
    };
    let mut tried = 0;
    for name in ["rsa2048", "p256"] {
        for message in lies(&embedding(name)) {
            let (error, class) = refused(&message, name);
            assert_eq!(class, Class::Format, "{error}");
            let _ = verity_sign::lint::predict(&message, TEXT, &[]);
            tried += 1;
        }
        for certificate in lies(&der_of(&certificate_file(name))) {
            assert!(verity_sign::Certificate::parse(&certificate).is_err());
        }
        for key in lies(&der_of(&key_file(name))) {
            assert!(verity_sign::PrivateKey::parse(&key).is_err());
        }
    }
    assert!(tried > 50, "{tried}");
    // In KiB of addresses, which even memory that is never touched takes.
    assert!(peak() - before < 1 << 20, "{before} {}", peak());
}
