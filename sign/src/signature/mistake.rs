//! Why a raw signature is not by the key over the content: the usual mistakes, for messages.
//!
//! Services and tools give signatures in many forms, and sign other bytes than they were meant to.
//! All of that is tried here once a signature has been refused. It stays refused.

use verity::RootHash;

use super::content::{Mistake, newline_mistakes, root_hash_mistakes};
use super::padding::{Padded, opened};
use crate::algorithm::SignatureDigest;
use crate::certificate::{PublicKey, ToBeSigned};
use crate::form::{self, Expected, Form};

/// What is wrong with a raw signature that was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Explanation {
    /// For the end of a message.
    pub(super) words: String,
    /// Whether it is by the key, but over something else or in another way.
    pub(super) is_by_key: bool,
    /// What encodes it, if something does, and what to do about that: whichever key it is by.
    pub(super) encoding: Option<String>,
}

impl Explanation {
    fn by_key(words: impl Into<String>) -> Explanation {
        Explanation { words: words.into(), is_by_key: true, encoding: None }
    }

    fn of_form(words: impl Into<String>) -> Explanation {
        Explanation { words: words.into(), is_by_key: false, encoding: None }
    }
}

/// What is wrong with a raw signature that was refused, if it is a well-known mistake.
pub(super) fn explain(key: &PublicKey, meant: &ToBeSigned, raw: &[u8]) -> Option<Explanation> {
    let candidate = Candidate { key, meant };
    if raw.is_empty() {
        return Some(Explanation::of_form("there are no bytes"));
    }
    if let Some(explanation) = candidate.of_bytes(raw) {
        return Some(explanation);
    }
    let found = form::of_signature(raw)?;
    if matches!(found.form, Form::RawEcdsa | Form::RawLength(_)) {
        return None;
    }
    let (name, advice) = (found.name(), found.advice(Expected::RawSignature));
    let Some(decoded) = found.decoded else {
        return Some(Explanation::of_form(format!("it is {name}{advice}")));
    };
    if key.recognize(meant, &decoded).is_some() {
        return Some(Explanation::by_key(format!("it is the right one, but as {name}{advice}")));
    }
    let encoding = format!("it is {name}{advice}");
    let inner = candidate.of_bytes(&decoded);
    let inner = inner.unwrap_or_else(|| Explanation::of_form("that does not verify either"));
    let words = format!("{encoding}, but {}", inner.words);
    Some(Explanation { words, encoding: Some(encoding), ..inner })
}

/// The key that should have signed, and what it should have signed.
struct Candidate<'a> {
    key: &'a PublicKey,
    meant: &'a ToBeSigned,
}

impl Candidate<'_> {
    fn of_bytes(&self, raw: &[u8]) -> Option<Explanation> {
        // One byte after the other: a signature may itself end with what looks like a blank.
        let mut rest = raw;
        while let [front @ .., b' ' | b'\t' | b'\r' | b'\n'] = rest {
            if self.key.recognize(self.meant, front).is_some() {
                let words = "there is white space behind it, such as a line end";
                return Some(Explanation::by_key(words));
            }
            rest = front;
            if raw.len() - rest.len() >= MOST_BLANKS {
                break;
            }
        }
        let signed = self.other_content(raw).or_else(|| self.of_rsa(raw));
        signed.map(Explanation::by_key).or_else(|| self.other_length(raw).map(Explanation::of_form))
    }

    /// The key did sign, but other bytes or with another digest.
    fn other_content(&self, raw: &[u8]) -> Option<String> {
        let content = self.meant.content();
        let signs = |bytes: &[u8]| {
            SignatureDigest::ALL
                .iter()
                .copied()
                .find(|digest| self.key.recognize(&ToBeSigned::new(bytes, *digest), raw).is_some())
        };
        if let Some(digest) = signs(content) {
            return Some(format!(
                "it is over this content, but with {digest}: --digest {digest} says so"
            ));
        }
        let mistakes = mistakes(content);
        let (made, digest) = mistakes.iter().find_map(|made| Some((made, signs(&made.0)?)))?;
        let name = match made.1.strip_prefix("it ") {
            Some(how) => format!("this content {how}"),
            None => made.1.to_owned(),
        };
        Some(format!("what was signed is {name}, with {digest}"))
    }

    /// What the public key finds inside an RSA signature.
    fn of_rsa(&self, raw: &[u8]) -> Option<String> {
        let inside = self.key.open_rsa(raw)?;
        let signed = match opened(&inside)? {
            Padded::Pkcs1(signed) => signed,
            Padded::Pss => {
                let words = "it has PSS padding, and the kernel takes PKCS#1 v1.5 alone (openssl: \
                             rsa_padding_mode:pkcs1; Vault: signature_algorithm=pkcs1v15)";
                return Some(words.to_owned());
            }
        };
        let digests = SignatureDigest::ALL.iter().copied();
        if let Some(digest) =
            digests.clone().find(|digest| signed == digest.hash(self.meant.content()))
        {
            return Some(format!(
                "it is over the bare {digest} digest, without the name of the digest (openssl \
                 pkeyutl: -pkeyopt digest:{digest})"
            ));
        }
        let empty = |digest| ToBeSigned::new(&[], digest).digest_info();
        let found = digests.into_iter().find_map(|digest| {
            let size = digest.hash(&[]).len();
            let prefix = empty(digest);
            let prefix = prefix.get(..prefix.len().checked_sub(size)?)?.to_vec();
            Some((digest, signed.strip_prefix(prefix.as_slice()).map(hex::encode)?))
        });
        Some(match found {
            Some((digest, signed)) => {
                format!("this key has signed something else, whose {digest} digest is {signed}")
            }
            None => "this key has signed something else".to_owned(),
        })
    }

    fn other_length(&self, raw: &[u8]) -> Option<String> {
        let key = self.key.key_type();
        match (key.modulus_size(), form::of_signature(raw).map(|found| found.form)) {
            (Some(_), Some(Form::RawEcdsa)) => Some("it is by an ECDSA key".to_owned()),
            (Some(size), None | Some(Form::RawLength(_))) if raw.len() != size => {
                Some(format!("a signature by an {key} key has {size} bytes"))
            }
            (None, Some(Form::RawLength(other))) if !self.has_length(raw) => {
                Some(format!("it has the length of one by an {other} key"))
            }
            (None, None) => Some("it is neither DER of r and s nor the two as they are".to_owned()),
            _ => None,
        }
    }

    fn has_length(&self, raw: &[u8]) -> bool {
        self.key.key_type().scalar_size().is_some_and(|size| raw.len() == 2 * size)
    }
}

/// So many bytes of white space are looked behind.
const MOST_BLANKS: usize = 8;

/// What may have been signed instead of a content.
fn mistakes(content: &[u8]) -> Vec<Mistake> {
    let root_hash = str::from_utf8(content).ok().and_then(|text| text.parse::<RootHash>().ok());
    let mut mistakes = match &root_hash {
        Some(root_hash) => root_hash_mistakes(root_hash),
        None => newline_mistakes(content),
    };
    for digest in SignatureDigest::ALL {
        let hashed = digest.hash(content);
        let text = hex::encode(&hashed);
        let (line, name) = (format!("{text}\n"), "the digest in hex");
        mistakes.push((text.into_bytes(), name));
        mistakes.push((line.into_bytes(), name));
        let name = "the digest, which was hashed once more (openssl pkeyutl signs a digest, \
                    openssl dgst hashes what it gets)";
        mistakes.push((hashed, name));
    }
    mistakes.push((Vec::new(), "nothing at all"));
    mistakes
}
