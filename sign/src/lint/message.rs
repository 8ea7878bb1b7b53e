//! A PKCS#7 message as the kernel's parser reads it (`pkcs7.asn1`, `pkcs7_parser.c`).
//!
//! The kernel stops at its first error. Here only a broken encoding ends the reading; everything
//! else is a finding, and reading goes on, so that one report names all that must change. The
//! findings stand in the order in which the kernel meets them.

use const_oid::ObjectIdentifier;

use super::KernelError::{Badmsg, Inval, Keyrejected, Nopkg};
use super::algorithms::{Hash, Scheme, name_of, oid};
use super::ber::{Element, Malformed, Reader, tag};
use super::report::{Findings, Point};
use super::x509::{self, Certificate};

/// What the parser hands on of a message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) certificates: Vec<Certificate<'a>>,
    pub(super) signers: Vec<SignerInfo<'a>>,
    pub(super) has_content: bool,
    /// Whether the content type is that of Authenticode instead of plain data.
    pub(super) authenticode: bool,
}

/// One SignerInfo.
#[derive(Clone, Debug)]
pub(super) struct SignerInfo<'a> {
    /// Counted from 1, as in the kernel's log.
    pub(super) number: usize,
    /// The identifier by which the kernel looks for the signer's certificate or key.
    pub(super) id: Vec<u8>,
    /// Who that is, for people.
    pub(super) name: String,
    pub(super) hash: Option<Hash>,
    pub(super) scheme: Option<Scheme>,
    pub(super) signature: &'a [u8],
    pub(super) attributes: Attributes<'a>,
}

/// Signed attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    /// Length and contents of their set, if they are there: what is digested behind a set's tag.
    pub(super) bytes: Option<&'a [u8]>,
    pub(super) message_digest: Option<&'a [u8]>,
    pub(super) signing_time: Option<i64>,
    seen: Vec<Known>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    ContentType,
    SigningTime,
    MessageDigest,
    SmimeCapabilities,
    OpusInfo,
    StatementType,
}

/// How the parser remembers what names a signer, from one signer to the next.
#[derive(Default)]
struct Names<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    skid: &'a [u8],
}

type Result<T> = std::result::Result<T, Malformed>;

/// Reads a message, as far as it decodes.
pub(super) fn read<'a>(data: &'a [u8], findings: &mut Findings) -> Option<Message<'a>> {
    let mut reader = Reader::new(data);
    let message = read_outer(&mut reader, findings);
    match message {
        Ok(message) => {
            report_encoding(&reader, findings);
            message
        }
        Err(Malformed(reason)) => {
            let words = match data {
                [b'-', b'-', b'-', b'-', b'-', ..] => {
                    "it is PEM; the kernel takes DER only".to_owned()
                }
                _ => format!("it does not decode ({reason})"),
            };
            findings.fail("encoding", Badmsg, "", words);
            None
        }
    }
}

fn report_encoding(reader: &Reader<'_>, findings: &mut Findings) {
    let mut lenient = Vec::new();
    if reader.met_indefinite() {
        lenient.push("it is BER with indefinite lengths".to_owned());
    }
    if reader.remaining() > 0 {
        lenient.push(format!("{} bytes follow the message", reader.remaining()));
    }
    match lenient.is_empty() {
        true => findings.push(Point::ok("encoding", "it decodes")),
        false => {
            let words =
                format!("{}, which the kernel takes and verity does not", lenient.join("; "));
            findings.push(Point::warn("encoding", words));
        }
    }
}

fn read_outer<'a>(reader: &mut Reader<'a>, findings: &mut Findings) -> Result<Option<Message<'a>>> {
    let outer = reader.open(tag::SEQUENCE)?;
    let content_type = reader.leaf(tag::OID)?.content;
    if content_type != SIGNED_DATA.as_bytes() {
        let words = format!("the message is {}, not signedData", name_of(content_type));
        findings.fail("content-type", Inval, "PKCS7: Only support pkcs7_signedData type", words);
    }
    let message = match reader.optional_open(tag::container(0))? {
        None => None,
        Some(explicit) => {
            let message = read_signed_data(reader, findings)?;
            reader.close(explicit)?;
            Some(message)
        }
    };
    reader.close(outer)?;
    if message.is_none() {
        findings.fail("signers", Inval, INCONSISTENT, "there is nothing in the message".to_owned());
    }
    Ok(message)
}

