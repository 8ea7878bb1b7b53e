//! Hostile signatures, made without openssl. The codes in names are those of `docs/ATTACKS.md`.

use crate::common::{
    NAMES, TEXT, assert_refused, certificate, changed, changed_signer, decode, embedding, good,
    key, refused, root_hash, signatory, signatory_with, signer_of,
};
use cms::cert::CertificateChoices;
use cms::content_info::CmsVersion;
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{CertificateSet, SignerIdentifier, SignerInfo, SignerInfos};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::{Null, OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use verity_sign::{
    Class, Error, Signatory, SignatureBuilder, SignatureDigest, SignatureError, Validity,
    verify_detached, verify_root_hash,
};
use verity_testdata::der::Node;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

#[test]
fn what_is_made_is_accepted_by_its_signer_alone() {
    for name in NAMES {
        for message in [good(name), embedding(name)] {
            let everybody = NAMES.map(certificate);
            let signed_by = verify_root_hash(&message, &root_hash(), &everybody).unwrap();
            assert_eq!(signed_by.certificate(), &certificate(name));
            let others: Vec<_> = NAMES
                .iter()
                .filter(|other| **other != name)
                .map(|other| certificate(other))
                .collect();
            let error = verify_root_hash(&message, &root_hash(), &others).unwrap_err();
            assert_eq!(error.class(), Class::Trust, "{error}");
        }
    }
}

#[test]
fn nothing_trusted_is_an_error() {
    let error = verify_root_hash(&good("p256"), &root_hash(), &[]).unwrap_err();
    assert!(matches!(error, Error::Signature(SignatureError::NothingTrusted)));
    assert_eq!(error.class(), Class::Trust);
}

/// Pinned mode: an expired certificate is reported and accepted, as the kernel does.
#[test]
fn p13_expiry_is_reported_with_the_callers_time() {
    let expired = certificate("expired");
    let builder = SignatureBuilder::new(expired.clone());
    let signatory = Signatory::new(key("rsa2048"), builder).unwrap();
    let message = signatory.sign_root_hash(&root_hash()).unwrap();
    let signed_by = verify_root_hash(&message, &root_hash(), &[expired]).unwrap();
    let (first, last) = (1_577_836_800, 1_609_459_200);
    assert_eq!(signed_by.validity_at(first - 1), Validity::NotYetValid { not_before: first });
    assert_eq!(signed_by.validity_at(first), Validity::Valid);
    assert_eq!(signed_by.validity_at(last), Validity::Valid);
    assert_eq!(signed_by.validity_at(last + 1), Validity::Expired { not_after: last });
}

/// P05 with every key, without openssl.
#[test]
fn p05_wrong_contents_are_refused_with_a_hint() {
    for name in NAMES {
        let message = signatory(name).sign_detached(format!("{TEXT}\n").as_bytes()).unwrap();
        let (error, _) = refused(&message, name);
        assert_eq!(
            error.to_string(),
            "the signature does not match the root hash; \
             the signer signed it with a newline at the end instead"
        );
        let error = verify_detached(&message, TEXT.as_bytes(), &[certificate(name)]).unwrap_err();
        assert!(error.to_string().contains("newline"), "{error}");
    }
}

#[test]
fn p06_embedded_content() {
    for content in [TEXT.as_bytes(), b"other"] {
        let message = changed(&good("rsa2048"), |data| {
            let octets = OctetString::new(content).unwrap();
            data.encap_content_info.econtent = Some(Any::encode_from(&octets).unwrap());
        });
        assert_refused!(message, "rsa2048", Signature, SignatureError::EmbeddedContent);
    }
}

#[test]
fn p07_no_signer() {
    let message = changed(&embedding("rsa2048"), |data| {
        data.signer_infos = SignerInfos::try_from(vec![]).unwrap();
    });
    assert_refused!(message, "rsa2048", Signature, SignatureError::Signers { actual: 0 });
}

#[test]
fn p08_two_signers() {
    let (one, other) = (signer_of(&good("rsa2048")), signer_of(&good("other")));
    let mut bad = other.clone();
    bad.signature = OctetString::new([0; 256]).unwrap();
    let again = signer_of(&signatory("rsa2048").sign_detached(b"else").unwrap());
    for pair in [vec![one.clone(), other], vec![one.clone(), bad], vec![one, again]] {
        // In either order: one of the two is that of DER.
        let mut orders = [pair.clone(), pair.iter().rev().cloned().collect()].map(|pair| {
            let mut tree = Node::parse(&good("rsa2048"));
            *tree.at(&[1, 0, 3]).children() =
                pair.iter().map(|signer| Node::parse(&signer.to_der().unwrap())).collect();
            refused(&tree.encode(), "rsa2048").1
        });
        orders.sort_by_key(|class| class.name());
        assert_eq!(orders, [Class::Format, Class::Signature]);
        let message = changed(&good("rsa2048"), |data| {
            data.signer_infos = SignerInfos::try_from(pair).unwrap();
        });
        assert_refused!(message, "rsa2048", Signature, SignatureError::Signers { actual: 2 });
    }
}

#[test]
fn p09_an_attackers_embedded_certificate_counts_for_nothing() {
    assert_refused!(embedding("other"), "rsa2048", Trust, SignatureError::UnknownSigner { .. });
}

/// A foreign certificate next to, or instead of, the trusted one.
#[test]
fn p09_foreign_certificates_beside_a_good_signature() {
    let foreign = decode(&embedding("other")).certificates;
    let own = decode(&embedding("rsa2048")).certificates;
    let choices = |set: &Option<CertificateSet>| set.as_ref().unwrap().0.as_slice().to_vec();
    let both: Vec<CertificateChoices> = [choices(&foreign), choices(&own)].concat();
    for set in [foreign, Some(both.try_into().unwrap()), Some(vec![].try_into().unwrap())] {
        let message = changed(&good("rsa2048"), |data| data.certificates = set);
        assert_refused!(message, "rsa2048", Trust, SignatureError::ForeignCertificate);
    }
    verify_root_hash(&embedding("rsa2048"), &root_hash(), &[certificate("rsa2048")]).unwrap();
}

/// P10: the trusted name over another key's signature.
#[test]
fn p10_the_key_of_the_pinned_certificate_counts() {
    let trusted = signer_of(&good("rsa2048")).sid;
    let message = changed_signer(&good("other"), |signer| signer.sid = trusted);
    assert_refused!(
        message,
        "rsa2048",
        Signature,
        SignatureError::Mismatch { signed_instead: None, .. }
    );
}

/// Issuer and serial number must both agree.
#[test]
fn p10_issuer_alone_or_serial_alone_is_not_the_signer() {
    let SignerIdentifier::IssuerAndSerialNumber(other) = signer_of(&good("other")).sid else {
        panic!()
    };
    let message = changed_signer(&good("rsa2048"), |signer| {
        let SignerIdentifier::IssuerAndSerialNumber(id) = &mut signer.sid else { panic!() };
        id.serial_number = other.serial_number.clone();
    });
    assert_refused!(message, "rsa2048", Trust, SignatureError::UnknownSigner { .. });
    let message = changed_signer(&good("rsa2048"), |signer| {
        let SignerIdentifier::IssuerAndSerialNumber(id) = &mut signer.sid else { panic!() };
        id.issuer = other.issuer.clone();
    });
    assert_refused!(message, "rsa2048", Trust, SignatureError::UnknownSigner { .. });
}

#[test]
fn p16_algorithms_must_be_the_expected_ones_and_agree() {
    let oid = |text: &str| ObjectIdentifier::new(text).unwrap();
    let digests =
        |signer: &SignerInfo| SetOfVec::try_from(vec![signer.digest_alg.clone()]).unwrap();

    // Outside and inside differ; two outside; none outside.
    for (outside, count) in [("sha384", 1), ("sha384", 2), ("none", 0)] {
        let message = changed(&good("rsa2048"), |data| {
            let signer = data.signer_infos.0.as_slice()[0].clone();
            let mut other = signer.digest_alg.clone();
            other.oid = rfc5912::ID_SHA_384;
            let all = [other, signer.digest_alg];
            data.digest_algorithms = SetOfVec::try_from(all[..count].to_vec()).unwrap();
        });
        let _ = outside;
        assert_refused!(message, "rsa2048", Signature, SignatureError::DigestMismatch);
    }

    // Digests that the kernel may know and this crate does not.
    for weak in ["1.3.14.3.2.26", "1.2.840.113549.2.5", "2.16.840.1.101.3.4.2.4"] {
        let message = changed(&good("rsa2048"), |data| {
            let mut signer = data.signer_infos.0.as_slice()[0].clone();
            signer.digest_alg.oid = oid(weak);
            data.digest_algorithms = digests(&signer);
            data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
        });
        assert_refused!(
            message,
            "rsa2048",
            Unsupported,
            SignatureError::UnsupportedAlgorithm { .. }
        );
    }

    // Digest parameters other than NULL or none.
    let message = changed(&good("rsa2048"), |data| {
        let mut signer = data.signer_infos.0.as_slice()[0].clone();
        signer.digest_alg.parameters = Some(Any::encode_from(&7u8).unwrap());
        data.digest_algorithms = digests(&signer);
        data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    });
    assert_refused!(message, "rsa2048", Unsupported, SignatureError::UnsupportedAlgorithm { .. });

    // sha256WithRSAEncryption (the kernel refuses it too), RSA-PSS, Ed25519.
    for algorithm in ["1.2.840.113549.1.1.11", "1.2.840.113549.1.1.10", "1.3.101.112"] {
        let message = changed_signer(&good("rsa2048"), |signer| {
            signer.signature_algorithm.oid = oid(algorithm);
        });
        assert_refused!(
            message,
            "rsa2048",
            Unsupported,
            SignatureError::UnsupportedAlgorithm { .. }
        );
    }
}

#[test]
fn p16_the_algorithm_must_fit_the_key_and_the_digest() {
    let mismatch = |message: Vec<u8>, name: &str| {
        assert_refused!(message, name, Signature, SignatureError::AlgorithmMismatch { .. });
    };
    // ECDSA named over an RSA key, and the reverse.
    let ecdsa = signer_of(&good("p256")).signature_algorithm;
    let rsa = signer_of(&good("rsa2048")).signature_algorithm;
    mismatch(
        changed_signer(&good("rsa2048"), |signer| signer.signature_algorithm = ecdsa.clone()),
        "rsa2048",
    );
    mismatch(changed_signer(&good("p256"), |signer| signer.signature_algorithm = rsa), "p256");
    // ecdsa-with-SHA384 over a SHA-256 digest: the kernel looks at the digest only and accepts.
    mismatch(
        changed_signer(&good("p256"), |signer| {
            signer.signature_algorithm.oid = rfc5912::ECDSA_WITH_SHA_384;
        }),
        "p256",
    );
    // Parameters: NULL for RSA, none for ECDSA.
    mismatch(
        changed_signer(&good("rsa2048"), |signer| signer.signature_algorithm.parameters = None),
        "rsa2048",
    );
    mismatch(
        changed_signer(&good("p256"), |signer| {
            signer.signature_algorithm.parameters = Some(Null.into());
        }),
        "p256",
    );
    // Another digest, named as it should be, over a signature that goes by SHA-256.
    assert_refused!(
        changed(&good("p256"), |data| {
            let mut signer = data.signer_infos.0.as_slice()[0].clone();
            signer.digest_alg.oid = rfc5912::ID_SHA_512;
            signer.signature_algorithm.oid = rfc5912::ECDSA_WITH_SHA_512;
            data.digest_algorithms = SetOfVec::try_from(vec![signer.digest_alg.clone()]).unwrap();
            data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
        }),
        "p256",
        Signature,
        SignatureError::Mismatch { .. }
    );
}

/// Both digest names say SHA-512, the signature was made with SHA-256.
#[test]
fn p16_the_digest_is_the_one_that_is_named() {
    let message = changed(&good("rsa2048"), |data| {
        let mut signer = data.signer_infos.0.as_slice()[0].clone();
        signer.digest_alg.oid = rfc5912::ID_SHA_512;
        data.digest_algorithms = SetOfVec::try_from(vec![signer.digest_alg.clone()]).unwrap();
        data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    });
    assert_refused!(message, "rsa2048", Signature, SignatureError::Mismatch { .. });
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Attribute {
    Attribute { oid, values: SetOfVec::try_from(vec![value]).unwrap() }
}

fn content_attributes() -> [Attribute; 2] {
    let digest = ring::digest::digest(&ring::digest::SHA256, TEXT.as_bytes());
    let digest = OctetString::new(digest.as_ref()).unwrap();
    [
        attribute(rfc5911::ID_CONTENT_TYPE, Any::encode_from(&rfc5911::ID_DATA).unwrap()),
        attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&digest).unwrap()),
    ]
}

