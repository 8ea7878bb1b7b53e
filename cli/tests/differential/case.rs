//! One random case: a geometry, a place for the hash area, and the command lines that make it.

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

/// What is formatted, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) scheme: Scheme,
    pub(crate) data_blocks: u64,
    /// Whether `--data-blocks` says so, or the size of the data.
    pub(crate) counted: bool,
    pub(crate) superblock: bool,
    /// In bytes.
    pub(crate) hash_offset: u64,
    /// The data and whatever the data file holds behind it, in bytes.
    pub(crate) data_file_size: u64,
    pub(crate) place: Place,
    pub(crate) uuid: String,
    /// Whether `verity verify` is given the parameters too.
    pub(crate) pinned: bool,
    pub(crate) threads: u64,
    /// Whose kernels `verity` hashes by.
    pub(crate) platform: &'static str,
}

/// Where the hash area goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A new file.
    New,
    /// A file of this many bytes, full of old ones.
    Existing(u64),
    /// The data file itself.
    Same,
}

const BLOCK_SIZES: [u32; 12] =
    [512, 512, 512, 1024, 1024, 2048, 4096, 4096, 4096, 4096, 8192, 16384];
const LARGE_BLOCK_SIZES: [u32; 5] = [32768, 65536, 131_072, 262_144, 524_288];
const SALT_SIZES: [u64; 12] = [0, 1, 4, 20, 31, 32, 32, 33, 63, 64, 255, 256];

impl Case {
    /// A case from a generator; of the algorithms, `sha256` comes most often, and then those that
    /// have kernels too.
    pub(crate) fn random(prng: &mut Prng, algorithms: &[&str], platform: &'static str) -> Case {
        let scheme = random_scheme(prng, algorithms);
        let data_blocks = random_data_blocks(prng, &scheme);
        let superblock = !prng.one_in(4);
        let counted = prng.one_in(3);
        let covered = data_blocks * u64::from(scheme.data_block_size);
        let tail = if counted { prng.below(20_000) } else { 0 };
        let mut case = Case {
            scheme,
            data_blocks,
            counted,
            superblock,
            hash_offset: 0,
            data_file_size: covered + tail,
            place: Place::New,
            uuid: random_uuid(prng),
            pinned: prng.one_in(3),
            threads: prng.range(1..=3),
            platform,
        };
        case.place(prng);
        case
    }

    fn place(&mut self, prng: &mut Prng) {
        let unit = self.offset_unit();
        // At most a megabyte or a block.
        let steps = (*prng.pick(&[1, 1, 8, 64])).min((1 << 20) / unit + 1);
        self.hash_offset = prng.below(steps) * unit;
        match prng.below(4) {
            0 | 1 => {}
            2 => self.place = Place::Existing(prng.below(2 * self.tree_end() + 20_000)),
            _ => {
                self.place = Place::Same;
                self.hash_offset += self.covered().next_multiple_of(unit);
            }
        }
    }

    /// What the hash offset must be a multiple of. With a superblock that is a sector, but
    /// veritysetup cannot write a lone superblock to the middle of a block that is not there yet.
    fn offset_unit(&self) -> u64 {
        let hash_block_size = u64::from(self.scheme.hash_block_size);
        match (self.superblock, self.data_blocks) {
            (true, 1) => hash_block_size.min(4096),
            (true, _) => 512,
            (false, _) => hash_block_size,
        }
    }

    /// Bytes of data under the tree.
    pub(crate) fn covered(&self) -> u64 {
        self.data_blocks * u64::from(self.scheme.data_block_size)
    }

    pub(crate) fn geometry(&self) -> reference::Geometry {
        reference::geometry(self.data_blocks.into(), &self.scheme)
    }

    /// Where the tree begins, in bytes.
    pub(crate) fn tree_start(&self) -> u64 {
        reference::tree_offset(&self.scheme, self.hash_offset, self.superblock)
    }

    /// Where the tree ends, in bytes.
    pub(crate) fn tree_end(&self) -> u64 {
        let hash_blocks = u64::try_from(self.geometry().hash_blocks).expect("a small tree");
        self.tree_start() + hash_blocks * u64::from(self.scheme.hash_block_size)
    }

    /// The two files as both tools are told them, each in its own directory.
    pub(crate) fn files(&self) -> [&'static str; 2] {
        if self.place == Place::Same { ["hash", "hash"] } else { ["../data", "hash"] }
    }

