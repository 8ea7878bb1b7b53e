//! The root hash that a caller gives: an argument, or the first bytes of a file.
//!
//! A file that cannot be read is a failure: the original says so and goes on to exit with 0, as if
//! everything had been verified.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;

use verity::internals::{to_len, to_u64};
use verity::publish::{Input, PublishError};
use verity::{Algorithm, RootHash};

use super::args::Options;
use super::codes::{Code, Failure};
use crate::quoted::Quoted;

/// Refuses a command line without any root hash, before a device is opened.
pub(super) fn require(options: &Options, argument: Option<&OsString>) -> Result<(), Failure> {
    match options.root_hash_file.is_some() || argument.is_some() {
        true => Ok(()),
        false => Err(missing()),
    }
}

fn missing() -> Failure {
    Failure::parameters("Command requires <root_hash> or --root-hash-file option as argument.")
}

/// The root hash of a tree that this algorithm hashes. A file counts before an argument.
pub(super) fn given(
    options: &Options,
    argument: Option<&OsString>,
    algorithm: Algorithm,
) -> Result<RootHash, Failure> {
    let digits = 2 * to_len(u64::from(algorithm.digest_size()));
    let text = match (&options.root_hash_file, argument) {
        (Some(path), _) => read(path, digits)?,
        (None, Some(argument)) => text_of(argument, digits)?,
        (None, None) => return Err(missing()),
    };
    text.parse().map_err(|_| invalid())
}

fn text_of(argument: &OsStr, digits: usize) -> Result<String, Failure> {
    let text = argument.to_str().filter(|text| text.len() == digits);
    text.map(str::to_owned).ok_or_else(invalid)
}

/// The first digits of a file; what follows them is not looked at.
fn read(path: &Path, digits: usize) -> Result<String, Failure> {
    let shown = Quoted(path);
    let no_hash = || Failure::parameters(format!("Invalid root hash file {shown}."));
    let file = match Input::open(path) {
        Ok(file) if file.is_block_device() => return Err(no_hash()),
        Ok(file) => file,
        Err(PublishError::NotRegular { .. }) => return Err(no_hash()),
        Err(_) => {
            let words = format!("Cannot read root hash file {shown}.");
            return Err(Failure::new(Code::WrongParameters, words));
        }
    };
    let mut bytes = Vec::new();
    let read = file.file().take(to_u64(digits)).read_to_end(&mut bytes);
    match read {
        Ok(length) if length == digits => String::from_utf8(bytes).map_err(|_| invalid()),
        _ => Err(no_hash()),
    }
}

fn invalid() -> Failure {
    Failure::parameters("Invalid root hash string specified.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(options: &Options, argument: Option<&str>) -> String {
        let argument = argument.map(OsString::from);
        given(options, argument.as_ref(), Algorithm::Sha256).unwrap_err().lines.join(" / ")
    }

    #[test]
    fn an_argument_is_hex_of_the_right_length() {
        let options = Options::default();
        let root = "Ab".repeat(32);
        let found = given(&options, Some(&root.clone().into()), Algorithm::Sha256).unwrap();
        assert_eq!(found.to_string(), root.to_lowercase());
        let (short, blank, prefixed) =
            (&root[1..], format!(" {}", &root[1..]), format!("0x{root}"));
        for text in [short, &blank, &prefixed, "", "zz", &format!("{root}00"), &"z".repeat(64)] {
            assert_eq!(
                words(&options, Some(text)),
                "Invalid root hash string specified.",
                "{text}"
            );
        }
        assert_eq!(require(&options, None), Err(missing()));
        assert!(words(&options, None).starts_with("Command requires <root_hash>"));
    }

    #[test]
    fn a_file_has_the_hash_at_its_start_and_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = "ab".repeat(32);
        let with = |name: &str| Options {
            root_hash_file: Some(dir.path().join(name)),
            ..Options::default()
        };
        for (name, text) in [("plain", root.clone()), ("line", format!("{root}\njunk"))] {
            std::fs::write(dir.path().join(name), text).unwrap();
            let found = given(&with(name), Some(&"junk".into()), Algorithm::Sha256).unwrap();
            assert_eq!(found.to_string(), root, "{name}");
        }
        std::fs::write(dir.path().join("blank"), format!(" {root}")).unwrap();
        assert_eq!(words(&with("blank"), None), "Invalid root hash string specified.");
        std::fs::write(dir.path().join("short"), &root[1..]).unwrap();
        for name in ["short", "."] {
            assert!(words(&with(name), Some(&root)).starts_with("Invalid root hash file "));
        }
        assert!(words(&with("missing"), Some(&root)).starts_with("Cannot read root hash file "));
    }
}