/// P20: whatever the attributes say, right or wrong.
#[test]
fn p20_attributes_of_any_kind() {
    let [content_type, digest] = content_attributes();
    let text = attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&Null).unwrap());
    let octets = |bytes: &[u8]| Any::encode_from(&OctetString::new(bytes).unwrap()).unwrap();
    let of_other_content = attribute(rfc5911::ID_MESSAGE_DIGEST, octets(&[7; 32]));
    let wrong_digest = attribute(rfc5911::ID_MESSAGE_DIGEST, octets(&[7; 31]));
    let other_type = Any::encode_from(&rfc5911::ID_SIGNED_DATA).unwrap();
    let other_type = attribute(rfc5911::ID_CONTENT_TYPE, other_type);
    for attributes in [
        vec![content_type.clone()],
        vec![content_type.clone(), digest.clone()],
        vec![content_type.clone(), digest, text.clone()],
        vec![content_type.clone(), text],
        vec![content_type.clone(), of_other_content],
        vec![content_type.clone(), wrong_digest.clone()],
        vec![other_type, wrong_digest],
        numbered(1000),
        vec![],
    ] {
        let message = changed_signer(&good("rsa2048"), |signer| {
            signer.signed_attrs = Some(SetOfVec::try_from(attributes.clone()).unwrap());
        });
        assert_refused!(message, "rsa2048", Signature, SignatureError::SignedAttributes);
        let message = changed_signer(&good("rsa2048"), |signer| {
            signer.unsigned_attrs = Some(SetOfVec::try_from(attributes).unwrap());
        });
        assert_refused!(message, "rsa2048", Signature, SignatureError::UnsignedAttributes);
    }

    // A set that is not sorted, one attribute twice, one with two values.
    let [content_type, digest] =
        content_attributes().map(|attribute| Node::parse(&attribute.to_der().unwrap()));
    let mut two_values = digest.clone();
    let value = two_values.at(&[1, 0]).clone();
    two_values.at(&[1]).children().push(value);
    for attributes in [
        vec![digest.clone(), content_type.clone()],
        vec![content_type.clone(), content_type.clone(), digest.clone()],
        vec![content_type.clone(), digest.clone(), digest],
        vec![content_type, two_values],
    ] {
        let mut tree = Node::parse(&good("rsa2048"));
        let signer = tree.at(&[1, 0, 3, 0]).children();
        signer.insert(3, Node::Constructed(0xa0, attributes));
        let (error, class) = refused(&tree.encode(), "rsa2048");
        assert!([Class::Format, Class::Signature].contains(&class), "{error}");
    }
    // Ten thousand are longer than a signature can be.
    let message = changed_signer(&good("rsa2048"), |signer| {
        signer.signed_attrs = Some(SetOfVec::try_from(numbered(10_000)).unwrap());
    });
    assert_refused!(message, "rsa2048", Limit, SignatureError::TooLarge { .. });
}

