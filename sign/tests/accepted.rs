//! Which images were accepted before, and what may follow them.

use verity::{HashArea, Params, RootHash};
use verity_sign::{AcceptedImages, Class, Error, Image, MAX_STATE_BYTES, Manifest, PolicyError};

use crate::manifest::{ROOT, verified};

/// P31 in the library: what was accepted before decides, and nothing damaged is read.
#[test]
fn p31_accepted_images() {
    let image = |name: &str, version, blocks: u64| {
        let image = Image::new(name, version, "", 300 * 4096).unwrap();
        let params = Params::builder().data_blocks(blocks).build().unwrap();
        let root: RootHash = format!("{blocks:064x}").parse().unwrap();
        let area = HashArea::new(&params, 300 * 4096, false).unwrap();
        verified(&Manifest::new(image, params, root, area, None).unwrap(), "p256")
    };
    let mut accepted = AcceptedImages::new();
    assert!(accepted.accept(&image("b", 5, 200)).unwrap());
    assert!(!accepted.accept(&image("b", 5, 200)).unwrap());
    assert!(accepted.accept_named(&image("a\"ü", 0, 200), "a\"ü").unwrap());
    assert!(accepted.accept(&image("b", u64::MAX - 1, 100)).unwrap());
    assert_eq!(accepted.version("b"), Some(u64::MAX - 1));
    assert_eq!((accepted.version("a\"ü"), accepted.version("c")), (Some(0), None));
    let before = accepted.clone();
    for (refused, expected) in [
        (image("b", 5, 200), "accepted before"),
        (image("b", u64::MAX - 1, 101), "another root hash"),
        (image("b", u64::MAX, 100), "no newer one"),
        (image("new", u64::MAX, 100), "no image \"new\" was accepted before"),
        (image("new", 1, 100), "no image \"new\" was accepted before"),
    ] {
        let error = accepted.accept(&refused).unwrap_err();
        assert!(matches!(error, Error::Policy(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.class(), Class::Policy);
        assert_eq!(accepted, before);
    }
    let rollback = accepted.check(image("b", 7, 1).manifest()).unwrap_err();
    assert!(matches!(rollback, Error::Policy(PolicyError::Rollback { version: 7, .. })));

    // One form, sorted by name, as the format says.
    let bytes = accepted.to_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.starts_with(
            r#"{"state_version":1,"images":[{"name":"a\"ü","version":0,"root_hash":""#
        )
    );
    assert_eq!(AcceptedImages::parse(&bytes).unwrap(), accepted);
    for length in 0..bytes.len() {
        assert!(AcceptedImages::parse(&bytes[..length]).is_err(), "{length}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Another digit or letter is another state; nothing is the same one in other words.
        if let Ok(other) = AcceptedImages::parse(&flipped) {
            assert_ne!(other, accepted, "bit {bit}");
            assert_eq!(other.to_bytes(), flipped, "bit {bit}");
        }
    }
    let entry = format!(r#"{{"name":"a","version":1,"root_hash":"{ROOT}"}}"#);
    let state = |images: &str| format!(r#"{{"state_version":1,"images":[{images}]}}"#);
    assert!(AcceptedImages::parse(state(&entry).as_bytes()).is_ok());
    for bad in [
        state(&format!("{entry},{entry}")),
        state(&format!("{},{entry}", entry.replace(r#""a""#, r#""b""#))),
        state(&entry.replace(r#""a""#, r#""""#)),
        state(&entry.replace(r#""a""#, r#""a\n""#)),
        state(&entry.replace(ROOT, "")),
        state(&entry.replace(ROOT, &ROOT.to_ascii_uppercase())),
        state(&entry).replace(r#"n":1,"i"#, r#"n":2,"i"#),
        format!("{}\n", state(&entry)),
        format!(" {}", state("")),
        "null".to_owned(),
        String::new(),
    ] {
        assert!(AcceptedImages::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// The bound on a state is the longest one that is read.
#[test]
fn p31_a_state_is_read_up_to_its_bound() {
    let state = |names: &[String]| {
        let entry =
            |name: &String| format!(r#"{{"name":"{name}","version":1,"root_hash":"{ROOT}"}}"#);
        let entries: Vec<String> = names.iter().map(entry).collect();
        format!(r#"{{"state_version":1,"images":[{}]}}"#, entries.join(","))
    };
    let most = usize::try_from(MAX_STATE_BYTES).unwrap();
    let name = |index: usize| format!("{index:08}");
    let (none, one) =
        (state(&[]).len(), state(&[name(0), name(1)]).len() - state(&[name(0)]).len());
    let mut names: Vec<String> = (0..(most - none) / one).map(name).collect();
    let mut missing = most - state(&names).len();
    for name in &mut names {
        let more = missing.min(50);
        name.push_str(&"a".repeat(more));
        missing -= more;
    }
    assert_eq!(state(&names).len(), most);
    assert!(AcceptedImages::parse(state(&names).as_bytes()).is_ok());
    names.last_mut().unwrap().push('a');
    let error = AcceptedImages::parse(state(&names).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

/// Who signs several images signs old ones of other names, too.
#[test]
fn a05_another_name_is_accepted_only_if_it_is_expected() {
    let image = |name: &str, version| {
        let image = Image::new(name, version, "", 300 * 4096).unwrap();
        let params = Params::builder().data_blocks(300).build().unwrap();
        let area = HashArea::new(&params, 300 * 4096, false).unwrap();
        verified(&Manifest::new(image, params, ROOT.parse().unwrap(), area, None).unwrap(), "p256")
    };
    let (os, debug) = (image("os", 7), image("factory-debug", 1));
    // The first image may have any name, unless another one is expected.
    let mut accepted = AcceptedImages::new();
    let error = accepted.accept_named(&debug, "os").unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::OtherName { .. })), "{error}");
    assert_eq!(accepted, AcceptedImages::new());
    assert!(accepted.clone().accept(&debug).unwrap());
    assert!(accepted.accept(&os).unwrap());
    let before = accepted.clone();
    let error = accepted.accept(&debug).unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::UnknownName { .. })), "{error}");
    assert_eq!(error.class(), Class::Policy);
    assert!(accepted.check(debug.manifest()).is_err());
    let error = accepted.accept_named(&debug, "os").unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::OtherName { .. })), "{error}");
    assert_eq!(accepted, before);
    // A new name that is expected is added, and then is one of those that are known.
    assert!(accepted.accept_named(&debug, "factory-debug").unwrap());
    assert!(!accepted.accept(&debug).unwrap());
    assert!(!accepted.accept_named(&os, "os").unwrap());
    assert!(accepted.check_named(image("os", 6).manifest(), "os").is_err());
}
