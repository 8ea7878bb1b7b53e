//! Every way in which signing or checking can end, and the class of each.
//!
//! The classes are for programs (an exit code, a field in JSON), the messages for people. Messages
//! hold values, never secrets and never file names: whoever opened the file adds its name.

use std::fmt;
use std::io;

use crate::algorithm::{KeyType, SignatureDigest};
use crate::certificate::Fingerprint;

/// Everything that this crate refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A manifest is malformed or contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A key on a token cannot be used.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Pkcs11(#[from] crate::pkcs11::Pkcs11Error),
    /// A verified manifest forbids what is asked.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A signature does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The content of a signature partition is malformed or contradicts itself.
    #[error(transparent)]
    SignaturePartition(#[from] SignaturePartitionError),
    /// A signature could not be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// What was remembered of accepted images cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Error {
    /// What kind of refusal this is.
    pub fn class(&self) -> Class {
        match self {
            Error::Certificate(CertificateError::Input(input)) => input.class(),
            Error::Key(KeyError::Input(input)) => input.class(),
            Error::Key(KeyError::EncryptionCost) => Class::Limit,
            Error::Certificate(_) | Error::Key(_) | Error::Signing(_) => Class::Key,
            #[cfg(feature = "pkcs11")]
            Error::Pkcs11(_) => Class::Key,
            Error::Manifest(error) => error.class(),
            Error::Policy(_) => Class::Policy,
            Error::State(StateError::Version { .. }) => Class::Unsupported,
            Error::State(_) => Class::Format,
            Error::Signature(error) => error.class(),
            Error::SignaturePartition(error) => error.class(),
        }
    }
}

/// The kinds of refusal, by what the operator would do next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// The bytes are not what they claim to be.
    Format,
    /// Reading the input failed.
    Io,
    /// A key or certificate is unfit, or the two do not belong together.
    Key,
    /// Larger than the format allows.
    Limit,
    /// Well-formed and authentic, and forbidden.
    Policy,
    /// The signature does not hold for this content.
    Signature,
    /// Signed by nobody who is trusted here.
    Trust,
    /// Well-formed, and not supported here.
    Unsupported,
}

impl Class {
    /// The name used in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Class::Format => "format",
            Class::Io => "io",
            Class::Key => "key",
            Class::Limit => "limit",
            Class::Policy => "policy",
            Class::Signature => "signature",
            Class::Trust => "trust",
            Class::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key or certificate file that does not hold exactly one object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Neither PEM nor DER.
    #[error("neither PEM nor DER")]
    NotPemOrDer,
    /// More than one PEM block, where taking one of them would be a guess.
    #[error("{actual} PEM blocks ({labels}) where exactly one is expected")]
    NotOneBlock {
        /// How many there are.
        actual: usize,
        /// What they are called, separated by commas.
        labels: String,
    },
    /// Damaged PEM.
    #[error("malformed PEM: {reason}")]
    Pem {
        /// What the decoder met.
        reason: String,
    },
    /// Reading failed.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// Larger than any key or certificate.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// A PEM block of another kind.
    #[error("a PEM block \"{label}\" where {expected} is expected")]
    WrongLabel {
        /// The label found.
        label: String,
        /// What was looked for.
        expected: &'static str,
    },
}

