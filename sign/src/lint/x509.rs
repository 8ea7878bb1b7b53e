//! Certificates as the kernel's parser reads them (`x509.asn1`, `x509_cert_parser.c`,
//! `x509_public_key.c`): what makes it refuse one, and the identifiers by which it finds one.
//!
//! Validity, key usage and extended key usage must decode, but the kernel does not look at them
//! when it verifies a signature.

use const_oid::ObjectIdentifier;

use super::KernelError::{self, Badmsg, Inval, Keyrejected, Nopkg};
use super::algorithms::{Hash, Key, Scheme, name_of, oid};
use super::ber::{Element, Malformed, Reader, tag};
use super::effort::Effort;
use super::public_key::PublicKey;

/// A certificate that the kernel would take in.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// Serial number and issuer, one behind the other: the first identifier.
    pub(super) id: Vec<u8>,
    /// The subject key identifier: the second one.
    pub(super) skid: Option<&'a [u8]>,
    /// The issuer's first and second identifier, from the authority key identifier.
    pub(super) authority: Authority<'a>,
    pub(super) key: PublicKey<'a>,
    pub(super) signature: Signature<'a>,
    pub(super) valid_from: i64,
    pub(super) valid_to: i64,
    pub(super) self_signed: bool,
    /// Whether its key usage lacks digitalSignature: the one point of usage that a report mentions.
    pub(super) no_digital_signature: bool,
    serial: &'a [u8],
    subject: String,
}

/// How a certificate names that of its issuer.
#[derive(Clone, Debug, Default)]
pub(super) struct Authority<'a> {
    pub(super) id: Option<Vec<u8>>,
    pub(super) skid: Option<&'a [u8]>,
}

/// A certificate's own signature.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    pub(super) scheme: Scheme,
    pub(super) hash: Hash,
    /// `None` where the digest is not modelled, as in a kernel without it.
    pub(super) digest: Option<Vec<u8>>,
    pub(super) bytes: &'a [u8],
}

/// Why the kernel does not take a certificate in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refused {
    pub(super) error: KernelError,
    pub(super) kernel_message: &'static str,
    pub(super) reason: String,
}

type Result<T> = std::result::Result<T, Refused>;

impl From<Malformed> for Refused {
    fn from(Malformed(reason): Malformed) -> Refused {
        refused(Badmsg, format!("it does not decode ({reason})"))
    }
}

fn refused(error: KernelError, reason: impl Into<String>) -> Refused {
    Refused { error, kernel_message: "", reason: reason.into() }
}

impl Refused {
    /// This refusal, with the line that the kernel logs for it.
    fn logged(self, kernel_message: &'static str) -> Refused {
        Refused { kernel_message, ..self }
    }
}

