//! The tree of a huge image of nothing but zeros, without hashing it: all blocks of a level are the
//! same.

use std::fs::File;
use std::os::unix::fs::FileExt;

use verity::{HashArea, Params, RootHash, TrustedParams};
use verity_testdata::reference::{self, Scheme};

/// 4 GiB of zeros, nearly all of it a hole, and the file of its tree; both at the usual parameters.
pub(crate) fn four_gib() -> (TrustedParams, File, File) {
    let scheme = Scheme { salt: vec![0x5a; 32], ..Scheme::default() };
    let data_blocks = 1 << 20;
    let params: Params = crate::common::params(&scheme, data_blocks);
    let area = HashArea::new(&params, 0, false).expect("a place");
    let geometry = reference::geometry(data_blocks.into(), &scheme);
    let hash = tempfile::tempfile().expect("a file");
    let mut digest = reference::hash_block(&scheme, &[0; 4096]);
    for level in &geometry.levels {
        let used = level.hashes.min(geometry.hashes_per_block);
        assert!(level.blocks == 1 || level.hashes.is_multiple_of(used), "all blocks alike");
        let mut block = digest.repeat(usize::try_from(used).expect("a few"));
        block.resize(4096, 0);
        for number in level.start..level.start + level.blocks {
            let offset = u64::try_from(number * 4096).expect("a file's size");
            hash.write_all_at(&block, offset).expect("written");
        }
        digest = reference::hash_block(&scheme, &block);
    }
    let data = tempfile::tempfile().expect("a file");
    data.set_len(params.data_size()).expect("a hole");
    let root_hash = RootHash::new(verity::Digest::new(&digest).expect("a digest"));
    let trusted = TrustedParams::pinned(params, root_hash, area).expect("consistent");
    (trusted, data, hash)
}
