//! Superblocks that state anything, over files that are as small as they are or as large as they
//! claim to be.

use std::sync::Arc;

use verity_testdata::pattern::Prng;

use super::case::{Case, Contents, run_all, seed, some_of};
use super::image::{COVERED, Image};
use super::line::{Line, Made, line};

/// Numbers of data blocks: around the edges of levels, of 32 and of 64 bits.
const DATA_BLOCKS: [u64; 22] = [
    0,
    1,
    2,
    128,
    129,
    299,
    301,
    16384,
    16385,
    1 << 21,
    1 << 32,
    1 << 40,
    1 << 44,
    1 << 49,
    (1 << 49) + 1,
    (1 << 50) - 1,
    1 << 51,
    (1 << 52) - 1,
    1 << 52,
    1 << 55,
    1 << 63,
    u64::MAX,
];
const BLOCK_SIZES: [u32; 10] = [0, 1, 512, 513, 1024, 16384, 1 << 19, 1 << 20, 1 << 31, u32::MAX];
const ALGORITHMS: [&str; 9] =
    ["sha1", "sha512", "blake2b-512", "sha3-512", "sm3", "md5", "", "SHA256", "sha256\u{7}"];
const SALT_SIZES: [u16; 6] = [0, 1, 255, 256, 257, u16::MAX];
/// The largest that a file can be, less a little.
const HUGE: u64 = (1 << 63) - (1 << 20);

/// A superblock that is about to be changed.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn with(mut self, offset: usize, field: &[u8]) -> Bytes {
        self.0[offset..offset + field.len()].copy_from_slice(field);
        self
    }

    fn data_blocks(self, blocks: u64) -> Bytes {
        self.with(72, &blocks.to_le_bytes())
    }

    fn block_sizes(self, data: u32, hash: u32) -> Bytes {
        self.with(64, &data.to_le_bytes()).with(68, &hash.to_le_bytes())
    }

    fn algorithm(self, name: &str) -> Bytes {
        let mut field = [0; 32];
        field[..name.len()].copy_from_slice(name.as_bytes());
        self.with(32, &field)
    }

    fn salt_size(self, size: u16) -> Bytes {
        self.with(80, &size.to_le_bytes())
    }

    /// Sets one of the fields to something that it may not like.
    fn spoil(self, random: &mut Prng) -> Bytes {
        match random.below(7) {
            0 => self.data_blocks(*random.pick(&DATA_BLOCKS)),
            1 => self.data_blocks(random.next_u64() >> random.below(64)),
            2 => {
                let sizes = [*random.pick(&BLOCK_SIZES), 512 << random.below(11)];
                self.block_sizes(sizes[random.index(2)], sizes[random.index(2)])
            }
            3 => self.algorithm(ALGORITHMS[random.index(ALGORITHMS.len())]),
            4 => self.salt_size(*random.pick(&SALT_SIZES)),
            5 => self.with(12, &u32::from(random.one_in(2)).to_le_bytes()),
            _ => {
                let byte = random.index(512);
                let bit = self.0[byte] ^ 1 << random.below(8);
                self.with(byte, &[bit])
            }
        }
    }
}

/// Superblocks by hand, and by chance.
fn superblocks(image: &Image, random: &mut Prng) -> Vec<(String, Vec<u8>)> {
    let good = Bytes(image.hash[..512].to_vec());
    let of_blocks = DATA_BLOCKS
        .map(|blocks| (format!("{blocks} data blocks"), good.clone().data_blocks(blocks)));
    let mut all = Vec::new();
    for size in BLOCK_SIZES {
        for (data, hash) in [(size, 4096), (4096, size), (size, size)] {
            let bytes = good.clone().block_sizes(data, hash);
            all.push((format!("blocks of {data} and {hash} bytes"), bytes.clone()));
            let many = bytes.data_blocks((HUGE / u64::from(data.max(1))).min(1 << 49));
            all.push((format!("blocks of {data} and {hash} bytes, as many as can be"), many));
        }
    }
    for name in ALGORITHMS {
        let bytes = good.clone().algorithm(name);
        all.push((format!("algorithm {name:?}"), bytes.clone()));
        all.push((format!("algorithm {name:?}, 2^49 blocks"), bytes.data_blocks(1 << 49)));
    }
    for size in SALT_SIZES {
        all.push((format!("{size} bytes of salt"), good.clone().salt_size(size)));
    }
    for number in 0..60 {
        let spoiled = (0..=random.below(4)).fold(good.clone(), |bytes, _| bytes.spoil(random));
        all.push((format!("random superblock {number}"), spoiled));
    }
    let all = of_blocks.into_iter().chain(some_of(all));
    all.map(|(name, bytes)| (name, bytes.0)).collect()
}

/// The name of no device.
const NAME: &str = "no-such-device";