impl<'a> Certificate<'a> {
    /// Bytes behind the certificate are not looked at.
    pub(super) fn parse(der: &'a [u8], effort: &Effort) -> Result<Certificate<'a>> {
        let parts = Parts::read(der)?;
        let authority = match parts.extensions.authority {
            Some(der) => authority(der)
                .map_err(|refused| refused.logged("X.509: Couldn't decode AuthKeyIdentifier"))?,
            None => Authority::default(),
        };
        let (scheme, hash) = parts.scheme;
        let signature =
            Signature { scheme, hash, digest: hash.digest(&[parts.tbs]), bytes: parts.signature };
        let mut certificate = Certificate {
            id: [parts.serial, parts.issuer].concat(),
            skid: parts.extensions.skid,
            authority,
            key: parts.key,
            signature,
            valid_from: parts.valid_from,
            valid_to: parts.valid_to,
            self_signed: false,
            no_digital_signature: parts.extensions.no_digital_signature,
            serial: parts.serial,
            subject: name_text(parts.subject),
        };
        certificate.self_signed =
            certificate.is_self_signed(parts.subject == parts.issuer, effort)?;
        Ok(certificate)
    }

    /// A certificate that names itself as its issuer must bear its own signature.
    fn is_self_signed(&self, same_names: bool, effort: &Effort) -> Result<bool> {
        if !same_names {
            return Ok(false);
        }
        let Authority { id, skid } = &self.authority;
        if id.is_some() || skid.is_some() {
            let by_skid = skid.is_some() && *skid == self.skid;
            let by_id = id.as_ref() == Some(&self.id);
            if !by_skid && !by_id {
                return Ok(false);
            }
            if by_skid != by_id && id.is_some() && skid.is_some() {
                let reason = "half of its authority key identifier names itself";
                return Err(refused(Keyrejected, reason));
            }
        }
        match self.signed_by(&self.key, effort) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) => {
                Err(refused(error, "it is its own issuer, and its signature does not hold"))
            }
        }
    }

    /// Whether this key made the certificate's signature. `None` where that is not modelled, or
    /// takes too much work.
    pub(super) fn signed_by(
        &self,
        key: &PublicKey<'_>,
        effort: &Effort,
    ) -> Option<std::result::Result<(), KernelError>> {
        let Signature { scheme, hash, digest, bytes } = &self.signature;
        key.claim(*scheme, *hash, bytes).check(digest.as_ref()?, effort)
    }

    /// Which certificate it is, for people.
    pub(super) fn name(&self) -> String {
        format!("{} (serial {})", self.subject, hex::encode(self.serial))
    }
}

/// A certificate taken apart.
struct Parts<'a> {
    tbs: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    valid_from: i64,
    valid_to: i64,
    key: PublicKey<'a>,
    extensions: Extensions<'a>,
    scheme: (Scheme, Hash),
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Parts<'a>> {
        let mut reader = Reader::new(der);
        let outer = reader.open(tag::SEQUENCE)?;
        let inner = reader.open(tag::SEQUENCE)?;
        if let Some(version) = reader.optional_open(tag::container(0))? {
            reader.leaf(tag::INTEGER)?;
            reader.close(version)?;
        }
        let serial = reader.leaf(tag::INTEGER)?.content;
        let (algorithm, _) = algorithm(&mut reader)?;
        let scheme = Scheme::of_certificate(algorithm)
            .ok_or_else(|| refused(Nopkg, format!("it is signed with {}", name_of(algorithm))))?;
        let issuer = name(&mut reader)?;
        let (valid_from, valid_to) = validity(&mut reader)?;
        let subject = name(&mut reader)?;
        let key = public_key(&mut reader)?;
        reader.optional_leaf(tag::context(1))?;
        reader.optional_leaf(tag::context(2))?;
        let extensions = Extensions::read(&mut reader)?;
        let tbs = reader.close(inner)?.whole;
        let (again, _) = self::algorithm(&mut reader)?;
        let signature = bit_string(reader.leaf(tag::BIT_STRING)?);
        if again != algorithm {
            return Err(refused(Inval, "it names two signature algorithms")
                .logged("X.509: signatureAlgorithm"));
        }
        let signature = signature.ok_or_else(|| refused(Badmsg, "its signature has odd bits"))?;
        reader.close(outer)?;
        Ok(Parts {
            tbs,
            serial,
            issuer,
            subject,
            valid_from,
            valid_to,
            key,
            extensions,
            scheme,
            signature,
        })
    }
}

/// The object identifier of an AlgorithmIdentifier, and its parameters.
pub(super) fn algorithm<'a>(
    reader: &mut Reader<'a>,
) -> std::result::Result<(&'a [u8], Option<Element<'a>>), Malformed> {
    let sequence = reader.open(tag::SEQUENCE)?;
    let oid = reader.leaf(tag::OID)?;
    let parameters = reader.optional_any()?;
    reader.close(sequence)?;
    Ok((oid.content, parameters))
}