/// So many attributes of names that nobody knows.
fn numbered(count: u32) -> Vec<Attribute> {
    let oid = |number| ObjectIdentifier::new_unwrap("1.2.3").push_arc(number).unwrap();
    (0..count).map(|number| attribute(oid(number), Null.into())).collect()
}

/// P21: a signature over attributes, presented without them, is over their bytes and not the text;
/// and a good one does not become one with attributes.
#[test]
fn p21_attributes_cannot_be_taken_off_or_put_on() {
    let attributes = SetOfVec::try_from(content_attributes().to_vec()).unwrap();
    let signed = signatory("rsa2048").sign_detached(&attributes.to_der().unwrap()).unwrap();
    assert_refused!(
        signed,
        "rsa2048",
        Signature,
        SignatureError::Mismatch { signed_instead: None, .. }
    );
    let honest = changed_signer(&signed, |signer| signer.signed_attrs = Some(attributes.clone()));
    assert_refused!(honest, "rsa2048", Signature, SignatureError::SignedAttributes);
    let dressed = changed_signer(&good("rsa2048"), |signer| signer.signed_attrs = Some(attributes));
    assert_refused!(dressed, "rsa2048", Signature, SignatureError::SignedAttributes);
}

#[test]
fn p22_smime_capabilities() {
    let oid = ObjectIdentifier::new("1.2.840.113549.1.9.15").unwrap();
    let mut attributes = content_attributes().to_vec();
    attributes.push(attribute(oid, Any::new(der::Tag::Sequence, []).unwrap()));
    let message = changed_signer(&good("rsa2048"), |signer| {
        signer.signed_attrs = Some(SetOfVec::try_from(attributes).unwrap());
    });
    assert_refused!(message, "rsa2048", Policy, SignatureError::SmimeCapabilities);
    // None are ever made here, nor any other attributes.
    for name in NAMES {
        for message in [good(name), embedding(name), by_key_identifier(name)] {
            let signer = signer_of(&message);
            assert!(signer.signed_attrs.is_none() && signer.unsigned_attrs.is_none());
        }
    }
}

