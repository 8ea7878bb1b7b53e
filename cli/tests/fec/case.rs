//! One random case: a geometry, where tree and parity go, and the command lines that make and check
//! them.

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

use crate::common::layout::Layout;

/// What is formatted, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) scheme: Scheme,
    pub(crate) data_blocks: u64,
    pub(crate) roots: u64,
    pub(crate) layout: Layout,
    pub(crate) superblock: bool,
    /// In bytes, as all that follows.
    pub(crate) hash_offset: u64,
    pub(crate) fec_offset: u64,
    /// How long each file is before, full of old bytes; new if 0.
    pub(crate) lengths: [(&'static str, u64); 3],
    pub(crate) threads: u64,
    pub(crate) platform: &'static str,
}

const BLOCK_SIZES: [u32; 10] = [512, 512, 512, 512, 1024, 1024, 2048, 4096, 4096, 4096];
const LARGE_BLOCK_SIZES: [u32; 3] = [8192, 16384, 65536];

impl Case {
    pub(crate) fn random(prng: &mut Prng, number: u32, platform: &'static str) -> Case {
        // All numbers of roots, and all layouts with each in the end.
        let roots = 2 + u64::from(number) % 23;
        let layout = Layout::ALL[number as usize % Layout::ALL.len()];
        let sizes: &[u32] = if prng.one_in(12) { &LARGE_BLOCK_SIZES } else { &BLOCK_SIZES };
        let block_size = *prng.pick(sizes);
        let scheme = Scheme {
            algorithm: "sha256".to_owned(),
            hash_type: u32::from(!prng.one_in(6)),
            data_block_size: block_size,
            hash_block_size: block_size,
            salt: prng.bytes(16),
        };
        let mut case = Case {
            data_blocks: random_data_blocks(prng, &scheme, 255 - roots),
            scheme,
            roots,
            layout,
            superblock: !prng.one_in(4),
            hash_offset: 0,
            fec_offset: 0,
            lengths: [("data", 0), ("hash", 0), ("fec", 0)],
            threads: prng.range(1..=3),
            platform,
        };
        case.place(prng);
        case
    }

    fn place(&mut self, prng: &mut Prng) {
        let block = self.block();
        let [data, hash, fec] = self.layout.names();
        let gap = |prng: &mut Prng| if prng.one_in(2) { 0 } else { prng.below(9) * block };
        let data_end = self.data_blocks * block;
        let sector = if self.superblock { prng.below(block / 512) * 512 } else { 0 };
        self.hash_offset = gap(prng) + if prng.one_in(2) { 0 } else { sector };
        if hash == data {
            self.hash_offset += data_end;
        }
        self.fec_offset = gap(prng);
        if fec == hash {
            self.fec_offset += self.tree_end();
        } else if fec == data {
            self.fec_offset += data_end;
        }
        let old = |prng: &mut Prng, size: u64| match prng.below(3) {
            0 => 0,
            1 => prng.below(size) + 1,
            _ => size + prng.below(20 * block),
        };
        let hash_end = self.tree_end();
        let mut lengths = [data_end, old(prng, hash_end + 1), old(prng, 50_000)];
        if hash == data || fec == data {
            lengths[0] += prng.below(30 * block);
        }
        // veritysetup cannot read what is not there yet: between tree and parity, or before a tree
        // that has no blocks.
        let needed = if fec == hash { self.fec_offset } else { hash_end };
        if needed > hash_end || self.hash_blocks() == 0 {
            let file = usize::from(hash != data);
            lengths[file] = lengths[file].max(needed);
        }
        for ((_, length), value) in self.lengths.iter_mut().zip(lengths) {
            *length = value;
        }
    }

    pub(crate) fn block(&self) -> u64 {
        u64::from(self.scheme.data_block_size)
    }

    pub(crate) fn hash_blocks(&self) -> u64 {
        hash_blocks(self.data_blocks, &self.scheme)
    }

    pub(crate) fn tree_end(&self) -> u64 {
        let header = if self.superblock { 512 } else { 0 };
        (self.hash_offset + header).next_multiple_of(self.block())
            + self.hash_blocks() * self.block()
    }

    /// How many rows of zeros there are at least, as far as data and tree say.
    pub(crate) fn rounds(&self) -> u64 {
        (self.data_blocks + self.hash_blocks()).div_ceil(255 - self.roots)
    }

    /// The words of `format`, the same for both tools.
    pub(crate) fn format_words(&self) -> Vec<String> {
        let mut words = self.words("format", &[]);
        words.extend(oracle::arguments(&self.scheme));
        words.push(format!("--data-blocks={}", self.data_blocks));
        if self.superblock {
            words.push("--uuid=a60c98d2-ae9b-4865-bfcb-b4e3ace11033".to_owned());
        }
        words.extend(self.fec_words());
        words
    }

    /// The words of `verify` without parity.
    pub(crate) fn verify_words(&self, root_hash: &str) -> Vec<String> {
        let mut words = self.words("verify", &[root_hash]);
        if !self.superblock {
            words.extend(oracle::arguments(&self.scheme));
            words.push(format!("--data-blocks={}", self.data_blocks));
        }
        words
    }

    pub(crate) fn fec_words(&self) -> [String; 3] {
        let [_, _, fec] = self.layout.names();
        [
            format!("--fec-device={fec}"),
            format!("--fec-offset={}", self.fec_offset),
            format!("--fec-roots={}", self.roots),
        ]
    }

    /// Options that veritysetup does not have.
    pub(crate) fn own_words(&self) -> [String; 2] {
        [format!("--threads={}", self.threads), format!("--fec-platform={}", self.platform)]
    }

    fn words(&self, command: &str, more: &[&str]) -> Vec<String> {
        let [data, hash, _] = self.layout.names();
        let words = [command, data, hash].into_iter().chain(more.iter().copied());
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.push(format!("--hash-offset={}", self.hash_offset));
        if !self.superblock {
            words.push("--no-superblock".to_owned());
        }
        words
    }
}

/// Mostly so that data and tree just fill a number of rounds, or not quite.
fn random_data_blocks(prng: &mut Prng, scheme: &Scheme, rows: u64) -> u64 {
    let most = (2 << 20) / u64::from(scheme.data_block_size);
    if prng.one_in(20) {
        return 1;
    }
    if most < rows || prng.one_in(5) {
        return prng.range(1..=most.max(3));
    }
    let blocks = rows * prng.range(1..=(most / rows).min(8));
    let with_tree = |data_blocks: &u64| data_blocks + hash_blocks(*data_blocks, scheme) >= blocks;
    let exact = (1..=blocks).find(with_tree).unwrap_or(blocks);
    (exact + prng.below(4)).saturating_sub(2).max(1)
}

fn hash_blocks(data_blocks: u64, scheme: &Scheme) -> u64 {
    let levels = reference::geometry(data_blocks.into(), scheme).levels;
    levels.iter().map(|level| u64::try_from(level.blocks).unwrap()).sum()
}
