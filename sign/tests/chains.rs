//! Chains of certificates that no authority would make. Chains that openssl makes are in
//! `authority.rs`.

mod issue;

use crate::common::{self, changed, changed_signer, decode, root_hash};
use issue::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, Draft, EXTENDED_KEY_USAGE, KEY_USAGE,
    NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME, SUBJECT_KEY_IDENTIFIER, embedding, parsed, signed,
};
use verity_sign::lint::{EnrolledCertificate, predict};
use verity_sign::{
    Authorities, Certificate, Class, Error, SignatureBuilder, SignatureError, SignedBy, Validity,
    verify_root_hash,
};

/// In 2026.
const NOW: u64 = 1_790_000_000;

fn verify_at(message: &[u8], authorities: &[Vec<u8>], at: u64) -> Result<SignedBy, Error> {
    let certificates = authorities.iter().map(|der| parsed(der)).collect();
    verify_root_hash(message, &root_hash(), &Authorities::new(certificates, at)?)
}

fn verify(message: &[u8], authority: &[u8]) -> Result<SignedBy, Error> {
    verify_at(message, &[authority.to_vec()], NOW)
}

#[track_caller]
fn refused(message: &[u8], authority: &[u8], class: Class, words: &str) {
    let error = verify(message, authority).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

fn pinned(message: &[u8], certificate: &[u8]) -> Result<SignedBy, Error> {
    verify_root_hash(message, &root_hash(), &[parsed(certificate)])
}

/// P10, with signers named by key identifier: it is a name, and whoever has it must still lead to
/// an authority.
#[test]
fn p10_key_identifiers_under_an_authority() {
    let root = Draft::authority("root", "p384").self_signed();
    let middle = Draft::authority("middle", "p384").serial(2).issued_by("root", "p384");
    let near = Draft::signer("near", "p256").serial(3).issued_by("root", "p384");
    let far = Draft::signer("far", "p256").issued_by("middle", "p384");
    for by_key in [false, true] {
        for (signer, links) in [
            (&near, vec![]),
            (&near, vec![root.clone()]),
            (&far, vec![middle.clone()]),
            (&far, vec![root.clone(), middle.clone()]),
        ] {
            let message = signed(signer, "p256", &links, by_key);
            let signed_by = verify(&message, &root).unwrap();
            assert_eq!(signed_by.certificate(), &parsed(signer));
            assert_eq!(signed_by.authority(), Some(&parsed(&root)));
            assert!(pinned(&message, signer).is_ok());
        }
        refused(&signed(&far, "p256", &[], by_key), &root, Class::Trust, "no authority");
    }

    // The same identifier in a stranger's certificate, instead of the signer's and beside it.
    let stranger = Draft::signer("stranger", "rsa2048").issued_by("elsewhere", "p256");
    let forged = signed(&stranger, "rsa2048", &[], true);
    refused(&forged, &root, Class::Trust, "no authority");
    assert_eq!(pinned(&forged, &near).unwrap_err().class(), Class::Signature);
    let both = embedding(&forged, &[stranger.clone(), near.clone()]);
    refused(&both, &root, Class::Trust, "two certificates have the signer's name");
    assert_eq!(pinned(&both, &near).unwrap_err().class(), Class::Signature);
    // The signer's alone: then its key counts, which has not signed.
    let alone = embedding(&forged, std::slice::from_ref(&near));
    let error = verify(&alone, &root).unwrap_err();
    assert!(matches!(error, Error::Signature(SignatureError::AlgorithmMismatch { .. })), "{error}");
    assert_eq!(error.class(), Class::Signature);
    let other_p256 = Draft::signer("x", "p256").issued_by("root", "p384");
    let of_another = changed(&signed(&near, "p256", &[], true), |data| {
        let signer = decode(&signed(&other_p256, "p256", &[], true)).signer_infos;
        data.signer_infos = signer;
    });
    // The same key and the same identifier in two certificates: either may be meant.
    assert!(verify(&of_another, &root).is_ok());

    // Nobody embedded has the identifier.
    let nameless = Draft::signer("near", "p256").without(SUBJECT_KEY_IDENTIFIER);
    let message = signed(&near, "p256", &[], true);
    let without = embedding(&message, &[nameless.issued_by("root", "p384")]);
    refused(&without, &root, Class::Trust, "not embedded");
    // That of an intermediate, which is no signer.
    let named = Draft::authority("middle", "p384").with(SUBJECT_KEY_IDENTIFIER, &[4, 1, 9]);
    let middle = named.issued_by("root", "p384");
    let of_middle = signed(&far, "p256", &[middle], true);
    let of_middle = changed_signer(&of_middle, |signer| {
        let identifier = der::asn1::OctetString::new([9]).unwrap();
        signer.sid = cms::signed_data::SignerIdentifier::SubjectKeyIdentifier(
            x509_cert::ext::pkix::SubjectKeyIdentifier(identifier),
        );
    });
    refused(&of_middle, &root, Class::Trust, "authority itself");
}

/// P12: a message with more certificates than any chain has is not looked into.
#[test]
fn p12_a_hundred_intermediates() {
    let root = Draft::authority("0", "p256").self_signed();
    let links: Vec<_> = (1..=100_u32)
        .map(|number| {
            let issuer = (number - 1).to_string();
            Draft::authority(&number.to_string(), "p256").issued_by(&issuer, "p256")
        })
        .collect();
    let leaf = |depth: usize| Draft::signer("leaf", "p256").issued_by(&depth.to_string(), "p256");
    // As long as a chain may be, and no longer.
    for (depth, class) in [(1, None), (6, None), (8, Some(Class::Limit)), (80, Some(Class::Limit))]
    {
        let leaf = leaf(depth);
        let message = signed(&leaf, "p256", &links[..depth], false);
        assert!(message.len() < 32_768, "{}", message.len());
        let verdict = verify(&message, &root).map_err(|error| error.class());
        assert_eq!(verdict.err(), class, "{depth}");
        // Who pins the signer checks one signature, whatever is embedded.
        assert!(pinned(&message, &leaf).is_ok(), "{depth}");
    }
    let leaf = leaf(100);
    let message = signed(&leaf, "p256", &links, false);
    let error = verify(&message, &root).unwrap_err();
    assert_eq!(error.class(), Class::Limit, "{error}");
}

/// A certificate that is embedded twice is another spelling of the same signature; and nobody makes
/// one, or one with more than are read.
#[test]
fn p26_certificates_that_are_embedded_twice() {
    let root = Draft::authority("root", "p384").self_signed();
    let middle = Draft::authority("middle", "p256").issued_by("root", "p384");
    let leaf = Draft::signer("leaf", "p256").issued_by("middle", "p256");
    let once = signed(&leaf, "p256", &[root.clone(), middle.clone()], false);
    assert!(verify(&once, &root).is_ok() && pinned(&once, &leaf).is_ok());
    for twice in [&root, &middle, &leaf] {
        let all = [root.clone(), middle.clone(), leaf.clone(), twice.clone()];
        let message = embedding(&once, &all);
        for verdict in [verify(&message, &root), pinned(&message, &leaf)] {
            assert_eq!(verdict.unwrap_err().class(), Class::Trust);
        }
    }
    let with = |chain: Vec<Certificate>| SignatureBuilder::new(parsed(&leaf)).with_chain(chain);
    let builder = with(vec![parsed(&middle), parsed(&root)]).unwrap();
    assert!(builder.chain().iter().map(Certificate::der).eq([&middle[..], &root[..]]));
    let error = with(vec![parsed(&middle), parsed(&middle)]).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
    let error = with(vec![parsed(&middle); 8]).unwrap_err();
    assert!(error.to_string().contains("at most 8 certificates, and these are 9"), "{error}");
}

/// P12: those who vouch for each other lead nowhere.
#[test]
fn p12_loops() {
    let root = Draft::authority("root", "p256").self_signed();
    let one = Draft::authority("one", "p256").serial(2).issued_by("two", "p256");
    let two = Draft::authority("two", "p256").serial(3).issued_by("one", "p256");
    let leaf = Draft::signer("leaf", "p256").issued_by("one", "p256");
    for (links, lead_on) in
        [(vec![one.clone(), two.clone()], true), (vec![one], true), (vec![two], false)]
    {
        let message = signed(&leaf, "p256", &links, false);
        refused(&message, &root, Class::Trust, "no authority that is trusted");
        // Pinned, the signer needs nobody; what is embedded must lead on from it all the same.
        assert_eq!(pinned(&message, &leaf).is_ok(), lead_on);
    }
}

/// P12: of any number of authorities of one name, at most 100 are tried. The one that has signed
/// stands behind others: after 99 it is found, after 100 it is not.
#[test]
fn p12_no_more_than_100_signature_checks() {
    let good = Draft::authority("crowd", "p256").self_signed();
    let others: Vec<_> = {
        // Their own signatures do not count, so one is enough.
        let template = Draft::authority("crowd", "p384").serial(1 << 24).self_signed();
        let mut tree = verity_testdata::der::Node::parse(&template);
        let mut with = |serial: u32| {
            let serial = verity_testdata::der::Node::Primitive(2, serial.to_be_bytes().to_vec());
            *tree.at(&[0, 1]) = serial;
            tree.encode()
        };
        (0..10_000).map(|number| with((1 << 24) + number)).collect()
    };
    let leaf = Draft::signer("leaf", "p256").issued_by("crowd", "p256");
    let message = signed(&leaf, "p256", &[], false);
    let verdict = |before: usize, after: usize| {
        let crowd = [&others[..before], std::slice::from_ref(&good), &others[before..after]];
        verify_at(&message, &crowd.concat(), NOW)
    };
    assert!(verdict(0, 10_000).is_ok());
    assert!(verdict(99, 10_000).is_ok());
    for before in [100, 101, 10_000] {
        let error = verdict(before, 10_000).unwrap_err();
        assert_eq!(error.class(), Class::Trust);
        assert!(error.to_string().contains("too many ways"), "{before}: {error}");
    }

    // Embedded ones of the authority's own name, with five keys, each of which might have issued
    // each other: 325 ways.
    let crowd: Vec<_> = ["rsa2048", "rsa3072", "rsa4096", "other", "p384"]
        .iter()
        .zip(2..)
        .map(|(key, serial)| {
            Draft::authority("crowd", key).serial(serial).issued_by("crowd", "p384")
        })
        .collect();
    let leaf = Draft::signer("leaf", "p256").issued_by("crowd", "p384");
    let message = signed(&leaf, "p256", &crowd, false);
    refused(&message, &good, Class::Trust, "too many ways");
}

/// P13: dates that are far away. Pinned they are told, under an authority they decide.
#[test]
fn p13_dates_far_away() {
    let root = Draft::authority("root", "p256").valid("700101000000Z", "99991231235959Z");
    let root = root.self_signed();
    let (y2050, y10000) = (2_524_608_000, 253_402_300_800);
    for (from, to, first, last) in [
        ("700101000000Z", "99991231235959Z", 0, y10000 - 1),
        ("20500101000000Z", "20500101000001Z", y2050, y2050 + 1),
        ("491231235959Z", "20500101000000Z", y2050 - 1, y2050),
        ("99991231235959Z", "99991231235959Z", y10000 - 1, y10000 - 1),
    ] {
        let leaf = Draft::signer("leaf", "p256").valid(from, to).issued_by("root", "p256");
        let message = signed(&leaf, "p256", &[], false);
        let verdict = |at| verify_at(&message, std::slice::from_ref(&root), at);
        let signed_by = pinned(&message, &leaf).unwrap();
        for at in [first, last] {
            assert!(verdict(at).is_ok(), "{from} {to} at {at}");
            assert_eq!(signed_by.validity_at(at), Validity::Valid);
        }
        let mut outside = vec![(last + 1, "expired"), (u64::MAX, "expired")];
        outside.extend(first.checked_sub(1).map(|before| (before, "not valid yet")));
        for (at, words) in outside {
            let error = verdict(at).unwrap_err();
            assert_eq!(error.class(), Class::Trust);
            // Beyond the year 9999 the authority's time is over too.
            assert!(error.to_string().contains(words), "{from} {to} at {at}: {error}");
            assert_ne!(signed_by.validity_at(at), Validity::Valid);
        }
    }
    // Before 1970, and times that X.509 does not know: no certificate.
    for from in [
        "691231235959Z",
        "19691231235959Z",
        "7001010000Z",
        "700101000000+0100",
        "701301000000Z",
        "",
    ] {
        let odd = Draft::signer("leaf", "p256").valid(from, "21000101000000Z");
        let error = Certificate::parse(&odd.issued_by("root", "p256")).unwrap_err();
        assert_eq!(error.class(), Class::Key, "{from}: {error}");
    }
}

/// P15: the policy table. What a certificate is for decides under an authority, and not where it is
/// pinned.
#[test]
fn p15_usage_of_the_signer() {
    let root = Draft::authority("root", "p256").self_signed();
    let purpose = |last: &[u8]| {
        let oids = last.iter().flat_map(|last| [6, 8, 0x2b, 6, 1, 5, 5, 7, 3, *last]);
        verity_testdata::der::tlv(0x30, &oids.collect::<Vec<_>>())
    };
    let any: &[u8] = &[0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0];
    let leaf = || Draft::signer("leaf", "p256");
    let with_purpose = |value: &[u8]| leaf().with(EXTENDED_KEY_USAGE, value);
    let with_usage = |value: &[u8]| leaf().with(KEY_USAGE, value);
    for (draft, words) in [
        (leaf(), None),
        (leaf().without(KEY_USAGE), None),
        (with_purpose(&purpose(&[3])), None),
        (with_purpose(&purpose(&[1, 3])), None),
        (leaf().without(EXTENDED_KEY_USAGE), Some("not for code signing")),
        (with_purpose(&purpose(&[1])), Some("not for code signing")),
        (with_purpose(&purpose(&[4])), Some("not for code signing")),
        (with_purpose(any), Some("not for code signing")),
        // keyEncipherment; keyCertSign; nothing.
        (with_usage(&[3, 2, 5, 0x20]), Some("lacks digitalSignature")),
        (with_usage(&[3, 2, 2, 4]), Some("lacks digitalSignature")),
        (with_usage(&[3, 1, 0]), Some("key usage")),
        (leaf().with(BASIC_CONSTRAINTS, &[0x30, 3, 1, 1, 0xff]), Some("authority itself")),
    ] {
        let leaf = draft.issued_by("root", "p256");
        let message = signed(&leaf, "p256", &[], false);
        match words {
            None => assert!(verify(&message, &root).is_ok(), "{:x?}", draft.extensions),
            Some(words) => refused(&message, &root, Class::Trust, words),
        }
        assert!(pinned(&message, &leaf).is_ok());
    }
}

/// P27: extensions with nothing in them, which have led the kernel's parser astray
/// (CVE-2026-31430). What decides is refused where it cannot be read.
#[test]
fn p27_empty_extensions() {
    let root = || Draft::authority("root", "p384");
    let middle = || Draft::authority("middle", "p384");
    let leaf = || Draft::signer("leaf", "p256");
    let good = root().self_signed();
    let all = [
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        EXTENDED_KEY_USAGE,
        SUBJECT_KEY_IDENTIFIER,
        SUBJECT_ALTERNATIVE_NAME,
        AUTHORITY_KEY_IDENTIFIER,
        NAME_CONSTRAINTS,
    ];
    for name in all {
        for value in [&[][..], &[0x30], &[3], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            let decides = all[..3].contains(&name);
            let issued = |leaf: &Draft, middle: &Draft| {
                let leaf = leaf.issued_by("middle", "p384");
                signed(&leaf, "p256", &[middle.issued_by("root", "p384")], false)
            };
            for message in [
                issued(&leaf().with(name, value), &middle()),
                issued(&leaf(), &middle().with(name, value)),
            ] {
                let verdict = verify(&message, &good);
                assert!(!decides || verdict.is_err(), "{name:x?} {value:x?}");
                let enrolled = EnrolledCertificate::from_der(good.clone());
                let _ = predict(&message, common::TEXT, &[enrolled]);
            }
            let odd = root().with(name, value).self_signed();
            let verdict = Authorities::new(vec![parsed(&odd)], NOW);
            assert!(!all[..2].contains(&name) || verdict.is_err(), "{name:x?} {value:x?}");
            let message = issued(&leaf(), &middle());
            let _ =
                verdict.map(|authorities| verify_root_hash(&message, &root_hash(), &authorities));
            let _ = predict(&message, common::TEXT, &[EnrolledCertificate::from_der(odd)]);
        }
    }
}
