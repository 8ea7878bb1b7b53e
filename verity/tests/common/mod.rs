//! What several test programs of this crate share.

use verity::{BlockSize, HashType, Params, ParamsBuilder, Salt};
use verity_testdata::reference::Scheme;

/// The library's parameters for a scheme of the slow twin.
pub(crate) fn params(scheme: &Scheme, data_blocks: u64) -> Params {
    builder(scheme).data_blocks(data_blocks).build().expect("parameters of a tree")
}

/// They, of any number of data blocks.
pub(crate) fn builder(scheme: &Scheme) -> ParamsBuilder {
    Params::builder()
        .algorithm(scheme.algorithm.parse().expect("a known algorithm"))
        .hash_type(HashType::try_from(scheme.hash_type).expect("0 or 1"))
        .data_block_size(BlockSize::new(scheme.data_block_size).expect("a block size"))
        .hash_block_size(BlockSize::new(scheme.hash_block_size).expect("a block size"))
        .salt(Salt::new(&scheme.salt).expect("a short salt"))
}