fn read_signed_data<'a>(reader: &mut Reader<'a>, findings: &mut Findings) -> Result<Message<'a>> {
    let sequence = reader.open(tag::SEQUENCE)?;
    let version = reader.leaf(tag::INTEGER)?.content;
    if !matches!(version, [1] | [3]) {
        let words = format!("SignedData has version {}, not 1 or 3", hex::encode(version));
        findings.fail("version", Inval, "PKCS7: Unsupported SignedData version", words);
    }
    digest_algorithms(reader)?;
    let (has_content, authenticode) = content(reader, findings)?;
    let certificates = certificates(reader, findings)?;
    revocation_lists(reader, findings)?;
    let mut signers = Signers {
        version: if version == [1] { 1 } else { 3 },
        authenticode,
        names: Names::default(),
        found: Vec::new(),
    };
    signers.read(reader, findings)?;
    reader.close(sequence)?;
    Ok(Message { certificates, signers: signers.found, has_content, authenticode })
}

/// The digests that the message names beside its signers' must decode, and do not count.
fn digest_algorithms(reader: &mut Reader<'_>) -> Result<()> {
    let frame = reader.open_either(tag::SET, tag::SEQUENCE)?;
    reader.each(frame, |reader| x509::algorithm(reader).map(drop)).map(drop)
}

fn content(reader: &mut Reader<'_>, findings: &mut Findings) -> Result<(bool, bool)> {
    let sequence = reader.open(tag::SEQUENCE)?;
    let content_type = reader.leaf(tag::OID)?.content;
    let explicit = reader.optional_open(tag::container(0))?;
    let has_content = explicit.is_some();
    if let Some(explicit) = explicit {
        reader.any()?;
        reader.close(explicit)?;
    }
    reader.close(sequence)?;
    let authenticode = content_type == INDIRECT_DATA.as_bytes();
    if !authenticode && content_type != DATA.as_bytes() {
        let words = format!("the content type is {}, not data", name_of(content_type));
        findings.fail("content-type", Inval, "PKCS7: Unsupported data type", words);
    }
    Ok((has_content, authenticode))
}

fn certificates<'a>(
    reader: &mut Reader<'a>,
    findings: &mut Findings,
) -> Result<Vec<Certificate<'a>>> {
    let mut found = Vec::new();
    if let Some(set) = reader.optional_open(tag::container(0))? {
        let mut elements = Vec::new();
        while !reader.at_end() {
            let element = reader.any()?;
            elements.push(element.whole);
            certificate(element, findings, &mut found);
            if !reader.more(&set)? {
                break;
            }
        }
        reader.close(set)?;
        if !elements.is_sorted() {
            let words = "the embedded certificates are not in the order of DER, which the kernel \
                         takes and verity does not; openssl smime leaves them as they are given, \
                         openssl cms sorts";
            findings.push(Point::warn("certificates", words));
        }
    } else if let Some(sequence) = reader.optional_open(tag::container(2))? {
        reader.each(sequence, |reader| {
            certificate(reader.any()?, findings, &mut found);
            Ok(())
        })?;
    }
    Ok(found)
}

fn certificate<'a>(
    element: Element<'a>,
    findings: &mut Findings,
    found: &mut Vec<Certificate<'a>>,
) {
    if element.tag != tag::SEQUENCE {
        let words = "something is embedded that is no certificate".to_owned();
        findings.fail("certificates", Badmsg, "", words);
        return;
    }
    match Certificate::parse(element.whole, findings.effort()) {
        Ok(certificate) => {
            let words = format!("{} is embedded", certificate.name());
            findings.push(Point::ok("certificates", words));
            found.push(certificate);
        }
        Err(refused) => {
            let words =
                format!("the kernel cannot take an embedded certificate: {}", refused.reason);
            findings.fail("certificates", refused.error, refused.kernel_message, words);
        }
    }
}