/// P14: a signing time is an attribute, right or wrong; the kernel's view of it is in `lint.rs`.
#[test]
fn p14_a_signing_time() {
    for time in [b"900101000000Z".as_slice(), b"260101000000Z"] {
        let mut attributes = content_attributes().to_vec();
        let time = Any::new(der::Tag::UtcTime, time).unwrap();
        attributes.push(attribute(rfc5911::ID_SIGNING_TIME, time));
        let attributes = SetOfVec::try_from(attributes).unwrap();
        let signed = signatory("rsa2048").sign_detached(&attributes.to_der().unwrap()).unwrap();
        let message = changed_signer(&signed, |signer| signer.signed_attrs = Some(attributes));
        assert_refused!(message, "rsa2048", Signature, SignatureError::SignedAttributes);
    }
}

#[test]
fn p25_versions_and_signer_names() {
    let ski = || {
        let id = OctetString::new([7; 20]).unwrap();
        SignerIdentifier::SubjectKeyIdentifier(SubjectKeyIdentifier(id))
    };
    let message = |data_version, signer_version, by_key: bool| {
        let message = changed_signer(&good("rsa2048"), |signer| {
            signer.version = signer_version;
            if by_key {
                signer.sid = ski();
            }
        });
        changed(&message, |data| data.version = data_version)
    };
    use CmsVersion::{V0, V1, V3};
    for (data, signer, by_key) in
        [(V3, V3, false), (V1, V3, false), (V3, V1, false), (V0, V1, false)]
    {
        assert_refused!(
            message(data, signer, by_key),
            "rsa2048",
            Format,
            SignatureError::Version { actual: 0 | 3, expected: 1, .. }
        );
    }
    for (data, signer) in [(V1, V1), (V1, V3), (V3, V1)] {
        assert_refused!(
            message(data, signer, true),
            "rsa2048",
            Format,
            SignatureError::Version { actual: 1, expected: 3, .. }
        );
    }
    assert_refused!(
        message(V3, V3, true),
        "rsa2048",
        Trust,
        SignatureError::UnknownKeyIdentifier { .. }
    );
}

