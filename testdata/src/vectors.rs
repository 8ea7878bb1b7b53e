//! Known answers: `veritysetup.json` as types, and the root hashes that cryptsetup publishes.
//!
//! The file's origin is told in `testdata/README.md`; nothing here computes an answer.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, de::Error};

use crate::number::to_len;
use crate::pattern::sha256_stream;
use crate::reference::Scheme;

/// The whole of `veritysetup.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veritysetup {
    /// How the input bytes come about, in words.
    pub input: String,
    /// The UUID in every superblock.
    pub uuid: String,
    /// Which program made the answers.
    pub made_with: String,
    /// Root hashes, hash areas and hash files.
    pub hash_vectors: Vec<HashVector>,
    /// Parity files.
    pub fec_vectors: Vec<FecVector>,
}

/// One hash file that `veritysetup format` wrote.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashVector {
    /// The algorithm's name.
    #[serde(rename = "hash")]
    pub algorithm: String,
    /// 1, or 0 as Chrome OS has it.
    #[serde(rename = "format")]
    pub hash_type: u32,
    /// Bytes.
    pub data_block_size: u32,
    /// Bytes.
    pub hash_block_size: u32,
    /// How many data blocks.
    pub data_blocks: u64,
    /// The salt's bytes.
    #[serde(deserialize_with = "hex_bytes")]
    pub salt: Vec<u8>,
    /// Whether the hash file begins with a superblock.
    pub superblock: bool,
    /// How many levels the tree has.
    pub levels: usize,
    /// Hexadecimal.
    pub root_hash: String,
    /// The tree's length in bytes.
    pub tree_len: u64,
    /// The tree's SHA-256, hexadecimal.
    pub tree_sha256: String,
    /// The hash file's length in bytes.
    pub hash_file_len: u64,
    /// The hash file's SHA-256, hexadecimal.
    pub hash_file_sha256: String,
}

/// One parity file that `veritysetup format --fec-device` wrote (sha256, hash type 1, salt bytes
/// 00 to 1f, files of their own, with superblock).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FecVector {
    /// Data and hash block size in bytes.
    pub block_size: u32,
    /// How many data blocks.
    pub data_blocks: u64,
    /// How many hash blocks.
    pub hash_blocks: u64,
    /// Parity bytes in a codeword.
    pub roots: u32,
    /// How many rounds of codewords.
    pub rounds: u64,
    /// Hexadecimal.
    pub root_hash: String,
    /// The parity file's length in bytes.
    pub fec_len: u64,
    /// The parity file's SHA-256, hexadecimal.
    pub fec_sha256: String,
    /// The parity file's first 16 bytes, hexadecimal.
    pub fec_head16: String,
}

/// One root hash from cryptsetup's own tests; its input is nothing but zero bytes.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// What to call it in a message.
    pub name: &'static str,
    /// Where it is published.
    pub source: &'static str,
    /// The algorithm's name.
    pub algorithm: &'static str,
    /// 1, or 0 as Chrome OS has it.
    pub hash_type: u32,
    /// Data and hash block size in bytes.
    pub block_size: u32,
    /// How many zero bytes the input has.
    pub data_size: u64,
    /// Hexadecimal, empty for none.
    pub salt: &'static str,
    /// Hexadecimal.
    pub root_hash: &'static str,
    /// Length in bytes of a hash file with a superblock.
    pub hash_file_len: u64,
}

/// The known answers of `veritysetup.json`.
///
/// # Panics
/// If the file beside this crate is not what these types say.
#[must_use]
pub fn veritysetup() -> &'static Veritysetup {
    static PARSED: OnceLock<Veritysetup> = OnceLock::new();
    PARSED.get_or_init(|| {
        serde_json::from_str(include_str!("../veritysetup.json"))
            .expect("testdata/veritysetup.json")
    })
}

/// The eight root hashes of cryptsetup's own tests.
#[must_use]
pub fn published() -> &'static [Published] {
    &PUBLISHED
}

impl Veritysetup {
    /// The UUID's sixteen bytes, in the order of its text.
    ///
    /// # Panics
    /// If the file's UUID is not one.
    #[must_use]
    pub fn uuid_bytes(&self) -> [u8; 16] {
        let digits = self.uuid.replace('-', "");
        hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).expect("a UUID")
    }
}

impl HashVector {
    /// What to call it in a message.
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{} type {} {}/{} x {} salt {} superblock {}",
            self.algorithm,
            self.hash_type,
            self.data_block_size,
            self.hash_block_size,
            self.data_blocks,
            self.salt.len(),
            self.superblock
        )
    }

    /// The input.
    ///
    /// # Panics
    /// If it does not fit in memory.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        let bytes = self.data_blocks * u64::from(self.data_block_size);
        sha256_stream(to_len(bytes))
    }

    /// The parameters as the slow twin takes them.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        Scheme {
            algorithm: self.algorithm.clone(),
            hash_type: self.hash_type,
            data_block_size: self.data_block_size,
            hash_block_size: self.hash_block_size,
            salt: self.salt.clone(),
        }
    }
}

