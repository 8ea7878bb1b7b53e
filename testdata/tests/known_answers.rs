//! The slow twin against known answers: what holds here may be trusted to judge the library.

use verity_testdata::pattern::{Prng, painted};
use verity_testdata::reference::{self, ALGORITHMS, BadBlock, Scheme};
use verity_testdata::{oracle, vectors};

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(reference::digest("sha256", &[bytes]))
}

#[test]
fn the_twin_gives_every_hash_vector() {
    let uuid = vectors::veritysetup().uuid_bytes();
    for vector in &vectors::veritysetup().hash_vectors {
        let name = vector.name();
        let (data, scheme) = (vector.data(), vector.scheme());
        let reference = reference::format(&data, &scheme);
        assert_eq!(hex::encode(&reference.root_hash), vector.root_hash, "{name}");
        assert_eq!(reference.levels.len(), vector.levels, "{name}");
        assert_eq!(reference.tree.len(), usize::try_from(vector.tree_len).unwrap(), "{name}");
        assert_eq!(sha256_hex(&reference.tree), vector.tree_sha256, "{name}");
        let file = reference::hash_file(&data, &scheme, vector.superblock.then_some(&uuid), 0);
        assert_eq!(file.len(), usize::try_from(vector.hash_file_len).unwrap(), "{name}");
        assert_eq!(sha256_hex(&file), vector.hash_file_sha256, "{name}");
    }
}

#[test]
fn the_twin_gives_every_published_root_hash() {
    for published in vectors::published() {
        let (data, scheme) = (published.data(), published.scheme());
        let reference = reference::format(&data, &scheme);
        assert_eq!(hex::encode(&reference.root_hash), published.root_hash, "{}", published.name);
        let file = reference::hash_file(&data, &scheme, Some(&[0; 16]), 0);
        let expected = usize::try_from(published.hash_file_len).unwrap();
        assert_eq!(file.len(), expected, "{}", published.name);
    }
}

#[test]
fn root_hashes_of_the_fec_vectors_agree() {
    for vector in &vectors::veritysetup().fec_vectors {
        let scheme = Scheme {
            data_block_size: vector.block_size,
            hash_block_size: vector.block_size,
            salt: (0..32).collect(),
            ..Scheme::default()
        };
        let bytes = vector.data_blocks * u64::from(vector.block_size);
        let data = verity_testdata::pattern::sha256_stream(usize::try_from(bytes).unwrap());
        let reference = reference::format(&data, &scheme);
        assert_eq!(hex::encode(&reference.root_hash), vector.root_hash, "{vector:?}");
        let geometry = reference::geometry(vector.data_blocks.into(), &scheme);
        assert_eq!(geometry.hash_blocks, u128::from(vector.hash_blocks), "{vector:?}");
    }
}

#[test]
fn digests_are_those_of_python_hashlib() {
    let mut prng = Prng::new(7);
    let messages: Vec<Vec<u8>> = (0..300).map(|size| prng.bytes(size)).collect();
    for algorithm in ALGORITHMS {
        let Some(expected) = oracle::python_digests(algorithm, &messages) else { continue };
        for (message, expected) in messages.iter().zip(expected) {
            let actual = reference::digest(algorithm, &[message]);
            assert_eq!(actual, expected, "{algorithm} of {} bytes", message.len());
        }
    }
}

