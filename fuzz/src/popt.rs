//! Command lines of the front `veritysetup`, words divided by NUL bytes, as its reader of options
//! takes them, by a table of every kind of option. That reader is a file of the command, which is
//! no library.
//!
//! Invariants under test:
//! - no input panics, and no line has more words than its bytes allow;
//! - a slow twin, which reads the line once more from each word's start, finds the same words and
//!   the same fault;
//! - what was read, spelled in the longest form, is read as the same words;
//! - a number is what arithmetic with 128 bits makes of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[path = "../../cli/src/front/veritysetup/popt.rs"]
mod reader;

use reader::{BadOption, Fault, Reader, Spec, Word};

const TABLE: [Spec<u8>; 6] = [
    Spec { id: 0, long: "hash", letter: Some(b'h'), takes_value: true },
    Spec { id: 1, long: "salt", letter: Some(b's'), takes_value: true },
    Spec { id: 2, long: "data-blocks", letter: None, takes_value: true },
    Spec { id: 3, long: "verbose", letter: Some(b'v'), takes_value: false },
    Spec { id: 4, long: "help", letter: Some(b'?'), takes_value: false },
    Spec { id: 5, long: "shared", letter: None, takes_value: false },
];

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let line = words(data);
    line.iter().for_each(|word| check_number(word));
    let read = read(&line);
    assert_eq!(read, twin(&line));
    let Ok(found) = read else { return };
    let letters: usize = line.iter().map(|word| word.len()).sum();
    assert!(found.len() <= letters + line.len());
    let mut long = Vec::new();
    for word in &found {
        if let Word::Option(id, value) = word {
            let mut spelled = OsString::from(format!("--{}", spec(*id).long));
            if let Some(value) = value {
                spelled.push("=");
                spelled.push(value);
            }
            long.push(spelled);
        }
    }
    long.push("--".into());
    long.extend(found.iter().filter_map(|word| match word {
        Word::Argument(word) => Some(word.clone()),
        Word::Option(..) => None,
    }));
    let (options, arguments) = found.into_iter().partition::<Vec<_>, _>(is_option);
    assert_eq!(self::read(&long), Ok([options, arguments].concat()));
}

/// Whether the input is a line that can be read to its end.
pub fn is_accepted(data: &[u8]) -> bool {
    read(&words(data)).is_ok()
}

fn words(data: &[u8]) -> Vec<OsString> {
    data.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

fn is_option(word: &Word<u8>) -> bool {
    matches!(word, Word::Option(..))
}

fn spec(id: u8) -> Spec<u8> {
    TABLE[usize::from(id)]
}

/// All words of a line.
fn read(line: &[OsString]) -> Result<Vec<Word<u8>>, BadOption> {
    let mut reader = Reader::new(&TABLE, line);
    let mut found = Vec::new();
    while let Some(word) = reader.read()? {
        found.push(word);
    }
    Ok(found)
}

/// The same, by looking at all that is left of the line.
fn twin(line: &[OsString]) -> Result<Vec<Word<u8>>, BadOption> {
    let mut found = Vec::new();
    let mut left = line;
    while let [word, rest @ ..] = left {
        left = rest;
        if word == "--" {
            found.extend(left.iter().cloned().map(Word::Argument));
            break;
        }
        let bytes = word.as_bytes();
        if bytes.len() < 2 || bytes[0] != b'-' {
            found.push(Word::Argument(word.clone()));
            continue;
        }
        let bad = |fault| BadOption { word: word.clone(), fault };
        // What is typed in one word, and whether that word says a value.
        let mut typed = Vec::new();
        if bytes[1] == b'-' {
            let text = &bytes[2..];
            let mut halves = text.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            let spec = TABLE.iter().find(|spec| spec.long.as_bytes() == name);
            typed.push((spec, halves.next()));
        } else {
            let mut place = 1;
            while place < bytes.len() {
                let spec = TABLE.iter().find(|spec| spec.letter == Some(bytes[place]));
                let behind = &bytes[place + 1..];
                let takes_rest = spec.is_some_and(|spec| spec.takes_value);
                let value = match behind {
                    [b'=', value @ ..] => Some(value),
                    [] => None,
                    value if takes_rest => Some(value),
                    _ => None,
                };
                typed.push((spec, value));
                place = if takes_rest { bytes.len() } else { place + 1 };
            }
        }
        for (spec, value) in typed {
            let spec = spec.ok_or_else(|| bad(Fault::Unknown))?;
            let value = match (spec.takes_value, value) {
                (false, None) => None,
                (false, Some(_)) => return Err(bad(Fault::UnwantedValue)),
                (true, Some(value)) => Some(OsStr::from_bytes(value).to_owned()),
                (true, None) => {
                    let [value, rest @ ..] = left else { return Err(bad(Fault::MissingValue)) };
                    left = rest;
                    Some(value.clone())
                }
            };
            found.push(Word::Option(spec.id, value));
        }
    }
    Ok(found)
}

fn check_number(text: &OsStr) {
    let number = reader::number(text);
    let text = text.to_string_lossy();
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Longer ones are too large, unless they begin with zeros.
    let value = digits.trim_start_matches('0');
    let value = if is_digits && value.is_empty() { Ok(0) } else { value.parse::<u128>() };
    let expected = match value {
        Ok(value) if is_digits && value < 1 << 64 => {
            let value = if text.starts_with('-') { ((1 << 64) - value) % (1 << 64) } else { value };
            u64::try_from(value).ok()
        }
        _ => None,
    };
    assert_eq!(number, expected, "{text:?}");
}

/// Lines with every form of an option.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: [&[&str]; 12] = [
        &["format", "data", "hash", "--hash=sha256", "--salt", "-", "-v"],
        &["verify", "data", "hash", "-hsha512", "-s=00", "--verbose"],
        &["-vh", "sha256", "--data-blocks", "16", "a"],
        &["open", "--shared", "--", "--salt", "-v", "--"],
        &["--data-blocks=18446744073709551615", "-?"],
        &["--salt", "--", "-v", "-"],
        &["-vvs", "-v", "x"],
        &["status", "-hh", "--hash==x", "--salt="],
        &["  \t+42", "--salt", "-1", "--help"],
        &["-s", "-18446744073709551616", "007"],
        &["close", "--shared", "name", "", "--data-blocks", "0"],
        &["dump", "-?v", "--", "-"],
    ];
    lines.iter().map(|line| line.join("\0").into_bytes()).collect()
}
