//! How large partitions must be, before there is an image.
//!
//! ```text
//! plan_partitions BYTES
//! ```

use verity::{Params, Plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bytes] = arguments.as_slice() else {
        return Err("usage: plan_partitions BYTES".into());
    };
    let bytes = bytes.parse()?;

    // Two partitions: the image in one, superblock and hash tree in the other.
    let plan = Plan::for_image(Params::builder(), bytes, true)?;
    println!("an image of {bytes} bytes needs a hash partition of {}", plan.hash_area().end());

    // One partition for both: superblock and hash tree lie behind the image.
    let plan = Plan::for_partition(Params::builder(), bytes, true)?;
    let (image, offset) = (plan.params().data_size(), plan.hash_area().offset());
    println!("a partition of {bytes} bytes holds an image of {image}, the hash area at {offset}");
    Ok(())
}
