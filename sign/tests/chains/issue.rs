//! Certificates that say whatever a test wants, made without openssl. Only their signature is
//! always right.

use cms::cert::CertificateChoices;
use cms::signed_data::CertificateSet;
use der::Decode;
use verity_sign::{Certificate, Signatory, SignatureBuilder, Signer};
use verity_testdata::der::Node;

use crate::common::{certificate, certificate_file, changed, der_of, key, root_hash};

pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
pub(crate) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
pub(crate) const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
pub(crate) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// `CA:TRUE`.
const IS_CA: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
const KEY_CERT_SIGN: &[u8] = &[0x03, 0x02, 0x02, 0x04];
const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];
/// A sequence of the purpose codeSigning.
const CODE_SIGNING: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// A time as UTCTime writes it, or as GeneralizedTime does if it is longer.
pub(crate) fn time(text: &str) -> Node {
    Node::Primitive(if text.len() > 13 { 0x18 } else { 0x17 }, text.into())
}

/// A certificate to be.
#[derive(Clone)]
pub(crate) struct Draft {
    subject: String,
    key: String,
    serial: u32,
    pub(crate) dates: [Node; 2],
    /// Name, whether it is critical, and value.
    pub(crate) extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
}

impl Draft {
    /// Of this name, with the public key of a test key, for a century, and with no extension.
    pub(crate) fn new(subject: &str, key: &str) -> Draft {
        let dates = [time("200101000000Z"), time("21200101000000Z")];
        let (subject, key) = (subject.to_owned(), key.to_owned());
        Draft { subject, key, serial: 1, dates, extensions: Vec::new() }
    }

    /// For an authority.
    pub(crate) fn authority(subject: &str, key: &str) -> Draft {
        Draft::new(subject, key).with(BASIC_CONSTRAINTS, IS_CA).with(KEY_USAGE, KEY_CERT_SIGN)
    }

    /// For who signs images; it has a subject key identifier.
    pub(crate) fn signer(subject: &str, key: &str) -> Draft {
        Draft::new(subject, key)
            .with(KEY_USAGE, DIGITAL_SIGNATURE)
            .with(EXTENDED_KEY_USAGE, CODE_SIGNING)
            .with(SUBJECT_KEY_IDENTIFIER, &[4, 4, 7, 7, 7, 7])
    }

    pub(crate) fn serial(mut self, serial: u32) -> Draft {
        self.serial = serial;
        self
    }

    /// With an extension, in the place of one of this name.
    pub(crate) fn with(mut self, name: &[u8], value: &[u8]) -> Draft {
        self = self.without(name);
        self.extensions.push((name.to_vec(), false, value.to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &[u8]) -> Draft {
        self.extensions.retain(|(one, _, _)| one != name);
        self
    }

    pub(crate) fn valid(mut self, from: &str, to: &str) -> Draft {
        self.dates = [time(from), time(to)];
        self
    }

    /// The certificate in DER, by the issuer of that name with that test key (P-256 or P-384).
    pub(crate) fn issued_by(&self, issuer: &str, issuer_key: &str) -> Vec<u8> {
        let last = if issuer_key == "p256" { 2 } else { 3 };
        let algorithm = sequence(vec![oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last])]);
        let key_info = Node::parse(&der_of(&certificate_file(&self.key))).at(&[0, 6]).clone();
        let serial = [&[0][..], &self.serial.to_be_bytes()].concat();
        let skip = serial.windows(2).take_while(|two| two[0] == 0 && two[1] < 0x80).count();
        let mut fields = vec![
            Node::Constructed(0xa0, vec![Node::Primitive(2, vec![2])]),
            Node::Primitive(2, serial[skip..].to_vec()),
            algorithm.clone(),
            name(issuer),
            sequence(self.dates.to_vec()),
            name(&self.subject),
            key_info,
        ];
        if !self.extensions.is_empty() {
            let extensions = self.extensions.iter().map(extension).collect();
            fields.push(Node::Constructed(0xa3, vec![sequence(extensions)]));
        }
        let tbs = sequence(fields);
        let to_be_signed = SignatureBuilder::new(certificate(issuer_key)).prepare(&tbs.encode());
        let signature = key(issuer_key).sign(&to_be_signed).unwrap();
        let signature = Node::Primitive(3, [vec![0], signature].concat());
        sequence(vec![tbs, algorithm, signature]).encode()
    }

    pub(crate) fn self_signed(&self) -> Vec<u8> {
        self.issued_by(&self.subject, &self.key)
    }
}

fn sequence(children: Vec<Node>) -> Node {
    Node::Constructed(0x30, children)
}

fn oid(bytes: &[u8]) -> Node {
    Node::Primitive(6, bytes.to_vec())
}

fn name(common_name: &str) -> Node {
    let pair = sequence(vec![oid(&[0x55, 0x04, 0x03]), Node::Primitive(0x0c, common_name.into())]);
    sequence(vec![Node::Constructed(0x31, vec![pair])])
}

fn extension((name, critical, value): &(Vec<u8>, bool, Vec<u8>)) -> Node {
    let mut fields = vec![oid(name)];
    if *critical {
        fields.push(Node::Primitive(1, vec![0xff]));
    }
    fields.push(Node::Primitive(4, value.clone()));
    sequence(fields)
}

pub(crate) fn parsed(der: &[u8]) -> Certificate {
    Certificate::parse(der).unwrap()
}

/// A root hash signature by this certificate and its test key, which embeds it and these others.
pub(crate) fn signed(signer: &[u8], key_name: &str, others: &[Vec<u8>], by_key: bool) -> Vec<u8> {
    let builder = SignatureBuilder::new(parsed(signer)).with_embedded_certificate(true);
    let builder = builder.with_subject_key_identifier(by_key).unwrap();
    let signatory = Signatory::new(key(key_name), builder).unwrap();
    let message = signatory.sign_root_hash(&root_hash()).unwrap();
    embedding(&message, &[&[signer.to_vec()], others].concat())
}

/// The message with these certificates in it, and no others.
pub(crate) fn embedding(message: &[u8], certificates: &[Vec<u8>]) -> Vec<u8> {
    let choice = |der: &Vec<u8>| {
        CertificateChoices::Certificate(x509_cert::Certificate::from_der(der).unwrap())
    };
    let choices: Vec<_> = certificates.iter().map(choice).collect();
    changed(message, |data| {
        data.certificates = Some(CertificateSet::try_from(choices).unwrap());
    })
}
