//! `open`: maps an image. Nothing is hashed here, and the kernel verifies what is read.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use verity::internals::to_u64;
use verity::publish::Input;
use verity::table::{OnCorruption, OnError, TableOptions};
use verity::{Params, Uuid};

use super::args::{Options, Request};
use super::codes::{Code, Failure};
use super::console::Console;
use super::devices;
use super::geometry::{self, Given};
use super::live::{Live, Opening};
use super::root_hash;
use crate::quoted::Quoted;
use crate::signals::Signals;

/// Maps an image.
pub(super) fn run(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    let Request { arguments, options, .. } = request;
    root_hash::require(options, arguments.get(3))?;
    let name = name(&arguments[1])?;
    let hash = devices::open(Path::new(&arguments[2]))?;
    let data = devices::open(Path::new(&arguments[0]))?;
    devices::check_size(&data)?;
    let (params, uuid) = parameters(options, &data, &hash)?;
    let area = geometry::hash_area(options, &params)?;
    let fec = geometry::open_fec(options, &hash, !options.no_superblock)?;
    if let (true, Some(fec)) = (options.no_superblock, &fec) {
        geometry::check_fec_behind_data(options, &params, &data, fec)?;
    }
    let root_hash = root_hash::given(options, arguments.get(3), params.algorithm())?;
    let signature = options.root_hash_signature.as_deref().map(read_signature).transpose()?;
    console.step(&format!("Activating VERITY device {name} using hash {}.", params.algorithm()));
    let live = Live::connect(Code::WrongParameters, signals);
    let live = live.map_err(|failure| failure.and(unusable(OsStr::new(name))))?;
    let parity = match &fec {
        None => None,
        Some(fec) => {
            let area = geometry::existing_fec_area(options, &params, &area, &hash, fec);
            let area = area.map_err(|error| geometry::fec_failure(&error))?;
            Some((fec.path().to_owned(), area))
        }
    };
    let opening = Opening {
        params,
        area,
        root_hash,
        uuid,
        data: data.path().to_owned(),
        hash: hash.path().to_owned(),
        parity,
        options: table_options(options),
        signature,
        shared: options.shared,
    };
    live.open(name, opening, console)
}

/// The name of a device, if it can be one.
fn name(word: &OsStr) -> Result<&str, Failure> {
    if word.as_encoded_bytes().contains(&b'/') {
        return Err(Failure::parameters("Name must not contain '/' character."));
    }
    if word.len() >= NAME_MAX {
        return Err(Failure::parameters("Name is too long."));
    }
    word.to_str().ok_or_else(|| Failure::parameters(unusable(word)))
}

fn unusable(name: &OsStr) -> String {
    format!("Cannot use device {}, name is invalid or still in use.", Quoted(Path::new(name)))
}

/// The room that the kernel has for a name, in bytes, a zero at its end included.
const NAME_MAX: usize = 128;

fn parameters(
    options: &Options,
    data: &Input,
    hash: &Input,
) -> Result<(Params, Option<Uuid>), Failure> {
    if options.no_superblock {
        return Ok((Given::all(options, data, hash)?, None));
    }
    let superblock = geometry::read_superblock(options, hash)?;
    Ok((superblock.params().clone(), Some(superblock.uuid())))
}

/// Combined as the original combines them: to restart or to panic goes before to ignore.
fn table_options(options: &Options) -> TableOptions {
    let (on_corruption, on_error) = if options.panic_on_corruption {
        (Some(OnCorruption::Panic), Some(OnError::Panic))
    } else if options.restart_on_corruption {
        (Some(OnCorruption::Restart), Some(OnError::Restart))
    } else if options.ignore_corruption {
        (Some(OnCorruption::Ignore), None)
    } else {
        (None, None)
    };
    TableOptions {
        on_corruption,
        on_error: on_error.filter(|_| options.error_as_corruption),
        ignore_zero_blocks: options.ignore_zero_blocks,
        check_at_most_once: options.check_at_most_once,
        try_verify_in_tasklet: options.use_tasklets,
        ..TableOptions::default()
    }
}

/// A signature: the kernel takes no key that is empty.
fn read_signature(path: &Path) -> Result<Vec<u8>, Failure> {
    let invalid = || Failure::parameters(format!("Invalid signature file {}.", Quoted(path)));
    let file = Input::open(path).map_err(|_| invalid())?;
    let mut bytes = Vec::new();
    let read = file.file().take(MAX_SIGNATURE + 1).read_to_end(&mut bytes);
    match read {
        Ok(1..) if !file.is_block_device() && to_u64(bytes.len()) <= MAX_SIGNATURE => Ok(bytes),
        Ok(1..) if !file.is_block_device() => {
            Err(Failure::parameters("Failed to load key in kernel keyring."))
        }
        _ => Err(invalid()),
    }
}

/// The longest key that the kernel takes, in bytes.
const MAX_SIGNATURE: u64 = 32_767;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_has_room_for() {
        let words = |text: &str| name(OsStr::new(text)).unwrap_err().lines.join(" / ");
        assert_eq!(words("x/x"), "Name must not contain '/' character.");
        assert_eq!(words(&"n".repeat(128)), "Name is too long.");
        assert_eq!(name(OsStr::new(&"n".repeat(127))).unwrap().len(), 127);
        assert_eq!(name(OsStr::new("a b")), Ok("a b"));
    }

    #[test]
    fn options_about_corruption_are_combined_as_the_original_does() {
        let words = |ignore, restart, panic, error| {
            let options = Options {
                ignore_corruption: ignore,
                restart_on_corruption: restart,
                panic_on_corruption: panic,
                error_as_corruption: error,
                ..Options::default()
            };
            table_options(&options).words().join(" ")
        };
        assert_eq!(words(false, false, false, false), "");
        assert_eq!(words(true, false, false, false), "ignore_corruption");
        assert_eq!(words(false, true, false, false), "restart_on_corruption");
        assert_eq!(words(true, false, true, false), "panic_on_corruption");
        assert_eq!(words(false, true, false, true), "restart_on_corruption restart_on_error");
        assert_eq!(words(true, false, true, true), "panic_on_corruption panic_on_error");
    }

    #[test]
    fn a_signature_is_a_regular_file_with_something_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("empty"), []).unwrap();
        std::fs::write(path("long"), vec![1; 32_768]).unwrap();
        std::fs::write(path("right"), vec![1; 32_767]).unwrap();
        for name in ["empty", ".", "missing"] {
            let said = read_signature(&path(name)).unwrap_err().lines.join(" / ");
            assert!(said.starts_with("Invalid signature file "), "{said}");
        }
        let said = read_signature(&path("long")).unwrap_err().lines.join(" / ");
        assert_eq!(said, "Failed to load key in kernel keyring.");
        assert_eq!(read_signature(&path("right")).unwrap().len(), 32_767);
    }
}
