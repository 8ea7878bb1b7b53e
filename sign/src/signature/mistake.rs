//! Why a raw signature is not by the key over the content: the usual mistakes, for messages.
//!
//! Services and tools give signatures in many forms, and sign other bytes than they were meant to.
//! All of that is tried here once a signature has been refused. It stays refused.

use verity::RootHash;

use super::content::{Mistake, newline_mistakes, root_hash_mistakes};
use crate::algorithm::SignatureDigest;
use crate::certificate::{PublicKey, ToBeSigned};
use crate::form::{self, Form};

/// What is wrong with a raw signature that was refused, if it is a well-known mistake.
pub(super) fn explain(key: &PublicKey, meant: &ToBeSigned, raw: &[u8]) -> Option<String> {
    let candidate = Candidate { key, meant };
    if raw.is_empty() {
        return Some("there are no bytes".to_owned());
    }
    if let Some(words) = candidate.of_bytes(raw) {
        return Some(words);
    }
    let (form, decoded) = form::of_signature(raw)?;
    let (name, advice) = words(&form)?;
    let decoded = match decoded {
        Some(decoded) => decoded,
        None => return Some(format!("it is {name}{advice}")),
    };
    if key.recognize(meant, &decoded).is_some() {
        return Some(format!("it is {name} of the right one{advice}"));
    }
    let inner = candidate.of_bytes(&decoded);
    let inner = inner.unwrap_or_else(|| "that is not by this key either".to_owned());
    Some(format!("it is {name}{advice}, but {inner}"))
}

/// What a form is called, and what to do about it, with a semicolon in front.
fn words(form: &Form) -> Option<(&'static str, &'static str)> {
    match form {
        Form::Base64 => Some(("base64", "; base64 -d FILE >NEW decodes it")),
        Form::Hex => Some(("hex", "; xxd -r -p FILE NEW decodes it")),
        Form::Vault => Some((
            "the text of a Vault server, base64 behind \"vault:v1:\"",
            "; sed 's/.*://' FILE | base64 -d >NEW decodes it",
        )),
        Form::Json => Some(("JSON", "; the signature is a field of it, mostly in base64")),
        Form::Pem => Some(("PEM text", "; a raw signature is bytes")),
        Form::Pkcs7 => Some((
            "a whole PKCS#7 message, not a raw signature",
            "; verify --root-hash-signature checks one",
        )),
        Form::Smime => Some(("S/MIME text", "; a raw signature is bytes")),
        Form::Text => Some(("text of no known encoding", "; a raw signature is bytes")),
        Form::RawEcdsa | Form::RawLength(_) => None,
    }
}

/// The key that should have signed, and what it should have signed.
struct Candidate<'a> {
    key: &'a PublicKey,
    meant: &'a ToBeSigned,
}

impl Candidate<'_> {
    fn of_bytes(&self, raw: &[u8]) -> Option<String> {
        // One byte after the other: a signature may itself end with what looks like a blank.
        let mut rest = raw;
        while let [front @ .., b' ' | b'\t' | b'\r' | b'\n'] = rest {
            if self.key.recognize(self.meant, front).is_some() {
                return Some("there is white space behind it, such as a line end".to_owned());
            }
            rest = front;
            if raw.len() - rest.len() >= MOST_BLANKS {
                break;
            }
        }
        self.other_content(raw).or_else(|| self.of_rsa(raw)).or_else(|| self.other_length(raw))
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
        let opened = self.key.open_rsa(raw)?;
        if opened.last() == Some(&0xbc) {
            let words = "it has PSS padding, and the kernel takes PKCS#1 v1.5 alone (openssl: \
                         rsa_padding_mode:pkcs1; Vault: signature_algorithm=pkcs1v15)";
            return Some(words.to_owned());
        }
        let padding = opened.strip_prefix(&[0, 1])?;
        let ones = padding.iter().take_while(|&&byte| byte == 0xff).count();
        let info = padding.get(ones..)?.strip_prefix(&[0]).filter(|_| ones >= 8)?;
        let digests = SignatureDigest::ALL.iter().copied();
        if let Some(digest) =
            digests.clone().find(|digest| info == digest.hash(self.meant.content()))
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
            Some((digest, info.strip_prefix(prefix.as_slice()).map(hex::encode)?))
        });
        Some(match found {
            Some((digest, signed)) => {
                format!("this key has signed something else, whose {digest} digest is {signed}")
            }
            None => "this key has signed something else".to_owned(),
        })
    }

    fn other_length(&self, raw: &[u8]) -> Option<String> {
        match (self.key.key_type().modulus_size(), form::of_signature(raw)) {
            (Some(_), Some((Form::RawEcdsa, _))) => Some("it is by an ECDSA key".to_owned()),
            (Some(size), None | Some((Form::RawLength(_), _))) if raw.len() != size => {
                Some(format!("a signature by this key has {size} bytes"))
            }
            (None, Some((Form::RawLength(other), _))) if !self.has_length(raw) => {
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
