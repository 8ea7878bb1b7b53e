//! Manifest version 1: everything about an image that a verifier must not take from a superblock.
//!
//! A [`Manifest`] is canonical and agrees with itself, but anybody can write one. It counts once
//! [`Manifest::verify`] has accepted it, and only the [`VerifiedManifest`] which that returns hands
//! out [`TrustedParams`](verity::TrustedParams). Bytes are in `wire`; docs/FORMAT.md describes
//! every one of them.

mod verified;
mod wire;

use std::ops::Range;

use ring::digest;
use verity::internals::to_u64;
use verity::{BuiltImage, FecArea, FecError, HashArea, Params, RootHash};

pub use self::verified::VerifiedManifest;
use crate::error::{Error, ManifestError, PolicyError};
use crate::signature::verify_named;
use crate::trust::Trust;

/// Manifests are at most this long, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = to_u64(MAX);

/// Which image a manifest is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image {
    name: String,
    version: u64,
    label: String,
    size_bytes: u64,
}

impl Image {
    /// `name` says which image it is (1 to 128 bytes), `version` orders its releases, `label` is
    /// for people (0 to 256 bytes), `size_bytes` is the size of the image file.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when a text has the wrong length or a control character.
    pub fn new(
        name: impl Into<String>,
        version: u64,
        label: impl Into<String>,
        size_bytes: u64,
    ) -> Result<Image, Error> {
        let (name, label) = (name.into(), label.into());
        check_text("image.name", &name, 1, 128)?;
        check_text("image.label", &label, 0, 256)?;
        Ok(Image { name, version, label, size_bytes })
    }

    /// Which image it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, which orders the releases of one name.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A text for people. It may be empty.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Size of the image file, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Where an image's parity for forward error correction lies: on the hash device, unless the user
/// of the manifest knows that it was put elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fec {
    fec_roots: u32,
    offset_bytes: u64,
    fec_blocks: u64,
}

impl Fec {
    /// Parity with `fec_roots` bytes per codeword (2 to 24) that starts at `offset_bytes` of its
    /// device and covers `fec_blocks` blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when there are too few or too many roots.
    pub fn new(fec_roots: u32, offset_bytes: u64, fec_blocks: u64) -> Result<Fec, Error> {
        if !FecArea::ROOTS.contains(&fec_roots) {
            return Err(field("fec.fec_roots", format!("{fec_roots} is not in 2 to 24")).into());
        }
        Ok(Fec { fec_roots, offset_bytes, fec_blocks })
    }

    /// Parity bytes per codeword.
    pub fn fec_roots(&self) -> u32 {
        self.fec_roots
    }

    /// Where the parity starts on its device, in bytes.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    /// How many blocks are covered.
    pub fn fec_blocks(&self) -> u64 {
        self.fec_blocks
    }

    fn area(&self, params: &Params, hash_area: &HashArea) -> Result<FecArea, FecError> {
        FecArea::new(params, hash_area, self.fec_roots, self.fec_blocks, self.offset_bytes)
    }

    fn check(&self, params: &Params, hash_area: &HashArea) -> Result<(), ManifestError> {
        self.area(params, hash_area).map(drop).map_err(|error| {
            let name = match error {
                FecError::Roots { .. } => "fec.fec_roots",
                FecError::Blocks { .. } => "fec.fec_blocks",
                FecError::Unaligned { .. } | FecError::TooLarge { .. } => "fec.offset_bytes",
                _ => "fec",
            };
            field(name, error.to_string())
        })
    }
}

impl From<&FecArea> for Fec {
    fn from(area: &FecArea) -> Fec {
        Fec { fec_roots: area.roots(), offset_bytes: area.range().start, fec_blocks: area.blocks() }
    }
}

/// A manifest that follows the format and agrees with itself. **Nothing here is authenticated**:
/// the values may be shown, and trusted only once [`Manifest::verify`] has accepted them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    image: Image,
    params: Params,
    root_hash: RootHash,
    hash_area: HashArea,
    superblock_sha256: Option<[u8; 32]>,
    fec: Option<Fec>,
    not_after: Option<u64>,
}

impl Manifest {
    /// A manifest for an image that was just built.
    ///
    /// `superblock_region` must be given exactly if the hash area has a superblock. It is the bytes
    /// of the hash device from the superblock to the tree, padding included (`hash_area.offset()`
    /// up to `hash_area.tree_range().start`).
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when the values do not belong together.
    pub fn new(
        image: Image,
        params: Params,
        root_hash: RootHash,
        hash_area: HashArea,
        superblock_region: Option<&[u8]>,
    ) -> Result<Manifest, Error> {
        if let (Some(range), Some(region)) = (region(&hash_area), superblock_region) {
            check_region_size(&range, region)?;
        }
        let superblock_sha256 = superblock_region.map(sha256);
        let manifest = Manifest {
            image,
            params,
            root_hash,
            hash_area,
            superblock_sha256,
            fec: None,
            not_after: None,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// A manifest for an image that [`ImageBuilder`](verity::ImageBuilder) has built, its error
    /// correction included.
    ///
    /// The bytes between superblock and tree are taken for zeros, which the builder writes unless
    /// it was told not to.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when the image is said to be smaller than the data that is covered.
    pub fn of_image(image: Image, built: &BuiltImage) -> Result<Manifest, Error> {
        let plan = built.plan();
        let (params, area) = (plan.params().clone(), plan.hash_area());
        let region = plan.superblock_region();
        let manifest = Manifest::new(image, params, built.root_hash(), area, region.as_deref())?;
        match plan.fec_area() {
            Some(area) => manifest.with_fec(Fec::from(&area)),
            None => Ok(manifest),
        }
    }

    /// Adds error correction.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when it does not fit the parameters.
    pub fn with_fec(self, fec: Fec) -> Result<Manifest, Error> {
        fec.check(&self.params, &self.hash_area)?;
        Ok(Manifest { fec: Some(fec), ..self })
    }

    /// Sets the last second in which the manifest counts (unix seconds).
    #[must_use]
    pub fn with_not_after(self, not_after: u64) -> Manifest {
        Manifest { not_after: Some(not_after), ..self }
    }

    /// Reads a manifest that is **not authenticated**.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] when the bytes are not the one canonical form of a manifest of version 1
    /// that agrees with itself.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
        check_size(bytes)?;
        Ok(wire::parse(bytes)?)
    }

    /// The manifest's one form, which is signed and is the content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_bytes(self)
    }

