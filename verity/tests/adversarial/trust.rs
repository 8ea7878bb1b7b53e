//! Trees that verify under the right root hash although they are not what was built: only the
//! parameters, from elsewhere than the superblock, can tell. And pins that must refuse.

use verity::{
    Algorithm, BlockSize, Error, HashArea, HashType, Origin, Params, Pins, Salt, Superblock,
    TrustError, TrustedParams, Uuid, Verifier,
};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

use super::support::{Image, UUID, all_pins, params, small, usize_of};

/// The attack: the hash blocks of `level` become the data, the tree above stays, and the superblock
/// says so.
pub(crate) fn confused(image: &Image, level: u8) -> Image {
    let places = image.params.geometry().levels();
    let place = places[usize::from(level)];
    let block_size = usize_of(image.scheme.hash_block_size.into());
    let blocks = |start: u64, count: u64| {
        let start = usize_of(start) * block_size;
        image.tree()[start..start + usize_of(count) * block_size].to_vec()
    };
    let scheme = Scheme { data_block_size: image.scheme.hash_block_size, ..image.scheme.clone() };
    let mut hash = reference::superblock_bytes(&scheme, place.blocks, &UUID).to_vec();
    hash.resize(usize_of(image.area.tree_range().start), 0);
    hash.extend(blocks(0, place.start));
    let params = params(&scheme, place.blocks);
    Image {
        area: HashArea::new(&params, 0, true).expect("a place"),
        data: blocks(place.start, place.blocks),
        root_hash: image.root_hash,
        scheme,
        params,
        hash,
    }
}

#[test]
fn t01_t02_a_superblock_can_pass_hash_blocks_off_as_data_and_the_origin_says_so() {
    // 300 blocks: levels of 19, 2 and 1 hash blocks. The last one is T02: the root's block as the
    // only data.
    let image = Image::new(&Scheme { salt: vec![3; 16], ..small() }, 300);
    for level in 0..image.levels() {
        let attack = confused(&image, level);
        let trusted = attack.trusting_superblock();
        assert_eq!(trusted.origin(), Origin::Superblock);
        assert!(!trusted.origin().is_authenticated());
        assert_eq!(trusted.origin().to_string(), "not authenticated (superblock)");
        let verified = Verifier::new(trusted).verify(&attack.data, &attack.hash).unwrap();
        assert_eq!(verified.data_blocks, image.hash_blocks_of(level));
    }
}

#[test]
fn t01_t02_pins_refuse_the_superblock_of_a_level_confusion() {
    let image = Image::new(&small(), 300);
    for level in 0..image.levels() {
        let attack = confused(&image, level);
        let stated = Superblock::parse(&attack.hash).unwrap();
        let mismatch = all_pins(&image.params).check(stated.params()).unwrap_err();
        assert_eq!((mismatch.name, mismatch.pinned.as_str()), ("data blocks", "300"));
    }
}

#[test]
fn t01_t02_pinned_parameters_refuse_the_bytes_of_a_level_confusion() {
    let image = Image::new(&small(), 300);
    let verifier = Verifier::new(image.pinned());
    for level in 0..image.levels() {
        let mut attack = confused(&image, level);
        let result = verifier.verify(&attack.data, &attack.hash);
        assert!(matches!(result, Err(Error::ShortData { .. })), "{result:?}");
        attack.data.resize(image.data.len(), 0);
        let result = verifier.verify(&attack.data, &attack.hash);
        assert!(matches!(result, Err(Error::ShortHashArea { .. })), "{result:?}");
        attack.hash.resize(image.hash.len(), 0);
        let result = verifier.verify(&attack.data, &attack.hash);
        assert!(matches!(result, Err(Error::Corrupt(_))), "{result:?}");
    }
}

/// The kernel has no check of spare bytes and takes a tail that is cut off; veritysetup and this
/// library see the digests that are left over.
#[test]
fn t03_another_number_of_data_blocks_is_refused_even_if_the_superblock_states_it() {
    let image = Image::new(&small(), 300);
    let mut data = image.data.clone();
    data.resize(700 * 512, 0);
    for data_blocks in 1..=700 {
        let superblock = Superblock::new(params(&image.scheme, data_blocks), Uuid::nil());
        let trusted =
            TrustedParams::from_unauthenticated_superblock(&superblock, 0, image.root_hash)
                .unwrap();
        let mut hash = image.hash.clone();
        hash.resize(usize::try_from(trusted.hash_area().end()).unwrap().max(hash.len()), 0);
        let result = Verifier::new(trusted).verify(&data, &hash);
        assert_eq!(result.is_ok(), data_blocks == 300, "{data_blocks}: {result:?}");
        assert!(matches!(result, Ok(_) | Err(Error::Corrupt(_))), "{data_blocks}: {result:?}");
    }
}

