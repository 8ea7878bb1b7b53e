//! Attacks `s` of `docs/ATTACKS.md`: superblocks that are wrong in every place.

use verity::{
    Algorithm, Error, HashArea, HashAreaError, ParamsError, Superblock, SuperblockError,
    TrustedParams, Verifier,
};
use verity_testdata::pattern::painted;
use verity_testdata::reference::{self, Scheme, digest};

use super::support::{Image, UUID, all_pins, small};

/// A superblock that is right.
fn good() -> [u8; 512] {
    reference::superblock_bytes(&Scheme { salt: vec![7; 32], ..Scheme::default() }, 300, &UUID)
}

/// What becomes of it with other bytes at `offset`.
fn parse_with(offset: usize, bytes: &[u8]) -> Result<Superblock, SuperblockError> {
    let mut superblock = good();
    superblock[offset..offset + bytes.len()].copy_from_slice(bytes);
    Superblock::parse(&superblock)
}

#[test]
fn s01_every_byte_of_the_magic_counts() {
    for index in 0..8 {
        for value in 0..=255 {
            let expected = if value == good()[index] { None } else { Some(SuperblockError::Magic) };
            assert_eq!(parse_with(index, &[value]).err(), expected);
        }
    }
}

#[test]
fn s02_other_versions_are_refused() {
    for version in [0, 2, 0x0100_0000, u32::MAX] {
        let error = parse_with(8, &version.to_le_bytes()).unwrap_err();
        assert_eq!(error, SuperblockError::Version { version });
    }
}

#[test]
fn s03_other_hash_types_are_refused() {
    for number in [2, 0x0100_0000, u32::MAX] {
        let error = parse_with(12, &number.to_le_bytes()).unwrap_err();
        assert_eq!(error, SuperblockError::Params(ParamsError::HashType { number }));
    }
}

#[test]
fn s04_the_algorithm_is_a_known_name_padded_with_nul() {
    let field = |name: &[u8]| {
        let mut field = [0; 32];
        field[..name.len()].copy_from_slice(name);
        field
    };
    for name in [&b"SHA256"[..], b"sha256 ", b"sha-256", b"md5", b"crc32", b"whirlpool", b""] {
        let error = parse_with(32, &field(name)).unwrap_err();
        let SuperblockError::Algorithm(refused) = &error else { panic!("{error:?}") };
        assert_eq!(refused.name.as_bytes(), name);
        assert!(error.to_string().contains("sha256"), "the known ones are listed: {error}");
    }
    for malformed in [field(b"sha256\0x"), field(b"sha\xff56"), [b'a'; 32], {
        let mut field = field(b"sha256");
        field[31] = 1;
        field
    }] {
        assert_eq!(parse_with(32, &malformed), Err(SuperblockError::AlgorithmField));
    }
    for algorithm in Algorithm::ALL {
        let parsed = parse_with(32, &field(algorithm.name().as_bytes())).unwrap();
        assert_eq!(parsed.params().algorithm(), *algorithm);
    }
}

#[test]
fn s05_block_sizes_outside_the_limits_are_refused() {
    for offset in [64, 68] {
        for bytes in [0, 1, 256, 511, 513, 3072, 1 << 20, 1 << 31, u32::MAX] {
            let error = parse_with(offset, &u32::to_le_bytes(bytes)).unwrap_err();
            assert_eq!(error, SuperblockError::Params(ParamsError::BlockSize { bytes }));
        }
    }
}

#[test]
fn s06_a_salt_size_beyond_the_field_is_refused() {
    for salt_size in [257, 258, 512, u16::MAX] {
        let error = parse_with(80, &salt_size.to_le_bytes()).unwrap_err();
        assert_eq!(error, SuperblockError::SaltSize { salt_size });
    }
    assert_eq!(
        parse_with(80, &256_u16.to_le_bytes()).unwrap().params().salt().as_bytes().len(),
        256
    );
}

/// veritysetup accepts every one of them.
#[test]
fn s07_any_bit_in_the_pads_is_refused() {
    for position in (82..88).chain(88 + 32..512) {
        for bit in 0..8 {
            let error = parse_with(position, &[1 << bit]).unwrap_err();
            assert_eq!(error, SuperblockError::NonZeroPad { position });
        }
    }
}

/// veritysetup leaves old bytes there, so they are the caller's to judge; they are never part of
/// the tree.
#[test]
fn s08_bytes_between_superblock_and_tree_are_named_and_do_not_matter_to_the_tree() {
    let mut image = Image::new(&Scheme::default(), 300);
    assert_eq!(image.area.padding_range(), 512..4096);
    image.hash[512..4096].fill(0xff);
    image.verify().unwrap();
    let superblock = Superblock::read(&image.hash, 0).unwrap();
    assert_eq!(superblock.params(), &image.params);
}