/// The kernel reads the elements of a revocation list as certificates, so hardly any list passes.
fn revocation_lists(reader: &mut Reader<'_>, findings: &mut Findings) -> Result<()> {
    let lists = reader.optional_open_either(tag::container(1), tag::container(3))?;
    let Some(lists) = lists else { return Ok(()) };
    let read_list = |reader: &mut Reader<'_>| {
        let list = reader.open(tag::SEQUENCE)?;
        reader.each(list, |reader| {
            check_revocation(reader.any()?, findings);
            Ok(())
        })?;
        Ok(())
    };
    reader.each(lists, read_list).map(drop)
}

/// Takes an element of a revocation list for a certificate, as the kernel does.
fn check_revocation(element: Element<'_>, findings: &mut Findings) {
    let refused = match element.tag {
        tag::SEQUENCE => Certificate::parse(element.whole, findings.effort())
            .err()
            .map(|refused| (refused.error, refused.kernel_message)),
        _ => Some((Badmsg, "")),
    };
    if let Some((error, message)) = refused {
        let words = "it carries a revocation list".to_owned();
        findings.fail("certificates", error, message, words);
    }
}

struct Signers<'a> {
    version: u8,
    authenticode: bool,
    names: Names<'a>,
    found: Vec<SignerInfo<'a>>,
}