/// What is in a Name.
pub(super) fn name<'a>(reader: &mut Reader<'a>) -> std::result::Result<&'a [u8], Malformed> {
    let read_pair = |reader: &mut Reader<'a>| {
        let pair = reader.open(tag::SEQUENCE)?;
        reader.leaf(tag::OID)?;
        reader.any()?;
        reader.close(pair).map(drop)
    };
    let sequence = reader.open(tag::SEQUENCE)?;
    let sequence = reader.each(sequence, |reader| {
        let set = reader.open(tag::SET)?;
        reader.each(set, read_pair).map(drop)
    })?;
    Ok(sequence.content)
}

/// The organisation and the common name, as the kernel names a certificate.
pub(super) fn name_text(content: &[u8]) -> String {
    let mut texts = Vec::new();
    let mut rest = Reader::new(content);
    while let Ok(set) = rest.leaf(tag::SET) {
        let mut set = Reader::new(set.content);
        while let Ok(pair) = set.leaf(tag::SEQUENCE) {
            let mut pair = Reader::new(pair.content);
            let (Ok(key), Ok(value)) = (pair.leaf(tag::OID), pair.any()) else { break };
            if key.content == COMMON_NAME.as_bytes() || key.content == ORGANISATION.as_bytes() {
                texts.push(String::from_utf8_lossy(value.content).escape_debug().to_string());
            }
        }
    }
    match texts.is_empty() {
        true => "a certificate without a common name".to_owned(),
        false => texts.join(": "),
    }
}

/// The first and last second of the validity. A period with one end only ends where it begins, as
/// in the kernel's decoder.
fn validity(reader: &mut Reader<'_>) -> Result<(i64, i64)> {
    let sequence = reader.open(tag::SEQUENCE)?;
    if reader.at_end() {
        return Err(refused(Badmsg, "it has no validity"));
    }
    let from = time_element(reader)?;
    let to = if reader.at_end() { from } else { time_element(reader)? };
    let decode =
        |element| decode_time(element).ok_or_else(|| refused(Badmsg, "a date in it is malformed"));
    let validity = (decode(from)?, decode(to)?);
    reader.close(sequence)?;
    Ok(validity)
}

fn time_element<'a>(reader: &mut Reader<'a>) -> std::result::Result<Element<'a>, Malformed> {
    match reader.optional_leaf(tag::UTC_TIME)? {
        Some(time) => Ok(time),
        None => reader.leaf(tag::GENERALIZED_TIME),
    }
}