fn by_key_identifier(name: &str) -> Vec<u8> {
    let signatory =
        signatory_with(name, |builder| builder.with_subject_key_identifier(true).unwrap());
    signatory.sign_root_hash(&root_hash()).unwrap()
}

/// P10 with the other way to name a signer: the key of the pinned certificate counts.
#[test]
fn p10_a_key_identifier_is_only_a_name() {
    for name in NAMES {
        let message = by_key_identifier(name);
        let signed_by = verify_root_hash(&message, &root_hash(), &[certificate(name)]).unwrap();
        assert_eq!(signed_by.certificate(), &certificate(name));
    }
    assert_refused!(
        by_key_identifier("other"),
        "rsa2048",
        Trust,
        SignatureError::UnknownKeyIdentifier { .. }
    );
    let trusted = signer_of(&by_key_identifier("rsa2048")).sid;
    let message = changed_signer(&by_key_identifier("other"), |signer| signer.sid = trusted);
    assert_refused!(message, "rsa2048", Signature, SignatureError::Mismatch { .. });
}

/// P30: a valid signature, of another root hash.
#[test]
fn p30_a_signature_of_another_image() {
    for name in NAMES {
        let other: verity::RootHash = "00".repeat(32).parse().unwrap();
        let message = signatory(name).sign_root_hash(&other).unwrap();
        assert_refused!(message, name, Signature, SignatureError::Mismatch { .. });
    }
}

#[test]
fn other_content_types_and_revocation_lists() {
    let message = changed(&good("rsa2048"), |data| {
        data.encap_content_info.econtent_type = rfc5911::ID_SIGNED_DATA;
    });
    assert_refused!(message, "rsa2048", Signature, SignatureError::ContentType { .. });
    let message = changed(&good("rsa2048"), |data| {
        data.crls = Some(RevocationInfoChoices(SetOfVec::default()));
    });
    assert_refused!(message, "rsa2048", Signature, SignatureError::Crls);
    let mut outer = cms::content_info::ContentInfo::from_der(&good("rsa2048")).unwrap();
    outer.content_type = rfc5911::ID_DATA;
    let message = outer.to_der().unwrap();
    assert_refused!(message, "rsa2048", Format, SignatureError::NotSignedData { .. });
}

#[test]
fn digests_follow_the_key_and_can_be_chosen() {
    for name in NAMES {
        let default = match name {
            "p384" => "sha384",
            "p521" => "sha512",
            _ => "sha256",
        };
        assert_eq!(signatory(name).builder().digest().name(), default);
        for &digest in SignatureDigest::ALL {
            let chosen = signatory_with(name, |builder| builder.with_digest(digest));
            let message = chosen.sign_root_hash(&root_hash()).unwrap();
            let signed_by = verify_root_hash(&message, &root_hash(), &[certificate(name)]).unwrap();
            assert_eq!(signed_by.digest(), digest);
        }
    }
    assert!("sha1".parse::<SignatureDigest>().is_err());
    assert_eq!("sha512".parse(), Ok(SignatureDigest::Sha512));
}