impl Published {
    /// The input.
    ///
    /// # Panics
    /// If it does not fit in memory.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        vec![0; to_len(self.data_size)]
    }

    /// The salt's bytes.
    ///
    /// # Panics
    /// If the table's salt is not hexadecimal.
    #[must_use]
    pub fn salt_bytes(&self) -> Vec<u8> {
        hex::decode(self.salt).expect("the salt is hexadecimal")
    }

    /// The parameters as the slow twin takes them.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        Scheme {
            algorithm: self.algorithm.to_owned(),
            hash_type: self.hash_type,
            data_block_size: self.block_size,
            hash_block_size: self.block_size,
            salt: self.salt_bytes(),
        }
    }
}

fn hex_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    hex::decode(text).map_err(D::Error::custom)
}

const COMPAT: &str = "cryptsetup, tests/verity-compat-test, check_root_hash";
const API: &str = "cryptsetup, tests/api-test.c, VerityTest";
const SALT: &str = "e48da609055204e89ae53b655ca2216dd983cf3cb829f34f63a297d106d53e2d";

const PUBLISHED: [Published; 8] = [
    Published {
        name: "compat 1: sha256 512",
        source: COMPAT,
        algorithm: "sha256",
        hash_type: 1,
        block_size: 512,
        data_size: 8_388_608,
        salt: SALT,
        root_hash: "9de18652fe74edfb9b805aaed72ae2aa48f94333f1ba5c452ac33b1c39325174",
        hash_file_len: 560_128,
    },
    Published {
        name: "compat 2: sha256 1024",
        source: COMPAT,
        algorithm: "sha256",
        hash_type: 1,
        block_size: 1024,
        data_size: 8_388_608,
        salt: SALT,
        root_hash: "54d92778750495d1f80832b486ebd007617d746271511bbf0e295e143da2b3df",
        hash_file_len: 272_384,
    },
    Published {
        name: "compat 3: sha256 4096",
        source: COMPAT,
        algorithm: "sha256",
        hash_type: 1,
        block_size: 4096,
        data_size: 8_388_608,
        salt: SALT,
        root_hash: "e522df0f97da4febb882ac40f30b37dc0b444bf6df418929463fa25280f09d5c",
        hash_file_len: 73_728,
    },
    Published {
        name: "compat 4: sha256 4096 type 0",
        source: COMPAT,
        algorithm: "sha256",
        hash_type: 0,
        block_size: 4096,
        data_size: 8_388_608,
        salt: SALT,
        root_hash: "cbbf4ebd004ef65e29b935bb635a39cf754d677f3fa10b0126da725bbdf10f7d",
        hash_file_len: 73_728,
    },
    Published {
        name: "compat 5: sha256 4096 no salt",
        source: COMPAT,
        algorithm: "sha256",
        hash_type: 1,
        block_size: 4096,
        data_size: 8_388_608,
        salt: "",
        root_hash: "ef29c902d87350f1da4bfa536e16cebc162a909bf89abe448b81ec500d4fb9bf",
        hash_file_len: 73_728,
    },
    Published {
        name: "compat 6: sha1 1024",
        source: COMPAT,
        algorithm: "sha1",
        hash_type: 1,
        block_size: 1024,
        data_size: 8_388_608,
        salt: SALT,
        root_hash: "d0e9163ca8844aaa2e88fe5265a8c5d9ee494a99",
        hash_file_len: 272_384,
    },
    Published {
        name: "compat 7: sha1 1024 short salt",
        source: COMPAT,
        algorithm: "sha1",
        hash_type: 1,
        block_size: 1024,
        data_size: 8_388_608,
        salt: "dadada",
        root_hash: "73509e8e868be6b8ac939817a98a3d35121413b2",
        hash_file_len: 272_384,
    },
    Published {
        name: "api 1: sha256 4096",
        source: API,
        algorithm: "sha256",
        hash_type: 1,
        block_size: 4096,
        data_size: 5_120_000,
        salt: "20c28ffc129c12360ba6ceea2b6cf04e89c2b41cfe6b8439eb53c1897f50df7b",
        root_hash: "ab018b003a967fc782effb293b6dccb60b4f40c06bf80d16391acf686d28b5d6",
        hash_file_len: 49_152,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_vectors_are_loaded() {
        assert_eq!(veritysetup().hash_vectors.len(), 23);
        assert_eq!(veritysetup().fec_vectors.len(), 13);
        assert_eq!(hex::encode(veritysetup().uuid_bytes()), "a60c98d2ae9b4865bfcbb4e3ace11033");
    }
}