/// Seconds since 1970. Years from 1950 to 2049 must have two digits, and none may be before 1970.
pub(super) fn decode_time(element: Element<'_>) -> Option<i64> {
    let (text, two_digits) = match (element.tag, element.content.len()) {
        (tag::UTC_TIME, 13) => (element.content, true),
        (tag::GENERALIZED_TIME, 15) => (element.content, false),
        _ => return None,
    };
    let digits = text.strip_suffix(b"Z")?;
    let mut pairs = digits.chunks(2).map(|pair| match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => None,
    });
    let mut next = || pairs.next().flatten();
    let first = next()?;
    let year = match two_digits {
        true if first >= 50 => 1900 + first,
        true => 2000 + first,
        false => first * 100 + next()?,
    };
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    if (!two_digits && (1950..=2049).contains(&year)) || year < 1970 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let fits = (1..=days).contains(&day) && hour <= 24 && minute <= 59 && second <= 60;
    fits.then(|| ((day_number(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970, counted in years that begin in March.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before = (month * 153 + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + days_before + day - 719_469
}

fn public_key<'a>(reader: &mut Reader<'a>) -> Result<PublicKey<'a>> {
    let sequence = reader.open(tag::SEQUENCE)?;
    let (algorithm, parameters) = algorithm(reader)?;
    let bits = reader.leaf(tag::BIT_STRING)?;
    let key = match algorithm {
        known if known == RSA.as_bytes() => Key::Rsa,
        known if known == EC.as_bytes() => curve(parameters)?,
        known if known == GOST_256.as_bytes() || known == GOST_512.as_bytes() => Key::Gost,
        other => return Err(refused(Nopkg, format!("its key is {}", name_of(other)))),
    };
    let bytes = bit_string(bits).ok_or_else(|| refused(Badmsg, "its key has odd bits"))?;
    reader.close(sequence)?;
    Ok(PublicKey { key, bytes })
}

fn curve(parameters: Option<Element<'_>>) -> Result<Key> {
    let unnamed = || refused(Badmsg, "its key does not name its curve");
    let parameters = parameters.ok_or_else(unnamed)?;
    let length = parameters.whole.len();
    match parameters.whole {
        [tag::OID, short, oid @ ..] if usize::from(*short) + 2 == length && length >= 3 => {
            Key::of_curve(oid)
                .ok_or_else(|| refused(Nopkg, format!("its key is on {}", name_of(oid))))
        }
        _ => Err(unnamed()),
    }
}

/// What is in a bit string of whole bytes.
fn bit_string(element: Element<'_>) -> Option<&[u8]> {
    element.content.strip_prefix(&[0])
}

#[derive(Default)]
struct Extensions<'a> {
    skid: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    no_digital_signature: bool,
}

impl<'a> Extensions<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Extensions<'a>> {
        let mut extensions = Extensions::default();
        let Some(explicit) = reader.optional_open(tag::container(3))? else {
            return Ok(extensions);
        };
        let sequence = reader.open(tag::SEQUENCE)?;
        loop {
            let extension = reader.open(tag::SEQUENCE)?;
            let id = reader.leaf(tag::OID)?.content;
            reader.optional_leaf(tag::BOOLEAN)?;
            let value = reader.leaf(tag::OCTET_STRING)?.content;
            extensions.note(id, value)?;
            reader.close(extension)?;
            if !reader.more(&sequence)? {
                break;
            }
        }
        reader.close(sequence)?;
        reader.close(explicit)?;
        Ok(extensions)
    }

    fn note(&mut self, id: &[u8], value: &'a [u8]) -> Result<()> {
        match id {
            _ if id == SUBJECT_KEY.as_bytes() => self.note_subject_key(value),
            _ if id == KEY_USAGE.as_bytes() => self.note_key_usage(value),
            _ if id == BASIC_CONSTRAINTS.as_bytes() => check_basic_constraints(value),
            _ if id == AUTHORITY_KEY.as_bytes() => {
                self.authority = Some(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_subject_key(&mut self, value: &'a [u8]) -> Result<()> {
        match value {
            [tag::OCTET_STRING, short, skid @ ..]
                if self.skid.is_none() && !skid.is_empty() && usize::from(*short) == skid.len() =>
            {
                self.skid = Some(skid);
                Ok(())
            }
            _ => Err(malformed_extension("subject key identifier")),
        }
    }

    fn note_key_usage(&mut self, value: &[u8]) -> Result<()> {
        match value {
            [tag::BIT_STRING, _, 0..8, bits, ..] => {
                self.no_digital_signature = bits & 0x80 == 0;
                Ok(())
            }
            _ => Err(malformed_extension("key usage")),
        }
    }
}

/// There may be nothing in them, or first that it is a CA: the default may not be written. Releases
/// before Debian's 6.12.117 did not look at that.
fn check_basic_constraints(value: &[u8]) -> Result<()> {
    let is_ca = |inside: &[u8]| inside.starts_with(&[tag::BOOLEAN, 1, 0xff]);
    match value {
        [tag::SEQUENCE, short, inside @ ..]
            if usize::from(*short) == inside.len() && (inside.is_empty() || is_ca(inside)) =>
        {
            Ok(())
        }
        _ => Err(malformed_extension("basic constraints")),
    }
}

fn malformed_extension(what: &str) -> Refused {
    refused(Badmsg, format!("its {what} is malformed"))
}

fn authority(der: &[u8]) -> Result<Authority<'_>> {
    let mut authority = Authority::default();
    let mut reader = Reader::new(der);
    let sequence = reader.open(tag::SEQUENCE)?;
    authority.skid = reader.optional_leaf(tag::context(0))?.map(|element| element.content);
    let issuer = match reader.optional_open(tag::container(1))? {
        Some(names) => {
            let issuer = general_names(&mut reader, &names)?;
            reader.close(names)?;
            issuer
        }
        None => None,
    };
    let serial = reader.optional_leaf(tag::context(2))?;
    if let (Some(serial), Some(issuer)) = (serial, issuer) {
        authority.id = Some([serial.content, issuer].concat());
    }
    reader.close(sequence)?;
    Ok(authority)
}

/// The last directory name of a list of names.
fn general_names<'a>(
    reader: &mut Reader<'a>,
    names: &super::ber::Frame,
) -> std::result::Result<Option<&'a [u8]>, Malformed> {
    let mut issuer = None;
    while reader.more(names)? {
        if let Some(explicit) = reader.optional_open(tag::container(4))? {
            issuer = Some(name(reader)?);
            reader.close(explicit)?;
            continue;
        }
        let mut leaves = [1, 2, 6, 7, 8].into_iter();
        let leaf = leaves.find_map(|number| reader.optional_leaf(tag::context(number)).transpose());
        match leaf {
            Some(leaf) => drop(leaf?),
            None => other_name(reader)?,
        }
    }
    Ok(issuer)
}

/// Reads past an otherName, x400Address or ediPartyName.
fn other_name(reader: &mut Reader<'_>) -> std::result::Result<(), Malformed> {
    let explicit_any = |reader: &mut Reader<'_>, number| {
        let explicit = reader.open(tag::container(number))?;
        reader.any()?;
        reader.close(explicit).map(drop)
    };
    if let Some(sequence) = reader.optional_open(tag::container(0))? {
        reader.leaf(tag::OID)?;
        explicit_any(reader, 0)?;
        return reader.close(sequence).map(drop);
    }
    if let Some(explicit) = reader.optional_open(tag::container(3))? {
        reader.any()?;
        return reader.close(explicit).map(drop);
    }
    let sequence = reader.open(tag::container(5))?;
    if let Some(explicit) = reader.optional_open(tag::container(0))? {
        reader.any()?;
        reader.close(explicit)?;
    }
    explicit_any(reader, 1)?;
    reader.close(sequence).map(drop)
}

