//! Verifies an image against a root hash and parameters that the caller knows; the superblock is
//! not trusted.
//!
//! ```text
//! verify_file IMAGE HASH ROOT_HASH DATA_BLOCKS SALT
//! ```

use verity::publish::Input;
use verity::{Error, HashArea, Params, TrustedParams, Verifier};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, hash, root_hash, data_blocks, salt] = arguments.as_slice() else {
        return Err("usage: verify_file IMAGE HASH ROOT_HASH DATA_BLOCKS SALT".into());
    };
    let (image, hash) = (Input::open(image)?, Input::open(hash)?);
    // sha256, hash type 1 and blocks of 4096 bytes unless said otherwise.
    let params = Params::builder().data_blocks(data_blocks.parse()?).salt(salt.parse()?).build()?;
    let area = HashArea::new(&params, 0, true)?;
    let trusted = TrustedParams::pinned(params, root_hash.parse()?, area)?;

    match Verifier::new(trusted).verify_all(image.file(), hash.file()) {
        Ok(verified) => println!("{} data blocks are intact", verified.data_blocks),
        Err(Error::Corrupt(report)) => {
            report.corruptions.iter().for_each(|range| println!("{range}"));
            return Err("the image is corrupt".into());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
