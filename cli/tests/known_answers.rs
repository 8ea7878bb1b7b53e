//! The known answers once more through the command: every vector of `testdata/veritysetup.json` and
//! the root hashes that cryptsetup's own tests publish, as text and as JSON.

use std::path::Path;

use crate::command::{Ended, run, verity, word};
use verity_testdata::oracle::{self, Header};
use verity_testdata::reference::{self, Scheme};
use verity_testdata::vectors::{self, HashVector};
use verity_testdata::{files, files::TempDir};

#[test]
fn every_hash_vector() {
    let dir = files::tempdir();
    for vector in &vectors::veritysetup().hash_vectors {
        files::write(&dir.path().join("data"), &vector.data());
        let place = place_words(vector);
        check_json(&dir, vector, &place);
        check_text(&dir, vector, &place);
    }
}

fn place_words(vector: &HashVector) -> Vec<String> {
    if vector.superblock {
        vec![format!("--uuid={}", vectors::veritysetup().uuid)]
    } else {
        vec!["--no-superblock".to_owned()]
    }
}

fn check_json(dir: &TempDir, vector: &HashVector, place: &[String]) {
    let name = vector.name();
    let ended = format(dir.path(), &vector.scheme(), &[place, &["--json".to_owned()]].concat());
    let facts = ended.json();
    assert_eq!(facts["root_hash"], vector.root_hash.as_str(), "{name}");
    assert_eq!(facts["levels"], vector.levels, "{name}");
    assert_eq!(facts["hash_device_bytes"], vector.hash_file_len, "{name}");
    let hash_blocks = vector.tree_len / u64::from(vector.hash_block_size);
    assert_eq!(facts["hash_blocks"], hash_blocks, "{name}");
    assert_eq!(facts["data_blocks"], vector.data_blocks, "{name}");

    let file = files::read(&dir.path().join("hash"));
    assert_eq!(u64::try_from(file.len()).unwrap(), vector.hash_file_len, "{name}");
    assert_eq!(sha256_hex(&file), vector.hash_file_sha256, "{name}");
    let start = facts["hash_start"].as_u64().unwrap() * u64::from(vector.hash_block_size);
    let tree = &file[usize::try_from(start).unwrap()..];
    assert_eq!(sha256_hex(tree), vector.tree_sha256, "{name}");
}

fn check_text(dir: &TempDir, vector: &HashVector, place: &[String]) {
    let name = vector.name();
    let header = Header::parse(format(dir.path(), &vector.scheme(), place).stdout);
    assert_eq!(header.root_hash(), vector.root_hash, "{name}");
    assert_eq!(header.field("Data blocks"), Some(&*vector.data_blocks.to_string()), "{name}");
    let expected = format!("{} [bytes]", vector.hash_file_len);
    assert_eq!(header.field("Hash device size"), Some(&*expected), "{name}");
    let uuid = if vector.superblock { &*vectors::veritysetup().uuid } else { "" };
    assert_eq!(header.field("UUID"), Some(uuid), "{name}");
    // Scripts take the last word of a line.
    let line = header.text().lines().find(|line| line.starts_with("Root hash:")).unwrap();
    assert_eq!(line.split_whitespace().last(), Some(&*vector.root_hash), "{name}");
}

#[test]
fn every_published_root_hash() {
    let dir = files::tempdir();
    for published in vectors::published() {
        files::sparse(&dir.path().join("data"), published.data_size);
        for json in [false, true] {
            let words = if json { vec!["--json".to_owned()] } else { Vec::new() };
            let ended = format(dir.path(), &published.scheme(), &words);
            let root_hash = if json {
                ended.string("root_hash")
            } else {
                Header::parse(ended.stdout).root_hash().to_owned()
            };
            assert_eq!(root_hash, published.root_hash, "{}, {}", published.name, published.source);
            let hash_file_len = std::fs::metadata(dir.path().join("hash")).unwrap().len();
            assert_eq!(hash_file_len, published.hash_file_len, "{}", published.name);
        }
        let paths = ["data", "hash"].map(|name| word(&dir.path().join(name)));
        run(&mut verity(&["verify", &paths[0], &paths[1], published.root_hash])).expect(0);
    }
}

/// Formats `data` into a new `hash`.
fn format(dir: &Path, scheme: &Scheme, more: &[String]) -> Ended {
    let _ = std::fs::remove_file(dir.join("hash"));
    let mut command = verity(&["format", "data", "hash"]);
    command.args(oracle::arguments(scheme)).args(more).current_dir(dir);
    run(&mut command).expect(0)
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(reference::digest("sha256", &[bytes]))
}