#[test]
fn digests_are_the_published_ones_of_abc() {
    // FIPS 180-4, FIPS 202, RFC 7693 and GB/T 32905 print these; blake2b-256's is from the b2sum
    // program.
    for (algorithm, expected) in [
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ("blake2b-256", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
        ("blake2s-256", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        ("sm3", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ] {
        assert_eq!(
            hex::encode(reference::digest(algorithm, &[b"a", b"bc"])),
            expected,
            "{algorithm}"
        );
    }
}

#[test]
fn the_twin_names_the_one_bad_block() {
    let scheme = Scheme { data_block_size: 512, hash_block_size: 512, ..Scheme::default() };
    let data = painted(300 * 512);
    let good = reference::format(&data, &scheme);
    let check = |data: &[u8], tree: &[u8]| reference::verify(data, tree, &scheme, &good.root_hash);
    assert_eq!(check(&data, &good.tree), []);
    for block in [0, 17, 299] {
        let mut bad = data.clone();
        bad[block * 512 + 3] ^= 1;
        assert_eq!(check(&bad, &good.tree), [BadBlock::Data(u64::try_from(block).unwrap())]);
    }
    // In the file: level 2 is hash block 0, level 1 blocks 1 and 2, level 0 the nineteen after.
    for (position, level, block) in [(0, 2, 0), (1, 1, 0), (2, 1, 1), (3, 0, 0), (21, 0, 18)] {
        let mut bad = good.tree.clone();
        bad[position * 512 + 511] ^= 1;
        assert_eq!(check(&data, &bad), [BadBlock::Hash { level, block }]);
    }
}

#[test]
fn spare_bytes_must_be_zero_even_under_a_matching_root_hash() {
    let scheme = Scheme::default();
    let data = painted(3 * 4096);
    let mut tree = reference::format(&data, &scheme).tree;
    tree[4095] = 1;
    let root_hash = reference::hash_block(&scheme, &tree);
    let bad = reference::verify(&data, &tree, &scheme, &root_hash);
    assert_eq!(bad, [BadBlock::Hash { level: 0, block: 0 }]);
}

#[test]
fn a_place_found_is_where_the_digest_lies() {
    for (algorithm, hash_type) in [("sha1", 0), ("sha1", 1), ("sha384", 0), ("sha384", 1)] {
        let scheme = Scheme {
            algorithm: algorithm.to_owned(),
            hash_type,
            data_block_size: 512,
            hash_block_size: 1024,
            ..Scheme::default()
        };
        let data = painted(600 * 512);
        let reference = reference::format(&data, &scheme);
        let geometry = reference::geometry(600, &scheme);
        for position in [0, 1, 31, 32, 599] {
            let (block, offset) = geometry.locate(0, u128::try_from(position).unwrap());
            let start = usize::try_from((geometry.levels[0].start + block) * 1024).unwrap();
            let slot = &reference.tree[start + usize::try_from(offset).unwrap()..];
            let digest = reference::hash_block(&scheme, &data[position * 512..][..512]);
            assert!(slot.starts_with(&digest), "{algorithm} type {hash_type}, block {position}");
        }
    }
}

#[test]
fn geometry_is_known_beyond_any_real_size() {
    let scheme = Scheme::default();
    let blocks = |data_blocks| -> Vec<u128> {
        reference::geometry(data_blocks, &scheme).levels.iter().map(|level| level.blocks).collect()
    };
    assert_eq!(blocks(1), []);
    assert_eq!(blocks(2), [1]);
    assert_eq!(blocks(16_385), [129, 2, 1]);
    assert_eq!(blocks(1 << 35), [1 << 28, 1 << 21, 1 << 14, 1 << 7, 1]);
    assert_eq!(blocks((1 << 35) + 1), [(1 << 28) + 1, (1 << 21) + 1, (1 << 14) + 1, 129, 2, 1]);
}

#[test]
fn the_twin_writes_what_veritysetup_writes_at_an_offset_and_in_the_same_file() {
    let Some(veritysetup) = oracle::VeritySetup::find() else { return };
    let dir = verity_testdata::files::tempdir();
    let uuid = vectors::veritysetup().uuid_bytes();
    let uuid_option = format!("--uuid={}", vectors::veritysetup().uuid);
    let scheme = Scheme { salt: vec![1, 2, 3], ..Scheme::default() };
    let data = painted(200 * 4096);
    for (same_file, superblock, offset) in [
        (false, true, 4608),
        (false, false, 8192),
        (true, true, 200 * 4096),
        (true, true, 200 * 4096 + 512),
        (true, false, 201 * 4096),
    ] {
        let data_path = dir.path().join("data");
        let hash_path = if same_file { data_path.clone() } else { dir.path().join("hash") };
        verity_testdata::files::write(&data_path, &data);
        let mut args = oracle::arguments(&scheme);
        args.extend([format!("--hash-offset={offset}"), "--data-blocks=200".to_owned()]);
        args.push(if superblock { uuid_option.clone() } else { "--no-superblock".to_owned() });
        let header = veritysetup.format(&data_path, &hash_path, &args);
        let mut file = if same_file { data.clone() } else { Vec::new() };
        let uuid = superblock.then_some(&uuid);
        let root = reference::write_hash_area(&mut file, &data, &scheme, uuid, offset);
        assert_eq!(header.root_hash(), hex::encode(root), "offset {offset}");
        let written = verity_testdata::files::read(&hash_path);
        assert!(written == file, "same file {same_file}, superblock {superblock}, offset {offset}");
        let _ = std::fs::remove_file(&hash_path);
    }
}
