//! Command lines as the library popt reads them: one word after the other, by a table.
//!
//! An option is `--name`, `--name=VALUE`, `--name VALUE`, or a letter in a cluster such as `-vh
//! VALUE`, `-hVALUE`, `-h=VALUE`. Names are never shortened, options stand anywhere up to `--`, and
//! a lone `-` is an argument. The value of an option is the next word, whatever that looks like.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One option of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec<T> {
    pub(super) id: T,
    pub(super) long: &'static str,
    pub(super) letter: Option<u8>,
    pub(super) takes_value: bool,
}

/// What a command line consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word<T> {
    /// An option; with a value if, and only if, it takes one.
    Option(T, Option<OsString>),
    Argument(OsString),
}

/// An option that cannot be used so, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadOption {
    pub(super) word: OsString,
    pub(super) fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unknown,
    MissingValue,
    UnwantedValue,
}

/// Reads a command line, without the name of the program.
pub(super) struct Reader<'a, T> {
    table: &'a [Spec<T>],
    words: &'a [OsString],
    /// The number of the word that comes next.
    next: usize,
    /// The rest of a cluster of letters.
    cluster: Option<&'a [u8]>,
    /// Whether `--` was seen.
    only_arguments: bool,
}

impl<'a, T: Copy> Reader<'a, T> {
    pub(super) fn new(table: &'a [Spec<T>], words: &'a [OsString]) -> Self {
        Reader { table, words, next: 0, cluster: None, only_arguments: false }
    }

    /// The next word, or `None` at the end.
    pub(super) fn read(&mut self) -> Result<Option<Word<T>>, BadOption> {
        if let Some(cluster) = self.cluster.take() {
            return self.letter(cluster).map(Some);
        }
        while let Some(word) = self.words.get(self.next) {
            self.next += 1;
            let bytes = word.as_bytes();
            if self.only_arguments || !bytes.starts_with(b"-") || bytes == b"-" {
                return Ok(Some(Word::Argument(word.clone())));
            }
            match bytes.strip_prefix(b"--") {
                Some(b"") => self.only_arguments = true,
                Some(long) => return self.long(long).map(Some),
                None => return self.letter(&bytes[1..]).map(Some),
            }
        }
        Ok(None)
    }

    fn long(&mut self, text: &'a [u8]) -> Result<Word<T>, BadOption> {
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(place) => (&text[..place], Some(&text[place + 1..])),
            None => (text, None),
        };
        let spec = self.table.iter().find(|spec| spec.long.as_bytes() == name);
        self.option(spec.copied().ok_or_else(|| self.bad(Fault::Unknown))?, value)
    }

    /// Takes the first letter of a cluster that is not empty.
    fn letter(&mut self, cluster: &'a [u8]) -> Result<Word<T>, BadOption> {
        let spec = self.table.iter().find(|spec| spec.letter == cluster.first().copied());
        let spec = spec.copied().ok_or_else(|| self.bad(Fault::Unknown))?;
        let rest = &cluster[1..];
        let value = rest.strip_prefix(b"=");
        match (spec.takes_value, rest) {
            (false, _) => {
                self.cluster = Some(rest).filter(|rest| !rest.is_empty());
                if value.is_some() {
                    return Err(self.bad(Fault::UnwantedValue));
                }
                self.option(spec, None)
            }
            (true, []) => self.option(spec, None),
            (true, rest) => self.option(spec, Some(value.unwrap_or(rest))),
        }
    }

    fn option(&mut self, spec: Spec<T>, value: Option<&[u8]>) -> Result<Word<T>, BadOption> {
        match (spec.takes_value, value) {
            (false, None) => Ok(Word::Option(spec.id, None)),
            (false, Some(_)) => Err(self.bad(Fault::UnwantedValue)),
            (true, Some(value)) => {
                Ok(Word::Option(spec.id, Some(OsString::from_vec(value.to_vec()))))
            }
            (true, None) => {
                let value = self.words.get(self.next).cloned();
                let value = value.ok_or_else(|| self.bad(Fault::MissingValue))?;
                self.next += 1;
                Ok(Word::Option(spec.id, Some(value)))
            }
        }
    }

    /// A fault in the word that was taken last.
    fn bad(&self, fault: Fault) -> BadOption {
        let word = self.next.checked_sub(1).and_then(|last| self.words.get(last));
        BadOption { word: word.cloned().unwrap_or_default(), fault }
    }
}

