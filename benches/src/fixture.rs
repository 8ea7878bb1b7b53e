//! Images to build and verify: random bytes, so that nothing is sparse and no two blocks are equal.

use std::fs::File;
use std::num::NonZeroUsize;

use verity::internals::to_u64;
use verity::{HashArea, Params, RootHash, Salt, Uuid};
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

/// The thread counts that are compared.
pub const THREADS: [NonZeroUsize; 3] =
    [NonZeroUsize::MIN, NonZeroUsize::new(2).unwrap(), NonZeroUsize::new(4).unwrap()];

/// An image in memory with what its tree must be, by the slow twin.
#[derive(Debug)]
pub struct Image {
    /// The bytes.
    pub data: Vec<u8>,
    /// How its tree looks: sha256, type 1, blocks of 4096 bytes, a salt of 32 bytes.
    pub params: Params,
    /// The tree at the start of the hash device, without superblock.
    pub area: HashArea,
    /// The tree.
    pub tree: Vec<u8>,
    /// The root hash.
    pub root_hash: RootHash,
}

impl Image {
    /// An image of that many MiB.
    ///
    /// # Panics
    /// If memory does not suffice.
    pub fn new(mebibytes: usize) -> Image {
        let data = Prng::new(1).bytes(mebibytes << 20);
        let twin = reference::format(&data, &scheme("sha256"));
        let params = params(to_u64(data.len()));
        let area = HashArea::new(&params, 0, false).expect("the start of a device");
        let root_hash = RootHash::new(verity::Digest::new(&twin.root_hash).expect("a digest"));
        Image { data, params, area, tree: twin.tree, root_hash }
    }

    /// The sizes to measure, in MiB; a small one where nothing is measured.
    pub fn sizes() -> &'static [usize] {
        if crate::is_measuring() { &[64, 256] } else { &[4] }
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.params.data_size()
    }

    /// A file with these bytes, in the page cache, gone when it is closed.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn file(bytes: &[u8]) -> File {
        let directory = verity_testdata::files::tempdir();
        let path = directory.path().join("image");
        std::fs::write(&path, bytes).expect("space for the image");
        File::options().read(true).write(true).open(path).expect("the file just written")
    }
}

/// The UUID of every superblock here.
pub const UUID: Uuid = Uuid::from_u128(0x6ba7_b810_9dad_41d1_80b4_00c0_4fd4_30c8);

/// The scheme of all comparisons that name no other: type 1, blocks of 4096 bytes, a salt of 32
/// bytes, which is the length that veritysetup makes.
pub fn scheme(algorithm: &str) -> Scheme {
    let salt = Prng::new(2).bytes(32);
    Scheme { algorithm: algorithm.to_owned(), salt, ..Scheme::default() }
}

/// [`scheme`] with sha256 as parameters of an image of that many bytes.
///
/// # Panics
/// If the bytes are not whole blocks.
pub fn params(data_size: u64) -> Params {
    let salt = Salt::new(&scheme("sha256").salt).expect("a short salt");
    Params::builder().salt(salt).data_size(data_size).build().expect("whole blocks")
}
