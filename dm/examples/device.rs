//! Opens, shows and closes a device, as root:
//!
//! ```sh
//! cargo run -p dm-verity-device --example device -- open NAME DATA HASH ROOT_HASH
//! cargo run -p dm-verity-device --example device -- status [NAME]
//! cargo run -p dm-verity-device --example device -- close NAME
//! ```
//!
//! The parameters of the tree are taken from the superblock, which nobody vouches for: a program
//! that means it takes them from a signed manifest.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

use verity::{HashArea, Superblock};
use verity_dm::{Close, DeviceMapper, Open, Run, Status};

const USAGE: &str = "usage: device open NAME DATA HASH ROOT_HASH | status [NAME] | close NAME";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("device: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let device_mapper = DeviceMapper::open()?;
    match arguments[..] {
        ["open", name, data, hash, root_hash] => {
            let mut superblock = [0; 512];
            File::open(hash)?.read_exact(&mut superblock)?;
            let superblock = Superblock::parse(&superblock)?;
            let params = superblock.params().clone();
            let area = HashArea::new(&params, 0, true)?;
            let open = Open::new(name.parse()?, params, root_hash.parse()?, &area, data, hash);
            let open = open.uuid(superblock.uuid());
            if let Some(existing) = open.existing(&device_mapper)?.filter(|it| it.is_equal()) {
                show(&existing.status);
                return Ok(());
            }
            show(&open.run(&device_mapper, Run::default())?.status);
        }
        ["status", name] => {
            let status = device_mapper.status(&name.parse()?)?;
            status.as_ref().map_or_else(|| println!("{name} is not active"), show);
        }
        ["status"] => device_mapper.list()?.iter().for_each(show),
        ["close", name] => {
            Close::new(name.parse()?).run(&device_mapper, Run::default())?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn show(status: &Status) {
    println!("{} ({})", status.name, status.number);
    if let Some(verity) = status.verity() {
        let seen = if verity.health.is_uncorrupted() { "no corruption seen" } else { "corrupt" };
        println!("  {seen}, root hash {}", verity.line.root_hash);
        for backing in [Some(&verity.data), Some(&verity.hash), verity.fec.as_ref()] {
            let Some(backing) = backing else { continue };
            let path = backing.path.as_ref().map(|path| path.display().to_string());
            println!("  {}", path.as_deref().unwrap_or(&backing.table_name));
        }
    }
}