    /// The words of `format`, the same for both tools.
    pub(crate) fn format_words(&self) -> Vec<String> {
        let mut words = vec!["format".to_owned()];
        words.extend(self.files().map(str::to_owned));
        words.extend(self.parameter_words());
        words.extend(self.count_words(self.counted));
        words.extend(self.place_words());
        if self.superblock {
            words.push(format!("--uuid={}", self.uuid));
        }
        words
    }

    /// The words of `verify`, the same for both tools.
    pub(crate) fn verify_words(&self, root_hash: &str) -> Vec<String> {
        let mut words = vec!["verify".to_owned()];
        words.extend(self.files().map(str::to_owned));
        words.push(root_hash.to_owned());
        words.extend(self.place_words());
        if !self.superblock {
            // The file has grown by the hash area.
            words.extend(self.count_words(self.counted || self.place == Place::Same));
            words.extend(self.parameter_words());
        }
        words
    }

    /// Options that veritysetup does not have.
    pub(crate) fn own_words(&self) -> [String; 2] {
        [format!("--threads={}", self.threads), format!("--platform={}", self.platform)]
    }

    /// Parameters that have no effect on veritysetup: it believes the superblock.
    pub(crate) fn pin_words(&self) -> Vec<String> {
        if !self.pinned || !self.superblock {
            return Vec::new();
        }
        let mut words = self.parameter_words();
        words.extend(self.count_words(true));
        words
    }

    pub(crate) fn dump_words(&self) -> Vec<String> {
        vec!["dump".to_owned(), "hash".to_owned(), format!("--hash-offset={}", self.hash_offset)]
    }

    fn parameter_words(&self) -> Vec<String> {
        oracle::arguments(&self.scheme)
    }

    fn count_words(&self, counted: bool) -> Option<String> {
        counted.then(|| format!("--data-blocks={}", self.data_blocks))
    }

    fn place_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.hash_offset > 0 {
            words.push(format!("--hash-offset={}", self.hash_offset));
        }
        if !self.superblock {
            words.push("--no-superblock".to_owned());
        }
        words
    }
}

fn random_scheme(prng: &mut Prng, algorithms: &[&str]) -> Scheme {
    let algorithm = match prng.below(8) {
        0..4 => "sha256",
        4..6 => *prng.pick(&["sha224", "sha384", "sha512", "sha512"]),
        _ => *prng.pick(algorithms),
    };
    let salt_size = if prng.one_in(4) { prng.range(0..=256) } else { *prng.pick(&SALT_SIZES) };
    Scheme {
        algorithm: algorithm.to_owned(),
        hash_type: u32::from(!prng.one_in(4)),
        data_block_size: random_block_size(prng),
        hash_block_size: random_block_size(prng),
        salt: prng.bytes(usize::try_from(salt_size).expect("a short salt")),
    }
}

fn random_block_size(prng: &mut Prng) -> u32 {
    *if prng.one_in(10) { prng.pick(&LARGE_BLOCK_SIZES) } else { prng.pick(&BLOCK_SIZES) }
}

/// Mostly next to where a hash block or a level begins.
fn random_data_blocks(prng: &mut Prng, scheme: &Scheme) -> u64 {
    let most_bytes = *prng.pick(&[256 << 10, 256 << 10, 1 << 20, 1 << 20, 4 << 20_u64]);
    let most = (most_bytes / u64::from(scheme.data_block_size)).max(4);
    if prng.one_in(4) {
        return prng.range(1..=most);
    }
    let boundaries = boundaries(scheme, most);
    *prng.pick(&boundaries)
}

fn boundaries(scheme: &Scheme, most: u64) -> Vec<u64> {
    let per =
        u64::try_from(reference::geometry(1, scheme).hashes_per_block).expect("a small number");
    let powers = std::iter::successors(Some(per), |power| power.checked_mul(per));
    let powers = powers.take_while(|power| *power <= most + 1);
    let around = powers.flat_map(|power| [power - 1, power, power + 1, 2 * power, 2 * power + 1]);
    let mut counts: Vec<u64> =
        around.chain([1, 2]).filter(|count| (1..=most).contains(count)).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// Any UUID at all: neither tool asks for a version.
fn random_uuid(prng: &mut Prng) -> String {
    let hex = hex::encode(prng.bytes(16));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
