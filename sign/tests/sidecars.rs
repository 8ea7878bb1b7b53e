//! What lies beside an image: made of what was built, signed at once or in two halves, and handed
//! out in the order in which it is to appear.

use verity::io::MemoryFile;
use verity::{BuiltImage, ImageBuilder, Params, Plan, Salt, Superblock, uuid_from_seed};
use verity_sign::{
    Error, Image, Manifest, Sidecar, Sidecars, SignatureBuilder, Signer, SigningError,
    verify_root_hash,
};

use crate::common::{certificate, key, signatory};

const DATA: usize = 300 * 4096;

fn built(superblock: bool, fec_roots: Option<u32>) -> (BuiltImage, MemoryFile) {
    let params = Params::builder().salt(Salt::from_seed("sidecars"));
    let plan = Plan::for_image(params, DATA as u64, superblock).unwrap();
    let plan = match fec_roots {
        Some(roots) => plan.with_fec(roots).unwrap(),
        None => plan,
    };
    let plan = plan.with_uuid(uuid_from_seed("sidecars"));
    let hash = MemoryFile::new();
    (ImageBuilder::new(&plan).build(&vec![0x5a; DATA], &hash).unwrap(), hash)
}

fn image() -> Image {
    Image::new("os", 7, "label", DATA as u64).unwrap()
}

fn unsigned() -> Sidecars {
    Sidecars::unsigned(Manifest::of_image(image(), &built(true, Some(2)).0).unwrap())
}

#[test]
fn a_manifest_binds_what_was_built() {
    for (superblock, roots) in [(true, None), (true, Some(2)), (false, None), (false, Some(24))] {
        let (built, hash) = built(superblock, roots);
        let manifest = Manifest::of_image(image(), &built).unwrap();
        assert_eq!(manifest.root_hash(), built.root_hash());
        assert_eq!(manifest.params(), built.plan().params());
        assert_eq!(manifest.hash_area(), built.plan().hash_area());
        assert_eq!(manifest.fec_area(), built.plan().fec_area());
        // The bytes that it binds are those on the device.
        let range = manifest.superblock_region();
        assert_eq!(range.is_some(), superblock);
        let Some(range) = range else { continue };
        let region = &hash.to_bytes()[..usize::try_from(range.end).unwrap()];
        let bound = Sidecars::unsigned(manifest).sign(&signatory("p256")).unwrap();
        let content = |part| bound.content(part).unwrap();
        let (manifest, signature) =
            (content(Sidecar::Manifest), content(Sidecar::ManifestSignature));
        let verified = Manifest::verify(&manifest, &signature, &[certificate("p256")]).unwrap();
        verified.check_superblock(region).unwrap();
        assert!(Superblock::parse(region).is_ok());
    }
    let small = Image::new("os", 7, "", DATA as u64 - 1).unwrap();
    assert!(matches!(Manifest::of_image(small, &built(true, None).0), Err(Error::Manifest(_))));
}

#[test]
fn the_signature_of_the_manifest_comes_last() {
    let order = |sidecars: &Sidecars| -> Vec<_> {
        sidecars.parts().into_iter().map(|(part, _)| part).collect()
    };
    let unsigned = unsigned();
    assert_eq!(order(&unsigned), [Sidecar::RootHash, Sidecar::Manifest]);
    assert_eq!(order(&unsigned.clone().with_signature_partition().unwrap()), order(&unsigned));
    let signed = unsigned.sign(&signatory("p256")).unwrap().with_signature_partition().unwrap();
    assert_eq!(order(&signed), Sidecar::ALL);
    assert_eq!(order(&signed).last(), Some(&Sidecar::ManifestSignature));
    let names: Vec<_> = Sidecar::ALL.iter().map(|part| part.name()).collect();
    assert_eq!(
        names,
        [
            "root-hash",
            "root-hash-signature",
            "signature-partition",
            "manifest",
            "manifest-signature"
        ],
    );
}

#[test]
fn two_halves_make_what_one_step_makes() {
    let builder = SignatureBuilder::new(certificate("p256"));
    let (unsigned, key) = (unsigned(), key("p256"));
    let raw = unsigned.prepare(&builder).map(|it| key.sign(&it).unwrap());
    let halves = unsigned.clone().attach(&builder, [&raw[0], &raw[1]]).unwrap();
    // Signatures by this key are deterministic.
    assert_eq!(halves.parts(), unsigned.clone().sign(&signatory("p256")).unwrap().parts());
    let signature = halves.content(Sidecar::RootHashSignature).unwrap();
    verify_root_hash(&signature, &halves.root_hash(), &[certificate("p256")]).unwrap();
    let swapped = unsigned.attach(&builder, [&raw[1], &raw[0]]);
    let refused = matches!(swapped, Err(Error::Signing(SigningError::NotByCertificate { .. })));
    assert!(refused, "{swapped:?}");
}
