//! Prints part of an image, every byte of it proved against a root hash; the superblock is not
//! trusted.
//!
//! ```text
//! read_file IMAGE HASH ROOT_HASH DATA_BLOCKS SALT OFFSET LENGTH
//! ```

use std::io::{self, Read, Seek, SeekFrom, Write};

use verity::io::Cursor;
use verity::publish::Input;
use verity::{HashArea, Params, TrustedParams, VerifiedReader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, hash, root_hash, data_blocks, salt, offset, length] = arguments.as_slice() else {
        return Err("usage: read_file IMAGE HASH ROOT_HASH DATA_BLOCKS SALT OFFSET LENGTH".into());
    };
    let (image, hash) = (Input::open(image)?, Input::open(hash)?);
    // sha256, hash type 1 and blocks of 4096 bytes unless said otherwise.
    let params = Params::builder().data_blocks(data_blocks.parse()?).salt(salt.parse()?).build()?;
    let area = HashArea::new(&params, 0, true)?;
    let trusted = TrustedParams::pinned(params, root_hash.parse()?, area)?;

    // Only the blocks that are asked for are read, and the hash blocks above them.
    let reader = VerifiedReader::new(trusted, image.file(), hash.file())?;
    let mut data = Cursor::new(&reader);
    data.seek(SeekFrom::Start(offset.parse()?))?;
    let mut out = io::stdout().lock();
    let copied = io::copy(&mut data.take(length.parse()?), &mut out);
    out.flush()?;
    // What came before a corrupt block is printed, and proved; the error names the block.
    copied.map_err(|error| error.to_string())?;

    let counters = reader.counters();
    eprintln!(
        "{} data blocks and {} hash blocks read",
        counters.data_blocks_read, counters.hash_blocks_read
    );
    Ok(())
}
