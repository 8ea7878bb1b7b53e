//! What lies beside an image: everything that vouches for it, made in the order that is safe and
//! handed out in the order in which it is to appear.
//!
//! ```text
//!  BuiltImage ──> Manifest ──> sign root hash, sign manifest ──> Sidecars ──> part after part
//! ```
//!
//! A manifest is made of an image that was built, signatures are made of a manifest, and a
//! verifier takes an image only when the manifest's signature is there: that one comes last, so
//! what an interrupted run leaves is refused.

use verity::RootHash;

use crate::certificate::{Certificate, ToBeSigned};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::signatory::Signatory;
use crate::signature::{SignatureBuilder, root_hash_content};
use crate::signature_partition::SignaturePartition;
use crate::signer::Signer;

/// The contents of the files beside an image. What the files are called is the caller's to say.
///
/// ```
/// use verity::io::MemoryFile;
/// use verity::{ImageBuilder, Params, Plan, Salt};
/// use verity_sign::{
///     Certificate, Image, Manifest, PrivateKey, Sidecar, Sidecars, Signatory, SignatureBuilder,
/// };
///
/// // Never use this key for anything but an example: it is public.
/// let key = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
/// let certificate = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
/// let certificate = Certificate::parse(certificate)?;
/// let builder = SignatureBuilder::new(certificate.clone());
/// let signatory = Signatory::new(PrivateKey::parse(key)?, builder)?;
///
/// let data = vec![0x5a; 1 << 20];
/// let params = Params::builder().salt(Salt::from_seed("demo"));
/// let plan = Plan::for_image(params, 1 << 20, true)?.with_fec(2)?;
/// let hash = MemoryFile::new();
/// let built = ImageBuilder::new(&plan).build(&data, &hash)?;
///
/// let manifest = Manifest::of_image(Image::new("os", 7, "", 1 << 20)?, &built)?;
/// let sidecars = Sidecars::unsigned(manifest).sign(&signatory)?;
/// let parts = sidecars.parts();
/// // Written, synced and made to appear in this order.
/// let order: Vec<_> = parts.iter().map(|(part, _)| *part).collect();
/// assert_eq!(order, [
///     Sidecar::RootHash,
///     Sidecar::RootHashSignature,
///     Sidecar::Manifest,
///     Sidecar::ManifestSignature,
/// ]);
///
/// // What a verifier does with them.
/// let verified = Manifest::verify(&parts[2].1, &parts[3].1, &[certificate])?;
/// assert_eq!(verified.manifest().root_hash(), built.root_hash());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sidecars {
    manifest: Manifest,
    signatures: Option<Signatures>,
    partition: Option<SignaturePartition>,
}

#[derive(Clone, Debug)]
struct Signatures {
    root_hash: Vec<u8>,
    manifest: Vec<u8>,
    by: Certificate,
}

impl Sidecars {
    /// Those of an image for which nobody vouches yet.
    pub fn unsigned(manifest: Manifest) -> Sidecars {
        Sidecars { manifest, signatures: None, partition: None }
    }

    /// Signs root hash and manifest, in this order.
    ///
    /// # Errors
    ///
    /// As [`Signatory::sign_root_hash`].
    pub fn sign<S: Signer>(self, signatory: &Signatory<S>) -> Result<Sidecars, Error> {
        let root_hash = signatory.sign_root_hash(&self.root_hash())?;
        let manifest = signatory.sign_manifest(&self.manifest)?;
        Ok(self.signed([root_hash, manifest], signatory.builder()))
    }

    /// What somebody elsewhere has to sign: the root hash, and the manifest. Between this and
    /// [`Sidecars::attach`] any time may pass.
    pub fn prepare(&self, builder: &SignatureBuilder) -> [ToBeSigned; 2] {
        let root_hash = builder.prepare(root_hash_content(&self.root_hash()).as_bytes());
        [root_hash, builder.prepare(&self.manifest.to_bytes())]
    }

    /// Adds the signatures of what [`Sidecars::prepare`] has said, as they come from the key.
    ///
    /// # Errors
    ///
    /// As [`SignatureBuilder::attach`].
    pub fn attach(
        self,
        builder: &SignatureBuilder,
        [root_hash, manifest]: [&[u8]; 2],
    ) -> Result<Sidecars, Error> {
        let to_be_signed = self.prepare(builder);
        let root_hash = builder.attach(&to_be_signed[0], root_hash)?;
        let manifest = builder.attach(&to_be_signed[1], manifest)?;
        Ok(self.signed([root_hash, manifest], builder))
    }

    fn signed(self, [root_hash, manifest]: [Vec<u8>; 2], builder: &SignatureBuilder) -> Sidecars {
        let by = builder.certificate().clone();
        Sidecars { signatures: Some(Signatures { root_hash, manifest, by }), ..self }
    }

    /// Adds what systemd's signature partition holds, which is made of the root hash's signature;
    /// unsigned ones stay as they are.
    ///
    /// # Errors
    ///
    /// As [`SignaturePartition::new`].
    pub fn with_signature_partition(self) -> Result<Sidecars, Error> {
        let of = |it: &Signatures| {
            SignaturePartition::new(&self.manifest.root_hash(), it.root_hash.clone(), &it.by)
        };
        let partition = self.signatures.as_ref().map(of).transpose()?;
        Ok(Sidecars { partition, ..self })
    }

    /// The root hash.
    pub fn root_hash(&self) -> RootHash {
        self.manifest.root_hash()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content of one file; `None` if there is to be none.
    pub fn content(&self, part: Sidecar) -> Option<Vec<u8>> {
        let signatures = self.signatures.as_ref();
        match part {
            Sidecar::RootHash => Some(root_hash_content(&self.root_hash()).into_bytes()),
            Sidecar::RootHashSignature => signatures.map(|it| it.root_hash.clone()),
            Sidecar::SignaturePartition => self.partition.as_ref().map(|it| it.to_bytes()),
            Sidecar::Manifest => Some(self.manifest.to_bytes()),
            Sidecar::ManifestSignature => signatures.map(|it| it.manifest.clone()),
        }
    }

    /// The contents of all files, in the order in which they are to appear.
    pub fn parts(&self) -> Vec<(Sidecar, Vec<u8>)> {
        let part = |part: &Sidecar| self.content(*part).map(|content| (*part, content));
        Sidecar::ALL.iter().filter_map(part).collect()
    }
}

/// A file beside an image. There will be no other without a new version of the crate that says so:
/// whoever writes them has to name each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sidecar {
    /// The root hash as text.
    RootHash,
    /// The signature of the root hash, for the kernel and systemd.
    RootHashSignature,
    /// What systemd's signature partition holds.
    SignaturePartition,
    /// The manifest.
    Manifest,
    /// The signature of the manifest: without it no verifier takes the image.
    ManifestSignature,
}

impl Sidecar {
    /// All of them, in the order in which they are to appear.
    pub const ALL: &[Sidecar] = &[
        Sidecar::RootHash,
        Sidecar::RootHashSignature,
        Sidecar::SignaturePartition,
        Sidecar::Manifest,
        Sidecar::ManifestSignature,
    ];

    /// The name in machine-readable output, which stays.
    pub fn name(self) -> &'static str {
        match self {
            Sidecar::RootHash => "root-hash",
            Sidecar::RootHashSignature => "root-hash-signature",
            Sidecar::SignaturePartition => "signature-partition",
            Sidecar::Manifest => "manifest",
            Sidecar::ManifestSignature => "manifest-signature",
        }
    }
}