#[test]
fn s09_fewer_bytes_than_a_superblock_are_refused() {
    for size in [0, 1, 511] {
        let error = Superblock::parse(&good()[..size]).unwrap_err();
        assert_eq!(error, SuperblockError::Truncated { size });
        assert!(matches!(
            Superblock::read(&good()[..size].to_vec(), 0),
            Err(Error::Superblock(SuperblockError::Truncated { .. }))
        ));
    }
    // A superblock that is cut off with its hash block says all that there is; the tree is missing
    // then.
    let mut image = Image::new(&Scheme::default(), 300);
    for size in [512, 4095] {
        image.hash.truncate(size.max(512));
        let result = Verifier::new(image.trusting_superblock()).verify(&image.data, &image.hash);
        assert!(matches!(result, Err(Error::ShortHashArea { needed: 20_480, .. })), "{result:?}");
    }
}

#[test]
fn s10_superblocks_off_the_grid_or_behind_the_end_are_refused() {
    let hash = good().to_vec();
    for offset in [1, 511, 513, u64::MAX] {
        assert!(matches!(
            Superblock::read(&hash, offset),
            Err(Error::Superblock(SuperblockError::Unaligned { .. }))
        ));
    }
    for offset in [512, 1 << 40, u64::MAX - 511] {
        assert!(matches!(
            Superblock::read(&hash, offset),
            Err(Error::Superblock(SuperblockError::Truncated { size: 0 }))
        ));
    }
    let offset = u64::MAX - 511;
    let superblock = Superblock::parse(&hash).unwrap();
    let error = HashArea::new(superblock.params(), offset, true).unwrap_err();
    assert_eq!(error, HashAreaError::TooLarge { offset });
}

#[test]
fn s10_a_file_has_no_superblock_behind_its_end_either() {
    let path = verity_testdata::files::tempdir();
    let path = path.path().join("hash");
    verity_testdata::files::write(&path, &good());
    let file = std::fs::File::open(&path).unwrap();
    Superblock::read(&file, 0).unwrap();
    for offset in [512, 1 << 40, (1 << 63) - 512, u64::MAX - 511] {
        assert!(Superblock::read(&file, offset).is_err(), "{offset}");
    }
}

/// veritysetup takes 0 for "the whole device" and says that it verified.
#[test]
fn s11_no_data_blocks_are_refused() {
    let error = parse_with(72, &[0; 8]).unwrap_err();
    assert_eq!(error, SuperblockError::Params(ParamsError::NoData));
}

#[test]
fn s14_a_big_endian_superblock_is_refused() {
    let mut swapped = good();
    for field in [8..12, 12..16, 64..68, 68..72, 72..80, 80..82] {
        swapped[field].reverse();
    }
    let error = Superblock::parse(&swapped).unwrap_err();
    assert_eq!(error, SuperblockError::Version { version: 1 << 24 });
    // Field by field, too: but for the version, the rest would be sizes that no tree has.
    for field in [12..16, 64..68, 68..72, 80..82] {
        let mut swapped = good();
        swapped[field].reverse();
        assert!(Superblock::parse(&swapped).is_err());
    }
}

#[test]
fn s15_only_the_superblock_at_the_offset_is_used() {
    let mut image = Image::new(&small(), 40);
    let other = reference::superblock_bytes(&Scheme::default(), 1, &[0; 16]);
    let end = image.hash.len() as u64;
    image.hash.extend_from_slice(&other);
    assert_eq!(Superblock::read(&image.hash, 0).unwrap().params(), &image.params);
    Verifier::new(image.trusting_superblock()).verify(&image.data, &image.hash).unwrap();
    let second = Superblock::read(&image.hash, end).unwrap();
    assert_eq!(second.params().data_blocks(), 1);
    // Nothing is searched for: the first of the two gone, there is none at its place.
    image.hash[0] ^= 1;
    assert!(matches!(
        Superblock::read(&image.hash, 0),
        Err(Error::Superblock(SuperblockError::Magic))
    ));
}

/// veritysetup accepts 91 % of these flips.
#[test]
fn s13_every_single_bit_flip_with_pins_a_digest_and_the_root_hash_alone() {
    for salt_len in [0, 4, 32, 256] {
        let image = Image::new(&Scheme { salt: painted(salt_len), ..small() }, 300);
        let bound = digest("sha256", &[&image.hash[..512]]);
        let pins = all_pins(Superblock::parse(&image.hash).unwrap().params());
        let (mut parsed, mut verified) = (Vec::new(), Vec::new());
        for bit in 0..4096_u32 {
            let mut image = image.clone();
            image.hash[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
            // A manifest binds the superblock by its digest: nothing passes.
            assert_ne!(digest("sha256", &[&image.hash[..512]]), bound);
            let Ok(superblock) = Superblock::parse(&image.hash) else { continue };
            if pins.check(superblock.params()).is_ok() {
                parsed.push(bit);
            }
            let Ok(trusted) =
                TrustedParams::from_unauthenticated_superblock(&superblock, 0, image.root_hash)
            else {
                continue;
            };
            if Verifier::new(trusted).verify(&image.data, &image.hash).is_ok() {
                verified.push(bit);
            }
        }
        let uuid: Vec<u32> = (16 * 8..32 * 8).collect();
        // Pins name everything but the UUID, on which nothing depends.
        assert_eq!(parsed, uuid, "salt of {salt_len} bytes");
        // With the root hash alone also the hash type, where both types make the same tree.
        let hash_type = if salt_len == 0 { vec![12 * 8] } else { vec![] };
        assert_eq!(verified, [hash_type, uuid].concat(), "salt of {salt_len} bytes");
    }
}