impl<'a> Signers<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, findings: &mut Findings) -> Result<()> {
        if reader.at_end() {
            return Ok(());
        }
        let frame = reader.open_either(tag::SET, tag::SEQUENCE)?;
        let read_signer = |reader: &mut Reader<'a>| {
            let signer = self.signer(reader, findings)?;
            self.found.push(signer);
            Ok(())
        };
        reader.each(frame, read_signer).map(drop)
    }

    fn signer(
        &mut self,
        reader: &mut Reader<'a>,
        findings: &mut Findings,
    ) -> Result<SignerInfo<'a>> {
        let sequence = reader.open(tag::SEQUENCE)?;
        let by_key = self.signer_version(reader.leaf(tag::INTEGER)?.content, findings);
        let named_by_key = self.identifier(reader)?;
        let hash = signer_hash(reader, findings)?;
        let attributes = self.attributes(reader, findings)?;
        let scheme = signer_scheme(reader, findings)?;
        let signature = reader.leaf(tag::OCTET_STRING)?.content;
        unsigned_attributes(reader)?;
        reader.close(sequence)?;
        if self.authenticode && attributes.bytes.is_none() {
            let words = "Authenticode needs signed attributes".to_owned();
            let message = "PKCS7: Authenticode requires AuthAttrs";
            findings.fail("signed-attributes", Badmsg, message, words);
        }
        if named_by_key != by_key {
            let words = "version 1 goes with issuer and serial number, version 3 with a key \
                         identifier; this signer has the other";
            findings.push(Point::warn("version", words));
        }
        Ok(SignerInfo {
            number: self.found.len() + 1,
            id: self.names.id(by_key),
            name: self.names.text(by_key),
            hash,
            scheme,
            signature,
            attributes,
        })
    }

    /// Whether the version says that the signer is named by a key identifier.
    fn signer_version(&self, version: &[u8], findings: &mut Findings) -> bool {
        match version {
            [1] | [3] if (version == [1]) == (self.version == 1) => {}
            [1] | [3] => {
                let words = "SignedData and SignerInfo have versions that do not go together";
                let message = "PKCS7: SignedData-SignerInfo version mismatch";
                findings.fail("version", Badmsg, message, words.to_owned());
            }
            _ => {
                let words = format!("SignerInfo has version {}, not 1 or 3", hex::encode(version));
                findings.fail("version", Inval, "PKCS7: Unsupported SignerInfo version", words);
            }
        }
        version == [3]
    }

    /// Reads how the signer is named, and returns whether that is by a key identifier. The version
    /// decides which name counts: it may be one that an earlier signer has left.
    fn identifier(&mut self, reader: &mut Reader<'a>) -> Result<bool> {
        if let Some(sequence) = reader.optional_open(tag::SEQUENCE)? {
            self.names.issuer = x509::name(reader)?;
            self.names.serial = reader.leaf(tag::INTEGER)?.content;
            reader.close(sequence)?;
            return Ok(false);
        }
        self.names.skid = reader.leaf(tag::context(0))?.content;
        Ok(true)
    }

    fn attributes(
        &self,
        reader: &mut Reader<'a>,
        findings: &mut Findings,
    ) -> Result<Attributes<'a>> {
        let mut attributes = Attributes::default();
        if let Some(set) = reader.optional_open(tag::container(0))? {
            let read = |reader: &mut Reader<'a>| self.attribute(reader, &mut attributes, findings);
            let set = reader.each(set, read)?;
            attributes.bytes = Some(set.without_tag());
            let has = |known| attributes.seen.contains(&known);
            if !has(Known::ContentType) || !has(Known::MessageDigest) {
                let words = "signed attributes lack the content type or the message digest";
                let message = "PKCS7: Missing required AuthAttr";
                findings.fail("signed-attributes", Badmsg, message, words.to_owned());
            }
        } else if let Some(explicit) = reader.optional_open(tag::container(2))? {
            let sequence = reader.open(tag::SEQUENCE)?;
            let read = |reader: &mut Reader<'a>| self.attribute(reader, &mut attributes, findings);
            reader.each(sequence, read)?;
            reader.close(explicit)?;
        }
        Ok(attributes)
    }

    fn attribute(
        &self,
        reader: &mut Reader<'a>,
        attributes: &mut Attributes<'a>,
        findings: &mut Findings,
    ) -> Result<()> {
        let sequence = reader.open(tag::SEQUENCE)?;
        let known = Known::find(reader.leaf(tag::OID)?.content);
        let values = reader.open(tag::SET)?;
        reader.each(values, |reader| {
            let value = reader.any()?;
            if let Some(known) = known {
                self.value(known, value, attributes, findings);
            }
            Ok(())
        })?;
        reader.close(sequence).map(drop)
    }

    fn value(
        &self,
        known: Known,
        value: Element<'a>,
        attributes: &mut Attributes<'a>,
        findings: &mut Findings,
    ) {
        let mut fail = |error, message, words: &str| {
            findings.fail("signed-attributes", error, message, words.to_owned());
        };
        if attributes.seen.contains(&known) {
            let message = "PKCS7: Repeated/multivalue AuthAttrs not permitted";
            return fail(Keyrejected, message, "a signed attribute has more than one value");
        }
        attributes.seen.push(known);
        let expected = if self.authenticode { INDIRECT_DATA } else { DATA };
        match known {
            Known::ContentType if value.content != expected.as_bytes() => {
                let message = "PKCS7: Mismatch between global data type";
                fail(Badmsg, message, "the signed content type is another than the message's");
            }
            Known::SigningTime => {
                attributes.signing_time = x509::decode_time(value);
                if attributes.signing_time.is_none() {
                    fail(Badmsg, "", "the signing time is malformed");
                }
            }
            Known::MessageDigest if value.tag != tag::OCTET_STRING => {
                fail(Badmsg, "", "the signed message digest is no octet string");
            }
            Known::MessageDigest => attributes.message_digest = Some(value.content),
            Known::SmimeCapabilities if !self.authenticode => {
                let message = "PKCS7: S/MIME Caps only allowed with Authenticode";
                let words = "signed attributes hold S/MIME capabilities, as openssl writes them \
                             unless told -noattr or -nosmimecap";
                fail(Keyrejected, message, words);
            }
            Known::OpusInfo | Known::StatementType if !self.authenticode => {
                let message = "PKCS7: Authenticode AuthAttrs only allowed with Authenticode";
                fail(Keyrejected, message, "signed attributes are those of Authenticode");
            }
            _ => {}
        }
    }
}