#[test]
fn g15_pins_that_differ_in_one_parameter_refuse_the_image() {
    let image = Image::new(&Scheme { salt: vec![1, 2, 3], ..small() }, 40);
    let superblock = Superblock::parse(&image.hash).unwrap();
    let right = all_pins(&image.params);
    assert_eq!(right.check(superblock.params()), Ok(()));
    for wrong in [
        Pins { algorithm: Some(Algorithm::Sm3), ..right.clone() },
        Pins { hash_type: Some(HashType::ChromeOs), ..right.clone() },
        Pins { data_block_size: Some(BlockSize::new(1024).unwrap()), ..right.clone() },
        Pins { hash_block_size: Some(BlockSize::new(1024).unwrap()), ..right.clone() },
        Pins { data_blocks: Some(39), ..right.clone() },
        Pins { salt: Some(Salt::new(&[1, 2]).unwrap()), ..right.clone() },
    ] {
        assert!(wrong.check(superblock.params()).is_err(), "{wrong:?}");
        // G15: without a superblock the same pins are the parameters, and the bytes refuse them.
        let params = wrong.params().unwrap().unwrap();
        let area = HashArea::new(&params, 0, true).unwrap();
        let trusted = TrustedParams::pinned(params, image.root_hash, area).unwrap();
        let (mut data, mut hash) = (image.data.clone(), image.hash.clone());
        data.resize(data.len() * 2, 0);
        hash.resize(hash.len() * 2, 0);
        let result = Verifier::new(trusted).verify(&data, &hash);
        assert!(matches!(result, Err(Error::Corrupt(_))), "{wrong:?}: {result:?}");
    }
}

#[test]
fn a_hash_area_or_root_hash_of_other_parameters_is_refused() {
    let image = Image::new(&small(), 40);
    let other = HashArea::new(&params(&small(), 400), 0, true).unwrap();
    let error = TrustedParams::pinned(image.params.clone(), image.root_hash, other).unwrap_err();
    assert!(matches!(error, TrustError::HashArea(_)));
    let short = "ab".repeat(20).parse().unwrap();
    let superblock = Superblock::parse(&image.hash).unwrap();
    assert!(matches!(
        TrustedParams::from_unauthenticated_superblock(&superblock, 0, short),
        Err(TrustError::RootHashSize { expected: 32, actual: 20, .. })
    ));
}

/// Parameters that make the very same tree: all else must not verify.
fn same_tree(one: &Params, other: &Params) -> bool {
    let no_tree = one.data_blocks() == 1;
    let packed_alike = no_tree || one.algorithm().digest_size().is_power_of_two();
    let types =
        one.hash_type() == other.hash_type() || (one.salt().as_bytes().is_empty() && packed_alike);
    one.algorithm() == other.algorithm()
        && one.data_block_size() == other.data_block_size()
        && (one.hash_block_size() == other.hash_block_size() || no_tree)
        && one.salt() == other.salt()
        && types
}

#[test]
fn t09_one_root_hash_and_content_has_one_set_of_parameters() {
    let mut prng = Prng::new(9);
    let (mut alike, mut refused) = (0, 0);
    for _ in 0..4000 {
        let one = random_scheme(&mut prng);
        let blocks = prng.range(1..=40);
        let image = Image::new(&one, blocks * 4096 / u64::from(one.data_block_size).min(4096));
        let other = random_scheme(&mut prng);
        let size = image.data.len() as u64;
        if !size.is_multiple_of(u64::from(other.data_block_size)) {
            continue;
        }
        let other = params(&other, size / u64::from(other.data_block_size));
        let tree = image.area.tree_range().start;
        let Ok(area) = HashArea::new(&other, tree, false) else { continue };
        let trusted = TrustedParams::pinned(other.clone(), image.root_hash, area);
        let Ok(trusted) = trusted else { continue };
        let mut hash = image.hash.clone();
        hash.resize(hash.len().max(usize::try_from(trusted.hash_area().end()).unwrap()), 0);
        let result = Verifier::new(trusted).verify(&image.data, &hash);
        let expected = same_tree(&image.params, &other);
        assert_eq!(result.is_ok(), expected, "{:?} as {other:?}: {result:?}", image.params);
        if expected { alike += 1 } else { refused += 1 }
    }
    assert!(alike > 20 && refused > 500, "{alike} alike, {refused} refused");
}

fn random_scheme(prng: &mut Prng) -> Scheme {
    Scheme {
        algorithm: (*prng.pick(&["sha256", "sha1", "sha384"])).to_owned(),
        hash_type: u32::from(prng.one_in(2)),
        data_block_size: *prng.pick(&[512, 1024, 4096]),
        hash_block_size: *prng.pick(&[512, 1024]),
        salt: prng.pick(&[&b""[..], b"", b"salt"]).to_vec(),
    }
}