/// Every command that opens an image by its superblock, wherever its files are.
pub(crate) fn lines(root: &str) -> Vec<Line> {
    let image = format!("data hash {root}");
    let parity = "--fec-device fec";
    vec![
        line(format!("verify {image}")),
        line(format!("verify {image} --all")),
        line(format!("verify {image} --all {parity}")),
        line(format!("read {image}")),
        line(format!("read {image} --output out")).makes("out", Made::Data),
        line(format!("read {image} --preload --length 1 --output out"))
            .makes("out", Made::Start(1)),
        line(format!("read {image} {parity} --length 1M --output out"))
            .makes("out", Made::Start(1 << 20)),
        line(format!("repair {image} {parity} --dry-run")),
        line("dump hash"),
        line(format!("dump hash {parity}")),
        line(format!("table --data-dev /dev/null --hash-dev /dev/zero hash {root}")),
        line("format small tree --like hash").makes("tree", Made::Something),
        line("plan --image data"),
        line("diff data hash"),
        line("diff hash data --bridge 0"),
        line(format!("rehash small hash --root-hash {root} --range 0 --output tree"))
            .makes("tree", Made::Something),
        line(format!("rehash small hash --root-hash {root} --range 4K+1 --output tree"))
            .makes("tree", Made::Something),
        line(format!("rehash small hash --root-hash {root} --old-image data --output tree"))
            .makes("tree", Made::Something),
        // A hash area is no disk.
        line("image show hash").code(3),
        line("slots hash").code(3),
        line(format!("serve {image}")),
        line(format!("serve {image} --preload")),
        line(format!("serve {image} {parity}")),
        line(format!("serve {image} {parity} --fec-blocks {COVERED}")),
    ]
}

/// Those that take only files: to write to them, or for the kernel.
fn local_lines(root: &str) -> Vec<Line> {
    let image = format!("data hash {root} --fec-device fec");
    vec![
        line(format!("repair {image} --in-place"))
            .makes("data", Made::Repaired)
            .makes("hash", Made::Repaired),
        line(format!("repair {image} --output copy --hash-output tree"))
            .makes("copy", Made::CopyOf("data"))
            .makes("tree", Made::CopyOf("hash")),
        line(
            "format small tree --like hash --like-offset 0 --fec-device out --root-hash-file out2",
        )
        .makes("tree", Made::Something)
        .makes("out", Made::Something)
        .makes("out2", Made::Something),
        line(format!(
            "rehash small hash --root-hash {root} --range 0 --output tree --fec-device out \
             --root-hash-file out2"
        ))
        .makes("tree", Made::Something)
        .makes("out", Made::Something)
        .makes("out2", Made::Something),
        line("plan --partition data"),
        // Nor has it room to grow.
        line("image grow hash").code(3),
        line("image grow hash --dry-run").code(3),
        line("format small tree --block-index out --copy-to out2 --image-digest sha256")
            .makes("tree", Made::Something)
            .makes("out", Made::Something)
            .makes("out2", Made::Something),
        line(format!("open data {NAME} hash {root} --dry-run")),
        line(format!("open {} --dry-run", image.replacen(' ', &format!(" {NAME} "), 1))),
    ]
}

/// The superblock stands over the honest tree. The devices are what they are, or so large that
/// whatever is claimed has room.
pub(crate) fn cases(huge: bool) -> Vec<Case> {
    let image = Image::new();
    let mut random = Prng::new(seed());
    let size = |bytes: &[u8]| if huge { HUGE } else { bytes.len().try_into().unwrap() };
    let contents = |bytes: Vec<u8>| Contents { size: size(&bytes), bytes: Arc::new(bytes) };
    let honest = Case {
        name: "honest image".to_owned(),
        is_honest: true,
        files: vec![
            ("data", Contents::from(&image.data)),
            ("hash", image.hash.clone().into()),
            ("fec", image.parity(2).into()),
            ("small", image.data[..16 * 4096].to_vec().into()),
        ],
        lines: [lines(&image.root), local_lines(&image.root)].concat(),
        data: Arc::clone(&image.data),
        repaired: Vec::new(),
    };
    let hostile = |(name, superblock): (String, Vec<u8>)| {
        let mut case = Case { name, is_honest: false, ..honest.clone() };
        let hash = [&superblock[..], &image.hash[512..]].concat();
        case.files[0].1 = contents(image.data.to_vec());
        case.files[1].1 = contents(hash);
        // Parity is what it likes.
        case.files[2].1 = contents(image.data[..64 * 4096].to_vec());
        case
    };
    let packed = PACKED.iter().map(|(name, at, magic)| {
        let mut case = Case { name: (*name).to_owned(), is_honest: false, ..honest.clone() };
        case.files[0].1 = contents(packed(&image, *at, magic));
        case.repaired = vec![("data", Arc::clone(&image.data))];
        case
    });
    let hostile = superblocks(&image, &mut random).into_iter().map(hostile);
    [honest.clone()].into_iter().chain(hostile).chain(packed).collect()
}

/// Data that looks packed, so that what is said of a failure looks into it once more.
const PACKED: [(&str, usize, &[u8]); 3] = [
    ("gzip data", 0, b"\x1f\x8b\x08"),
    ("a tar archive", 257, b"ustar"),
    ("a vdi disk image", 64, b"\x7f\x10\xda\xbe"),
];

/// The data with other bytes at its start.
pub(crate) fn packed(image: &Image, at: usize, magic: &[u8]) -> Vec<u8> {
    let mut data = image.data.to_vec();
    data[at..at + magic.len()].copy_from_slice(magic);
    data
}

#[test]
fn r07_hostile_superblocks_over_small_devices_end_every_command_soon() {
    run_all(&cases(false));
}

#[test]
fn r07_hostile_superblocks_over_devices_as_large_as_they_claim_end_every_command_soon() {
    run_all(&cases(true));
}