const AUTHORITY_KEY: ObjectIdentifier = oid("2.5.29.35");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
const EC: ObjectIdentifier = oid("1.2.840.10045.2.1");
const GOST_256: ObjectIdentifier = oid("1.2.643.7.1.1.1.1");
const GOST_512: ObjectIdentifier = oid("1.2.643.7.1.1.1.2");
const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const ORGANISATION: ObjectIdentifier = oid("2.5.4.10");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const SUBJECT_KEY: ObjectIdentifier = oid("2.5.29.14");

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: u8, text: &str) -> Option<i64> {
        decode_time(Element { tag, content: text.as_bytes(), whole: text.as_bytes() })
    }

    #[test]
    fn times_are_those_of_the_kernel() {
        assert_eq!(time(tag::UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(tag::UTC_TIME, "200101000000Z"), Some(1_577_836_800));
        assert_eq!(time(tag::UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(tag::GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(tag::GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(time(tag::UTC_TIME, "240229000000Z"), Some(1_709_164_800));
        for (tag, text) in [
            (tag::UTC_TIME, "500101000000Z"),
            (tag::UTC_TIME, "230229000000Z"),
            (tag::UTC_TIME, "231301000000Z"),
            (tag::UTC_TIME, "230101000000+"),
            (tag::UTC_TIME, "2301010000Z"),
            (tag::UTC_TIME, "23010100000aZ"),
            (tag::UTC_TIME, "20500101000000Z"),
            (tag::GENERALIZED_TIME, "20300101000000Z"),
            (tag::GENERALIZED_TIME, "19000101000000Z"),
            (tag::GENERALIZED_TIME, "21000229000000Z"),
            (tag::OCTET_STRING, "700101000000Z"),
        ] {
            assert_eq!(time(tag, text), None, "{text}");
        }
    }
}