impl InputError {
    fn class(&self) -> Class {
        match self {
            InputError::Read(_) => Class::Io,
            InputError::TooLarge { .. } => Class::Limit,
            _ => Class::Key,
        }
    }
}

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Protected by a passphrase, and none is given.
    #[error("the private key is encrypted: it takes a passphrase")]
    Encrypted,
    /// Decrypting it would take longer, or more memory, than any honest file asks for.
    #[error(
        "decrypting the private key takes more than 10000000 rounds of PBKDF2 or 256 MiB of scrypt"
    )]
    EncryptionCost,
    /// The file does not hold exactly one key.
    #[error(transparent)]
    Input(InputError),
    /// Not a private key structure.
    #[error("malformed private key: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The certificate holds another public key.
    #[error(
        "the private key ({key}) does not belong to the certificate ({certificate}, {subject})"
    )]
    Mismatch {
        /// Kind of the private key.
        key: KeyType,
        /// Kind of the certificate's public key.
        certificate: KeyType,
        /// The certificate's subject.
        subject: String,
    },
    /// A passphrase is given for a key that takes none.
    #[error("the private key is not encrypted, but a passphrase is given")]
    NotEncrypted,
    /// The passphrase does not decrypt it.
    #[error("the passphrase does not decrypt the private key")]
    Passphrase,
    /// The numbers in it do not make a usable key.
    #[error("the private key is rejected: {reason}")]
    Rejected {
        /// What the cryptographic library found.
        reason: String,
    },
    /// A kind of key that this crate does not sign with.
    #[error(
        "unsupported private key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384 are supported"
    )]
    Unsupported {
        /// What it is.
        actual: String,
    },
    /// Encrypted in a way that this crate does not decrypt.
    #[error(
        "the private key is encrypted in an unsupported way ({actual}); PKCS#8 with PBES2 and AES is \
         supported (openssl pkcs8 -topk8 -in KEY -out NEW)"
    )]
    UnsupportedEncryption {
        /// What it is.
        actual: String,
    },
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file does not hold exactly one certificate.
    #[error(transparent)]
    Input(InputError),
    /// Not an X.509 certificate in DER.
    #[error("malformed certificate: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// By its own words it may not issue certificates.
    #[error("the certificate of {subject} is no authority: {reason}")]
    NotAuthority {
        /// The certificate's subject.
        subject: String,
        /// What says so.
        reason: String,
    },
    /// It has no such extension, by which a signature could name it.
    #[error("the certificate has no subject key identifier")]
    NoSubjectKeyIdentifier,
    /// Parsed, but its bytes are not the one encoding that DER allows.
    #[error("the certificate is not canonical DER (byte {offset})")]
    NotCanonical {
        /// First byte that differs from the canonical encoding.
        offset: usize,
    },
    /// Given as part of the signer's chain, and issuer of nobody in it.
    #[error("the certificate of {subject} is the issuer of no other in the chain")]
    NotInChain {
        /// Whose it is.
        subject: String,
    },
    /// A public key that this crate does not verify with.
    #[error(
        "unsupported public key ({actual}); RSA 2048, 3072, 4096 and ECDSA P-256, P-384 are supported"
    )]
    UnsupportedKey {
        /// What it is.
        actual: String,
    },
}

/// What a [`Signer`](crate::Signer) says when it cannot sign: any error.
pub type SignerError = Box<dyn std::error::Error + Send + Sync>;

/// Why a signature could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// What came back is no signature by the certificate's key over what was to be signed.
    #[error(
        "the raw signature ({actual} bytes) is not by the certificate's key ({key}, {subject}) over \
         this content with {digest}"
    )]
    NotByCertificate {
        /// Its size, in bytes.
        actual: usize,
        /// The digest that it was to go by.
        digest: SignatureDigest,
        /// The certificate's key.
        key: KeyType,
        /// The certificate's subject.
        subject: String,
    },
    /// The finished message does not verify, so it is not handed out.
    #[error("the new signature failed its own check: {reason}")]
    SelfCheck {
        /// What the verifier said.
        reason: String,
    },
    /// The signer did not sign.
    #[error(transparent)]
    Signer(SignerError),
}

