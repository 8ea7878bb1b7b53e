//! Inputs that fuzzing has found and that are worth keeping: together they reach every edge that
//! any run has reached. `seeds/TARGET.hex` has them, an input a line, the shortest first.

use std::io;
use std::path::{Path, PathBuf};

/// Reads the kept inputs of a target; none if it has no file.
///
/// # Errors
///
/// If the file cannot be read, or a line is not hexadecimal.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let path = path(target);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let input = |(index, line): (usize, &str)| {
        hex::decode(line).map_err(|error| {
            io::Error::other(format!("{}, line {}: {error}", path.display(), index + 1))
        })
    };
    text.lines().enumerate().map(input).collect()
}

/// Writes the files of a directory as the kept inputs of a target, the same file for the same
/// inputs. What is made anyway is left out.
///
/// # Errors
///
/// If a file cannot be read, or the result not be written.
pub fn write(target: &str, directory: &Path, made: &[Vec<u8>]) -> io::Result<()> {
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let input = std::fs::read(entry?.path())?;
        if !made.contains(&input) {
            inputs.push(input);
        }
    }
    inputs.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    let lines: Vec<String> = inputs.iter().map(|input| hex::encode(input) + "\n").collect();
    std::fs::write(path(target), lines.concat())
}

fn path(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    folder.join(target).with_extension("hex")
}