    /// Checks the detached signature over a manifest's bytes, then reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Signature`] when the signature does not hold or is not by a trusted certificate,
    /// and [`Error::Manifest`] as [`Manifest::parse`].
    pub fn verify<'t>(
        manifest: &[u8],
        signature: &[u8],
        trusted: impl Into<Trust<'t>>,
    ) -> Result<VerifiedManifest, Error> {
        check_size(manifest)?;
        let signer = verify_named(signature, manifest, "manifest", trusted.into())?;
        VerifiedManifest::new(wire::parse(manifest)?, signer)
    }

    /// The image that the manifest is about.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Checks that the manifest is about the image that the caller expects: who signs several
    /// images signs the others too.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] when the image has another name.
    pub fn check_image_name(&self, expected: &str) -> Result<(), Error> {
        let name = self.image.name();
        if name == expected {
            return Ok(());
        }
        Err(PolicyError::OtherName { expected: expected.to_owned(), name: name.to_owned() }.into())
    }

    /// The tree's parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The root hash.
    pub fn root_hash(&self) -> RootHash {
        self.root_hash
    }

    /// Where superblock and tree lie.
    pub fn hash_area(&self) -> HashArea {
        self.hash_area
    }

    /// SHA-256 of the superblock region, if there is a superblock.
    pub fn superblock_sha256(&self) -> Option<&[u8; 32]> {
        self.superblock_sha256.as_ref()
    }

    /// The bytes of the hash device that `superblock_sha256` covers, from the superblock to the
    /// tree. They are never more than one hash block, so at most 524288 bytes.
    pub fn superblock_region(&self) -> Option<Range<u64>> {
        region(&self.hash_area)
    }

    /// Error correction, if there is any.
    pub fn fec(&self) -> Option<&Fec> {
        self.fec.as_ref()
    }

    /// Error correction, if there is any, in the type that the library takes.
    pub fn fec_area(&self) -> Option<FecArea> {
        // Checked when the manifest was made or read.
        self.fec.and_then(|fec| fec.area(&self.params, &self.hash_area).ok())
    }

    /// The last second in which the manifest counts, in unix seconds.
    pub fn not_after(&self) -> Option<u64> {
        self.not_after
    }

    /// Checks everything that can contradict something else, for every manifest, made or read.
    fn check(&self) -> Result<(), ManifestError> {
        let digest_size = self.params.algorithm().digest_size();
        if self.root_hash.digest().size() != digest_size {
            let algorithm = self.params.algorithm();
            return Err(field("root_hash", format!("is not {digest_size} bytes ({algorithm})")));
        }
        let (size, data_size) = (self.image.size_bytes, self.params.data_size());
        if size < data_size {
            let reason = format!("{size} is less than the {data_size} bytes that are covered");
            return Err(field("image.size_bytes", reason));
        }
        let superblock = self.hash_area.has_superblock();
        if superblock != self.superblock_sha256.is_some() {
            let reason = "must be given exactly if there is a superblock".to_owned();
            return Err(field("hash_area.superblock_sha256", reason));
        }
        match HashArea::new(&self.params, self.hash_area.offset(), superblock) {
            Ok(area) if area == self.hash_area => {}
            Ok(_) => return Err(field("hash_area", "does not go with the parameters".to_owned())),
            Err(error) => return Err(field("hash_area", error.to_string())),
        }
        self.fec.map_or(Ok(()), |fec| fec.check(&self.params, &self.hash_area))
    }
}

fn check_size(bytes: &[u8]) -> Result<(), ManifestError> {
    match bytes.len() > MAX {
        true => Err(ManifestError::TooLarge { actual: bytes.len(), limit: MAX }),
        false => Ok(()),
    }
}

fn check_text(name: &'static str, text: &str, min: usize, max: usize) -> Result<(), ManifestError> {
    if !(min..=max).contains(&text.len()) {
        return Err(field(name, format!("{} bytes, not {min} to {max}", text.len())));
    }
    match text.chars().any(char::is_control) {
        true => Err(field(name, "holds a control character".to_owned())),
        false => Ok(()),
    }
}

fn region(hash_area: &HashArea) -> Option<Range<u64>> {
    hash_area.has_superblock().then(|| hash_area.superblock_region())
}

fn check_region_size(range: &Range<u64>, region: &[u8]) -> Result<(), ManifestError> {
    let expected = range.end - range.start;
    let actual = to_u64(region.len());
    match actual == expected {
        true => Ok(()),
        false => Err(ManifestError::SuperblockSize { expected, actual }),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn field(field: &'static str, reason: String) -> ManifestError {
    ManifestError::Field { field, reason }
}

const MAX: usize = 16_384;
