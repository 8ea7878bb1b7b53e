//! The manifest parser.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - canonical: an accepted manifest is written again as exactly the bytes that were read;
//! - these bytes look as `docs/FORMAT.md` says: no space outside strings, the two escapes only, no
//!   control characters, integers without leading zeros (checked here without the parser);
//! - an accepted manifest agrees with itself: root hash and algorithm, image size and data, place
//!   of the hash area, superblock and its digest, limits of error correction.

use verity::internals::{to_len, to_u64};
use verity::{Algorithm, BlockSize, HashArea, HashType, Params, ParamsBuilder, RootHash, Salt};
use verity_sign::{Fec, Image, MAX_MANIFEST_BYTES, Manifest};

use crate::message;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let manifest = match Manifest::parse(data) {
        Ok(manifest) => manifest,
        Err(error) => return message::check(&error),
    };
    let bytes = manifest.to_bytes();
    assert_eq!(
        bytes,
        data,
        "accepted, but not what is written: {:?}",
        String::from_utf8_lossy(data)
    );
    assert_eq!(Manifest::parse(&bytes).ok().as_ref(), Some(&manifest));
    assert!(to_u64(data.len()) <= MAX_MANIFEST_BYTES);
    check_spelling(data);
    check_agreement(&manifest);
}

/// Reads the bytes without JSON: what may stand outside of strings, and how strings are written.
fn check_spelling(data: &[u8]) {
    let text = std::str::from_utf8(data).expect("a manifest is UTF-8");
    assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
    let mut outside = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        outside.push(char);
        if char == '"' {
            skip_string(&mut chars);
        }
    }
    let words = outside.split(['{', '}', ',', ':', '"']).filter(|word| !word.is_empty());
    for word in words.filter(|&word| word != "null") {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        assert!(digits && (word == "0" || !word.starts_with('0')), "{word:?} in {text:?}");
    }
}

fn skip_string(chars: &mut std::str::Chars<'_>) {
    while let Some(char) = chars.next() {
        match char {
            '"' => return,
            '\\' => assert!(matches!(chars.next(), Some('"' | '\\')), "another escape"),
            _ => {}
        }
    }
    panic!("a string without an end");
}

fn check_agreement(manifest: &Manifest) {
    let (params, area) = (manifest.params(), manifest.hash_area());
    assert_eq!(manifest.root_hash().digest().size(), params.algorithm().digest_size());
    let data_size = u128::from(params.data_blocks()) * u128::from(params.data_block_size().bytes());
    assert!(data_size <= u128::from(manifest.image().size_bytes()), "data behind the image's end");

    assert_eq!(HashArea::new(params, area.offset(), area.has_superblock()), Ok(area));
    assert_eq!(area.hash_blocks(), params.geometry().hash_blocks());
    assert_eq!(manifest.superblock_sha256().is_some(), area.has_superblock());
    let region = manifest.superblock_region();
    assert_eq!(region, area.has_superblock().then(|| area.offset()..area.tree_range().start));

    if let Some(fec) = manifest.fec() {
        assert!((2..=24).contains(&fec.fec_roots()), "{fec:?}");
        assert_eq!(params.data_block_size(), params.hash_block_size(), "{fec:?}");
        let protected = u128::from(params.data_blocks()) + u128::from(area.hash_blocks());
        assert!(u128::from(fec.fec_blocks()) >= protected, "{fec:?}");
    }
}

/// Valid manifests: with and without superblock, error correction and expiry; extreme numbers and
/// texts.
///
/// # Panics
/// If what is written down here is refused.
pub fn seeds() -> Vec<Vec<u8>> {
    let image = |size| Image::new("rootfs", 7, "", size).expect("an image");
    let small = Params::builder().data_blocks(300);
    let salted = small.clone().salt(Salt::new(&[0xa5; 32]).expect("a short salt"));
    // Covers just what there is: 300 data blocks and 4 hash blocks.
    let fec = |roots| Fec::new(roots, 305 * 4096, 304).expect("roots within the limits");
    let plain = manifest(image(300 * 4096), &salted, 0, true);
    let bare = manifest(image(300 * 4096), &small, 0, false);
    let mut manifests = vec![
        plain.clone().with_not_after(1_900_000_000),
        plain.clone().with_fec(fec(2)).expect("parity that fits").with_not_after(u64::MAX),
        plain,
        bare.clone().with_fec(fec(2)).expect("parity that fits"),
        bare.with_fec(fec(24)).expect("parity that fits"),
        manifest(image(301 * 4096), &small, 300 * 4096, false),
        manifest(image(4096), &Params::builder().data_blocks(1), 0, false),
        manifest(extreme_image(), &extreme_params(), 1 << 30, true),
    ];
    for &algorithm in Algorithm::ALL {
        manifests.push(manifest(image(1 << 22), &small.clone().algorithm(algorithm), 512, true));
    }
    manifests.iter().map(Manifest::to_bytes).collect()
}

fn manifest(image: Image, params: &ParamsBuilder, offset: u64, superblock: bool) -> Manifest {
    let params = params.clone().build().expect("valid parameters");
    let area = HashArea::new(&params, offset, superblock).expect("a place for it");
    let digits = "5a".repeat(to_len(params.algorithm().digest_size().into()));
    let root_hash: RootHash = digits.parse().expect("hex of a digest's length");
    let region_len = to_len(area.tree_range().start - area.offset());
    let region = superblock.then(|| vec![0; region_len]);
    Manifest::new(image, params, root_hash, area, region.as_deref()).expect("it agrees with itself")
}

fn extreme_image() -> Image {
    let name = r#"a "name" with \ and ünïcode"#;
    Image::new(name, u64::MAX, "l".repeat(256), u64::MAX).expect("an image")
}

fn extreme_params() -> ParamsBuilder {
    Params::builder()
        .algorithm(Algorithm::Sha512)
        .hash_type(HashType::ChromeOs)
        .data_block_size(BlockSize::MAX)
        .hash_block_size(BlockSize::MIN)
        .data_blocks(1 << 40)
        .salt(Salt::new(&[0xff; 256]).expect("a short salt"))
}
