//! Makes the hash file of an image and prints the root hash.
//!
//! ```text
//! format_file IMAGE HASH SEED
//! ```

use verity::publish::{Input, Output};
use verity::{ImageBuilder, Params, Plan, Salt, uuid_from_seed};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, hash, seed] = arguments.as_slice() else {
        return Err("usage: format_file IMAGE HASH SEED".into());
    };
    let image = Input::open(image)?;
    // Salt and UUID follow from the seed: the same image makes the same hash file again.
    let params = Params::builder().salt(Salt::from_seed(seed));
    let plan = Plan::for_image(params, image.size(), true)?.with_uuid(uuid_from_seed(seed));

    // The hash file appears whole or not at all, whatever happens from here on.
    let output = Output::create(hash)?;
    output.check_distinct(&image)?;
    let built = ImageBuilder::new(&plan).unsynced().build(image.file(), output.file())?;
    image.check()?;
    output.commit()?;

    println!("{}", built.root_hash());
    Ok(())
}