impl Names<'_> {
    /// The identifier by which the kernel looks for a key.
    fn id(&self, by_key: bool) -> Vec<u8> {
        match by_key {
            true => self.skid.to_vec(),
            false => [self.serial, self.issuer].concat(),
        }
    }

    /// Who that is, for people.
    fn text(&self, by_key: bool) -> String {
        match by_key {
            true => format!("the key with identifier {}", hex::encode(self.skid)),
            false => format!(
                "the certificate of issuer {} with serial {}",
                x509::name_text(self.issuer),
                hex::encode(self.serial)
            ),
        }
    }
}

/// The digest of a signer; `None` and a finding if the kernel does not know it.
fn signer_hash(reader: &mut Reader<'_>, findings: &mut Findings) -> Result<Option<Hash>> {
    let (digest, _) = x509::algorithm(reader)?;
    let hash = Hash::of_signer(digest);
    if hash.is_none() {
        let words = format!("the kernel does not know the digest {}", name_of(digest));
        findings.fail("digest-algorithm", Nopkg, "Unsupported digest algo", words);
    }
    Ok(hash)
}

/// The signature algorithm of a signer; `None` and a finding if the kernel does not know it.
fn signer_scheme(reader: &mut Reader<'_>, findings: &mut Findings) -> Result<Option<Scheme>> {
    let (algorithm, _) = x509::algorithm(reader)?;
    let scheme = Scheme::of_signer(algorithm);
    if scheme.is_none() {
        findings.fail("signature-algorithm", Nopkg, "Unsupported pkey algo", advice(algorithm));
    }
    Ok(scheme)
}

impl Known {
    fn find(oid: &[u8]) -> Option<Known> {
        KNOWN.iter().find(|(known, _)| known.as_bytes() == oid).map(|(_, known)| *known)
    }
}

fn unsigned_attributes(reader: &mut Reader<'_>) -> Result<()> {
    let frame = reader.optional_open_either(tag::container(1), tag::container(3))?;
    let Some(frame) = frame else { return Ok(()) };
    let read_attribute = |reader: &mut Reader<'_>| {
        let attribute = reader.open(tag::SEQUENCE)?;
        reader.leaf(tag::OID)?;
        let values = reader.open(tag::SET)?;
        reader.each(values, |reader| reader.any().map(drop))?;
        reader.close(attribute).map(drop)
    };
    reader.each(frame, read_attribute).map(drop)
}

/// What to do about a signature algorithm that the kernel does not know.
fn advice(oid: &[u8]) -> String {
    let name = name_of(oid);
    let more = match name.split(' ').next() {
        Some("RSA-PSS") => ": RSA goes with PKCS#1 v1.5 only",
        Some(name) if name.ends_with("WithRSAEncryption") => {
            ": for RSA the algorithm must be plain rsaEncryption"
        }
        Some("ecPublicKey") => ": for ECDSA the algorithm must be ecdsa-with-SHA*",
        Some("ML-DSA-44" | "ML-DSA-65" | "ML-DSA-87") => ": before Linux 7.0",
        _ => "",
    };
    format!("the kernel does not know the signature algorithm {name}{more}")
}

pub(super) const INCONSISTENT: &str = "PKCS7: Inconsistently supplied authAttrs";

const DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.1");
const INDIRECT_DATA: ObjectIdentifier = oid("1.3.6.1.4.1.311.2.1.4");
const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");

const KNOWN: [(ObjectIdentifier, Known); 6] = [
    (oid("1.2.840.113549.1.9.3"), Known::ContentType),
    (oid("1.2.840.113549.1.9.5"), Known::SigningTime),
    (oid("1.2.840.113549.1.9.4"), Known::MessageDigest),
    (oid("1.2.840.113549.1.9.15"), Known::SmimeCapabilities),
    (oid("1.3.6.1.4.1.311.2.1.12"), Known::OpusInfo),
    (oid("1.3.6.1.4.1.311.2.1.11"), Known::StatementType),
];
