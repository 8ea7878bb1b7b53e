//! The text of an error with gaps, and whether a line of output is made of it.

use std::fmt;

/// A text with gaps.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<String>,
    /// Whether it stands between colons or the ends of the line, as each error of a chain does.
    is_whole: bool,
}

impl Template {
    /// A text that is one error of a chain.
    pub(super) fn whole(format: &str) -> Template {
        Template { pieces: pieces(format), is_whole: true }
    }

    /// A text that may be a part of an error.
    pub(super) fn part(format: &str) -> Template {
        Template { pieces: pieces(format), is_whole: false }
    }

    /// Whether there is nothing but gaps.
    pub(super) fn is_blank(&self) -> bool {
        self.pieces.iter().all(|piece| piece.trim().is_empty())
    }

    /// Whether a line has this text in it.
    pub(super) fn is_in(&self, line: &str) -> bool {
        let starts = line.char_indices().map(|(start, _)| start);
        let mut starts = starts.filter(|&start| !self.is_whole || begins(line, start));
        starts.any(|start| self.follows(&line[start..]))
    }

    /// Whether the text begins where this does.
    fn follows(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            let only = self.pieces.first().and_then(|only| text.strip_prefix(only.as_str()));
            return only.is_some_and(|rest| !self.is_whole || ends(rest));
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(start) = rest.find(piece.as_str()) else { return false };
            rest = &rest[start + piece.len()..];
        }
        let mut found = rest.match_indices(last.as_str());
        found.any(|(start, _)| !self.is_whole || ends(&rest[start + last.len()..]))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pieces.join("..."))
    }
}

fn begins(line: &str, start: usize) -> bool {
    start == 0 || line[..start].ends_with(": ")
}

/// What may follow an error: its cause, or words of the command.
fn ends(rest: &str) -> bool {
    rest.is_empty() || [": ", ";", " ("].iter().any(|mark| rest.starts_with(mark))
}

/// What stands between the gaps of a format string.
fn pieces(format: &str) -> Vec<String> {
    let (mut pieces, mut depth) = (vec![String::new()], 0);
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        let is_doubled = depth == 0 && characters.peek() == Some(&character);
        match character {
            '{' | '}' if is_doubled => {
                characters.next();
                pieces.last_mut().expect("one").push(character);
            }
            '{' => {
                depth += 1;
                pieces.push(String::new());
            }
            '}' => depth -= 1,
            _ if depth > 0 => {}
            // A message of several lines is told line by line.
            '\n' => pieces.push(String::new()),
            character => pieces.last_mut().expect("one").push(character),
        }
    }
    pieces
}

#[test]
fn gaps_take_anything_and_the_ends_must_be_ends() {
    let line = "verity: a file: cannot open \"f\": No such file (os error 2)";
    for (format, whole) in [
        ("cannot {what} {path:?}", true),
        ("cannot open {x}", true),
        ("a file", true),
        ("{x} {y}", true),
        ("cannot", false),
        ("No such file", true),
        ("open", false),
        ("cannot close {x}", false),
    ] {
        assert_eq!(Template::whole(format).is_in(line), whole, "{format}");
    }
    assert!(Template::part("open").is_in(line));
    assert!(!Template::part("a {x} close").is_in(line));
    assert!(Template::whole("{{{x}}}").is_in("{1}"));
    assert!(Template::part("{x}").is_blank());
}