/// Why a signature is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature algorithm does not fit the trusted key.
    #[error("signature algorithm {algorithm} with {digest} does not fit the signer's {key} key")]
    AlgorithmMismatch {
        /// Object identifier of the signature algorithm.
        algorithm: String,
        /// The digest it is used with.
        digest: SignatureDigest,
        /// The trusted key.
        key: KeyType,
    },
    /// The signer's certificate does not lead to a trusted authority as it must.
    #[error("the signer's certificate chain is refused: {reason}")]
    Chain {
        /// Why.
        reason: String,
    },
    /// The content type is not id-data.
    #[error("content type {actual} is signed where data is expected")]
    ContentType {
        /// Object identifier found.
        actual: String,
    },
    /// Certificate revocation lists travel with it.
    #[error("the signature carries revocation lists")]
    Crls,
    /// The digest named outside differs from the one the signer used.
    #[error("the message names another digest algorithm than its signer")]
    DigestMismatch,
    /// The signed bytes are inside.
    #[error("the signature embeds its content; it must be detached")]
    EmbeddedContent,
    /// No bytes at all.
    #[error("the signature is empty")]
    Empty,
    /// The embedded certificates are not the trusted signer's and those that lead on from it.
    #[error("the signature embeds a certificate that is not the trusted signer's own")]
    ForeignCertificate,
    /// Not DER, or not this structure.
    #[error("malformed signature: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The signature is by the trusted key, or claims to be, and not over this content.
    #[error("the signature does not match the {content}{}", Hint(*signed_instead))]
    Mismatch {
        /// What was checked: "root hash", "manifest" or "content".
        content: &'static str,
        /// What the trusted key did sign, if it is a well-known mistake.
        signed_instead: Option<&'static str>,
    },
    /// Parsed, but its bytes are not the one encoding that DER allows.
    #[error("the signature is not canonical DER (byte {offset})")]
    NotCanonical {
        /// First byte that differs from the canonical encoding.
        offset: usize,
    },
    /// Another CMS type.
    #[error("a CMS message of type {actual} where signed data is expected")]
    NotSignedData {
        /// Object identifier found.
        actual: String,
    },
    /// The caller trusts no certificate.
    #[error("no trusted certificate is given")]
    NothingTrusted,
    /// PEM text.
    #[error("the signature is PEM text; it must be DER (openssl: -outform DER)")]
    Pem,
    /// Signed attributes are present.
    #[error("the signature has signed attributes (openssl: use -noattr)")]
    SignedAttributes,
    /// Signed attributes with S/MIME capabilities, which the kernel refuses.
    #[error(
        "the signature has S/MIME capabilities, which the kernel refuses (openssl: use -noattr)"
    )]
    SmimeCapabilities,
    /// Not exactly one signer.
    #[error("{actual} signers where exactly one is expected")]
    Signers {
        /// How many there are.
        actual: usize,
    },
    /// Larger than the kernel reads.
    #[error("the signature is {actual} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size, in bytes.
        actual: usize,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// More certificates are embedded than any chain needs.
    #[error("the signature embeds {actual} certificates; at most {limit} are accepted")]
    TooManyCertificates {
        /// How many.
        actual: usize,
        /// The most that are accepted.
        limit: usize,
    },
    /// Something follows the message.
    #[error("{count} bytes follow the signature")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// No trusted certificate has this subject key identifier.
    #[error("signed by an untrusted certificate (subject key identifier {identifier})")]
    UnknownKeyIdentifier {
        /// The identifier in hex.
        identifier: String,
    },
    /// No trusted certificate has this issuer and serial number.
    #[error("signed by an untrusted certificate (issuer {issuer}, serial {serial})")]
    UnknownSigner {
        /// Issuer of the signer's certificate, as the signature names it.
        issuer: String,
        /// Its serial number in hex.
        serial: String,
    },
    /// Unsigned attributes are present.
    #[error("the signature has unsigned attributes")]
    UnsignedAttributes,
    /// A digest or signature algorithm that is not accepted.
    #[error("unsupported algorithm {actual} in the signature")]
    UnsupportedAlgorithm {
        /// Object identifier found, and what is wrong with it.
        actual: String,
    },
    /// A structure version that does not go with the rest.
    #[error("{part} has version {actual} where {expected} is expected")]
    Version {
        /// Which structure.
        part: &'static str,
        /// The version found.
        actual: u8,
        /// The version that goes with how the signer is named.
        expected: u8,
    },
}

impl SignatureError {
    fn class(&self) -> Class {
        use SignatureError as E;
        match self {
            E::Empty
            | E::Malformed { .. }
            | E::NotCanonical { .. }
            | E::NotSignedData { .. }
            | E::Pem
            | E::TrailingBytes { .. }
            | E::Version { .. } => Class::Format,
            E::TooLarge { .. } | E::TooManyCertificates { .. } => Class::Limit,
            E::SmimeCapabilities => Class::Policy,
            E::Chain { .. }
            | E::ForeignCertificate
            | E::NothingTrusted
            | E::UnknownKeyIdentifier { .. }
            | E::UnknownSigner { .. } => Class::Trust,
            E::UnsupportedAlgorithm { .. } => Class::Unsupported,
            E::AlgorithmMismatch { .. }
            | E::ContentType { .. }
            | E::Crls
            | E::DigestMismatch
            | E::EmbeddedContent
            | E::Mismatch { .. }
            | E::SignedAttributes
            | E::Signers { .. }
            | E::UnsignedAttributes => Class::Signature,
        }
    }
}

struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(signed) => write!(f, "; the signer signed {signed} instead"),
            None => Ok(()),
        }
    }
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A value is well-formed and wrong.
    #[error("manifest field {field}: {reason}")]
    Field {
        /// Which key, with dots between levels.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Not JSON, or not these keys with values of these types.
    #[error("malformed manifest: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The same values in other bytes than the format prescribes.
    #[error("the manifest is not in its canonical form (byte {offset})")]
    NotCanonical {
        /// First byte that differs from the canonical form.
        offset: usize,
    },
    /// The hash device's superblock region is not the one the manifest binds.
    #[error(
        "the superblock or the padding after it is not the one in the manifest (SHA-256 expected {expected}, actual {actual})"
    )]
    Superblock {
        /// SHA-256 in the manifest, in hex.
        expected: String,
        /// SHA-256 of the bytes given, in hex.
        actual: String,
    },
    /// The superblock region given is not as long as the layout says.
    #[error("the superblock region is {expected} bytes, {actual} are given")]
    SuperblockSize {
        /// Its length by the layout, in bytes.
        expected: u64,
        /// The length given, in bytes.
        actual: u64,
    },
    /// Larger than any manifest.
    #[error("the manifest is {actual} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size, in bytes.
        actual: usize,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// A manifest of a later format.
    #[error("manifest version {actual} is not supported; 1 is expected")]
    Version {
        /// The version found.
        actual: u64,
    },
}

impl ManifestError {
    fn class(&self) -> Class {
        match self {
            ManifestError::Superblock { .. } => Class::Signature,
            ManifestError::TooLarge { .. } => Class::Limit,
            ManifestError::Version { .. } => Class::Unsupported,
            _ => Class::Format,
        }
    }
}

/// What a verified manifest forbids, or what was accepted before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The manifest's time is over.
    #[error("the manifest is valid until {not_after} (unix seconds), it is {now} now")]
    Expired {
        /// Last second at which it counts, in unix seconds.
        not_after: u64,
        /// The caller's time, in unix seconds.
        now: u64,
    },
    /// A version that no other can follow.
    #[error("image {name:?} has version 18446744073709551615, which no newer one could follow")]
    LastVersion {
        /// The image's name.
        name: String,
    },
    /// An older version than one that was accepted.
    #[error("image {name:?} has version {version}, but version {newest} was accepted before")]
    Rollback {
        /// The image's name.
        name: String,
        /// Its version.
        version: u64,
        /// The newest accepted one.
        newest: u64,
    },
    /// The version that was accepted, of another image.
    #[error("image {name:?} version {version} was accepted before with another root hash")]
    SameVersion {
        /// The image's name.
        name: String,
        /// Its version.
        version: u64,
    },
}

/// Why what was remembered of accepted images cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not JSON, or not these keys with values of these types.
    #[error("malformed state: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The same values in other bytes than the format prescribes.
    #[error("the state is not in its canonical form (byte {offset})")]
    NotCanonical {
        /// First byte that differs from the canonical form.
        offset: usize,
    },
    /// A state of a later format.
    #[error("state version {actual} is not supported; 1 is expected")]
    Version {
        /// The version found.
        actual: u64,
    },
}

/// Why the content of a signature partition is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignaturePartitionError {
    /// It names another certificate than the one whose key signed.
    #[error("certificateFingerprint is {actual}, the signer's certificate has {expected}")]
    Fingerprint {
        /// What it states.
        actual: String,
        /// The signer's.
        expected: Fingerprint,
    },
    /// Not the JSON of a signature partition.
    #[error("no signature partition: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// Another spelling than systemd's own.
    #[error("the JSON of the signature partition is not in its one spelling (byte {offset})")]
    NotCanonical {
        /// First byte that differs.
        offset: usize,
    },
    /// Something is behind its end, such as what was in the partition before.
    #[error("byte {offset}, behind the JSON of the signature partition, is not NUL")]
    Padding {
        /// The first such byte.
        offset: usize,
    },
    /// It is about another image.
    #[error("the signature partition is about root hash {actual}, not {expected}")]
    RootHash {
        /// What it states.
        actual: String,
        /// What was looked for.
        expected: String,
    },
    /// Longer than systemd reads.
    #[error("the signature partition is longer than {limit} bytes")]
    TooLarge {
        /// The most, in bytes.
        limit: usize,
    },
}

impl SignaturePartitionError {
    fn class(&self) -> Class {
        match self {
            SignaturePartitionError::Fingerprint { .. }
            | SignaturePartitionError::RootHash { .. } => Class::Signature,
            SignaturePartitionError::TooLarge { .. } => Class::Limit,
            _ => Class::Format,
        }
    }
}
