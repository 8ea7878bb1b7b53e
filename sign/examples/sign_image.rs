//! Makes the hash area of an image with parity, and everything that vouches for it; the files
//! appear together or not at all.
//!
//! ```text
//! sign_image IMAGE NAME KEY CERTIFICATE
//! ```

use std::error::Error;
use std::fs;

use verity::io::WriteAt;
use verity::publish::{Input, Output, OutputSet};
use verity::{ImageBuilder, Params, Plan, Salt, uuid_from_seed};
use verity_sign::{
    Certificate, Image, Manifest, PrivateKey, Sidecar, Sidecars, Signatory, SignatureBuilder,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, name, key, certificate] = arguments.as_slice() else {
        return Err("usage: sign_image IMAGE NAME KEY CERTIFICATE".into());
    };
    let certificate = Certificate::parse(&fs::read(certificate)?)?;
    let key = PrivateKey::parse(&fs::read(key)?)?;
    let signatory = Signatory::new(key, SignatureBuilder::new(certificate))?;

    // Salt and UUID follow from the name: the same image gets the same files again.
    let input = Input::open(image)?;
    let params = Params::builder().salt(Salt::from_seed(name));
    let plan = Plan::for_image(params, input.size(), true)?.with_fec(2)?;
    let plan = plan.with_uuid(uuid_from_seed(name));
    let hash = Output::create(format!("{image}.verity"))?;
    hash.check_distinct(&input)?;
    let built = ImageBuilder::new(&plan).unsynced().build(input.file(), hash.file())?;
    input.check()?;

    let about = Image::new(name, 0, "", input.size())?;
    let sidecars = Sidecars::unsigned(Manifest::of_image(about, &built)?).sign(&signatory)?;
    let mut set = OutputSet::new().output(hash);
    for (part, content) in sidecars.parts() {
        let output = Output::create(format!("{image}.{}", suffix(part)))?;
        output.file().write_all_at(&content, 0)?;
        set = set.output(output);
    }
    set.commit()?;
    println!("{}", built.root_hash());
    Ok(())
}

fn suffix(part: Sidecar) -> &'static str {
    match part {
        Sidecar::RootHash => "roothash",
        Sidecar::RootHashSignature => "roothash.p7s",
        Sidecar::SignaturePartition => "verity-sig",
        Sidecar::Manifest => "manifest.json",
        Sidecar::ManifestSignature => "manifest.json.p7s",
    }
}