/// A number as C's `strtoull` takes it, in decimal and without anything behind it: blanks and a
/// sign may stand before it, and a minus counts down from 2^64.
pub(super) fn number(text: &OsStr) -> Option<u64> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|byte| !is_blank(byte))?;
    let (is_negative, digits) = match &bytes[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if is_negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [Spec<char>; 4] = [
        Spec { id: 'n', long: "name", letter: Some(b'n'), takes_value: true },
        Spec { id: 'l', long: "long-only", letter: None, takes_value: true },
        Spec { id: 'v', long: "verbose", letter: Some(b'v'), takes_value: false },
        Spec { id: 'q', long: "quiet", letter: Some(b'q'), takes_value: false },
    ];

    /// Options as `letter` or `letter:value`, arguments in brackets; the fault that ends it last.
    fn read(line: &[&str]) -> Vec<String> {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let mut reader = Reader::new(&TABLE, &words);
        let mut found = Vec::new();
        loop {
            match reader.read() {
                Ok(None) => return found,
                Ok(Some(Word::Option(id, None))) => found.push(id.to_string()),
                Ok(Some(Word::Option(id, Some(value)))) => {
                    found.push(format!("{id}:{}", value.display()));
                }
                Ok(Some(Word::Argument(word))) => found.push(format!("[{}]", word.display())),
                Err(BadOption { word, fault }) => {
                    found.push(format!("{fault:?} {}", word.display()));
                    return found;
                }
            }
        }
    }

    #[test]
    fn every_form_of_an_option_is_read() {
        assert_eq!(read(&["--name=x", "--name", "x"]), ["n:x", "n:x"]);
        assert_eq!(
            read(&["-nx", "-n", "x", "-n=x", "-n=", "-n", ""]),
            ["n:x", "n:x", "n:x", "n:", "n:"]
        );
        assert_eq!(
            read(&["-vqn", "x", "-vnq", "-vn=q"]),
            ["v", "q", "n:x", "v", "n:q", "v", "n:q"]
        );
        assert_eq!(read(&["--name=", "--name==x", "-n==x"]), ["n:", "n:=x", "n:=x"]);
        assert_eq!(read(&["--long-only", "x"]), ["l:x"]);
    }

    #[test]
    fn options_stand_anywhere_up_to_two_dashes() {
        assert_eq!(read(&["a", "-v", "b", "--name", "x", "c"]), ["[a]", "v", "[b]", "n:x", "[c]"]);
        assert_eq!(read(&["-v", "--", "-v", "--", "--name"]), ["v", "[-v]", "[--]", "[--name]"]);
        assert_eq!(read(&["-", "", "-v"]), ["[-]", "[]", "v"]);
    }

    #[test]
    fn a_value_is_the_next_word_whatever_it_looks_like() {
        assert_eq!(read(&["--name", "-v", "--name", "--", "-v"]), ["n:-v", "n:--", "v"]);
    }

    #[test]
    fn the_first_fault_ends_it_with_the_word_as_typed() {
        assert_eq!(read(&["-v", "--nam", "x"]), ["v", "Unknown --nam"]);
        assert_eq!(read(&["--names"]), ["Unknown --names"]);
        assert_eq!(read(&["-name"]), ["n:ame"]);
        assert_eq!(read(&["--n"]), ["Unknown --n"]);
        assert_eq!(read(&["-vx"]), ["v", "Unknown -vx"]);
        assert_eq!(read(&["-l"]), ["Unknown -l"]);
        assert_eq!(read(&["--verbose=1"]), ["UnwantedValue --verbose=1"]);
        assert_eq!(read(&["-v=1"]), ["UnwantedValue -v=1"]);
        assert_eq!(read(&["--name"]), ["MissingValue --name"]);
        assert_eq!(read(&["-vn"]), ["v", "MissingValue -vn"]);
        assert_eq!(read(&["---name"]), ["Unknown ---name"]);
        assert_eq!(read(&["--="]), ["Unknown --="]);
    }

    #[test]
    fn bytes_that_are_no_text_are_values_and_arguments() {
        let odd = OsString::from_vec(b"\xff\xfe".to_vec());
        let words = ["--name".into(), odd.clone(), odd.clone()];
        let mut reader = Reader::new(&TABLE, &words);
        assert_eq!(reader.read(), Ok(Some(Word::Option('n', Some(odd.clone())))));
        assert_eq!(reader.read(), Ok(Some(Word::Argument(odd))));
        assert_eq!(reader.read(), Ok(None));
    }

    #[test]
    fn numbers_are_those_of_c() {
        let number = |text: &str| number(OsStr::new(text));
        for (text, value) in [
            ("0", 0),
            ("007", 7),
            (" \t\n42", 42),
            ("+42", 42),
            ("-0", 0),
            ("-1", u64::MAX),
            ("-18446744073709551615", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(number(text), Some(value), "{text:?}");
        }
        for text in [
            "",
            " ",
            "+",
            "-",
            "4k",
            "0x10",
            "42 ",
            "4 2",
            "--1",
            "+-1",
            "18446744073709551616",
            "-18446744073709551616",
            "1.0",
            "१",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
