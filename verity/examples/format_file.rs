//! Makes the hash file of an image and prints the root hash.
//!
//! ```text
//! format_file IMAGE HASH SEED
//! ```

use verity::io::WriteAt;
use verity::publish::{Input, Output};
use verity::{Builder, HashArea, Params, Salt, Superblock, uuid_from_seed};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, hash, seed] = arguments.as_slice() else {
        return Err("usage: format_file IMAGE HASH SEED".into());
    };
    let image = Input::open(image)?;
    // Salt and UUID follow from the seed: the same image makes the same hash file again.
    let params = Params::builder().data_size(image.size()).salt(Salt::from_seed(seed)).build()?;
    let area = HashArea::new(&params, 0, true)?;

    // The hash file appears whole or not at all, whatever happens from here on.
    let output = Output::create(hash)?;
    output.check_distinct(&image)?;
    output.file().set_len(area.end())?;
    let root_hash = Builder::new(&params).build(image.file(), output.file(), &area)?;
    let superblock = Superblock::new(params, uuid_from_seed(seed));
    output.file().write_all_at(&superblock.to_bytes(), area.offset())?;
    image.check()?;
    output.commit()?;

    println!("{root_hash}");
    Ok(())
}
