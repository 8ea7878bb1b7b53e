//! A second reader of DER: slow, strict, and independent of the code under test.

/// One element: its tag and what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
}

impl<'a> Element<'a> {
    /// The elements in it; `None` if it holds anything else.
    pub(crate) fn children(&self) -> Option<Vec<Element<'a>>> {
        elements(self.value)
    }
}

/// The element, if the bytes are exactly one.
pub(crate) fn element(bytes: &[u8]) -> Option<Element<'_>> {
    match elements(bytes)?[..] {
        [element] => Some(element),
        _ => None,
    }
}

/// The elements that follow each other, each with a tag of one byte and the shortest length.
pub(crate) fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        let (length, rest) = length(rest)?;
        if tag & 0x1f == 0x1f || length > rest.len() {
            return None;
        }
        let (value, rest) = rest.split_at(length);
        elements.push(Element { tag, value });
        bytes = rest;
    }
    Some(elements)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Some((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Some((usize::from(*high) * 256 + usize::from(*low), rest))
        }
        _ => None,
    }
}

/// The numbers in an element and in all below it, in their order, as far as it can be read. A
/// number that is negative, or too large for the type, counts as the largest.
pub(crate) fn integers(element: Element<'_>) -> Vec<u64> {
    if element.tag == INTEGER {
        return vec![number(element.value)];
    }
    let below = (element.tag & 0x20 != 0).then(|| element.children()).flatten();
    below.unwrap_or_default().into_iter().flat_map(integers).collect()
}

fn number(value: &[u8]) -> u64 {
    let digits = value.iter().position(|&byte| byte != 0).map_or(&[][..], |first| &value[first..]);
    match digits.len() {
        0..=8 => digits.iter().fold(0, |sum, &digit| sum << 8 | u64::from(digit)),
        _ => u64::MAX,
    }
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
