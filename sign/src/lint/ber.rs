//! BER as the kernel's decoder reads it (`lib/asn1_decoder.c`), which is neither all of BER nor
//! DER.
//!
//! Lengths need not be minimal, may be indefinite, and have two octets at the most. A constructed
//! tag is also taken without its bit. What follows the outermost element is not looked at. An
//! element that may be left out is only tried while its container has bytes left. A container of
//! many like elements holds at least one.

/// Why the decoder stops: in the kernel always EBADMSG.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

/// One element that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// What is in it; of an indefinite length that was skipped, with the end mark.
    pub(super) content: &'a [u8],
    /// The content with its header in front.
    pub(super) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Everything but the tag: of signed attributes, this is digested.
    pub(super) fn without_tag(&self) -> &'a [u8] {
        self.whole.get(1..).unwrap_or_default()
    }
}

/// A container that was entered and not yet left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    tag: u8,
    header: usize,
    start: usize,
    /// Where the container around it ends; `None` if this one has an indefinite length.
    outer_end: Option<usize>,
}

/// A position in a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
    indefinite: bool,
}

#[derive(Clone, Copy)]
struct Head {
    tag: u8,
    header: usize,
    length: Option<usize>,
}

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Reader<'a> {
        Reader { data, at: 0, end: data.len(), indefinite: false }
    }

    /// How many bytes were not read.
    pub(super) fn remaining(&self) -> usize {
        self.data.len() - self.at.min(self.data.len())
    }

    /// Whether some container had an indefinite length.
    pub(super) fn met_indefinite(&self) -> bool {
        self.indefinite
    }

    /// An element with this tag.
    pub(super) fn leaf(&mut self, tag: u8) -> Result<Element<'a>> {
        let head = self.head(Some(tag), false)?.ok_or(UNEXPECTED)?;
        self.skip(head)
    }

    pub(super) fn optional_leaf(&mut self, tag: u8) -> Result<Option<Element<'a>>> {
        self.head(Some(tag), true)?.map(|head| self.skip(head)).transpose()
    }

    /// An element with any tag.
    pub(super) fn any(&mut self) -> Result<Element<'a>> {
        let head = self.head(None, false)?.ok_or(UNEXPECTED)?;
        self.skip(head)
    }

    pub(super) fn optional_any(&mut self) -> Result<Option<Element<'a>>> {
        self.head(None, true)?.map(|head| self.skip(head)).transpose()
    }

    /// Enters a container.
    pub(super) fn open(&mut self, tag: u8) -> Result<Frame> {
        let head = self.head(Some(tag), false)?.ok_or(UNEXPECTED)?;
        Ok(self.enter(head))
    }

    pub(super) fn optional_open(&mut self, tag: u8) -> Result<Option<Frame>> {
        Ok(self.head(Some(tag), true)?.map(|head| self.enter(head)))
    }

    /// Enters a container with either tag.
    pub(super) fn open_either(&mut self, one: u8, other: u8) -> Result<Frame> {
        match self.optional_open(one)? {
            Some(frame) => Ok(frame),
            None => self.open(other),
        }
    }

    pub(super) fn optional_open_either(&mut self, one: u8, other: u8) -> Result<Option<Frame>> {
        match self.optional_open(one)? {
            Some(frame) => Ok(Some(frame)),
            None => self.optional_open(other),
        }
    }

    /// Whether the container around here has nothing left, as far as its length tells.
    pub(super) fn at_end(&self) -> bool {
        self.at == self.end
    }

    /// Whether a container of many like elements goes on.
    pub(super) fn more(&self, frame: &Frame) -> Result<bool> {
        match frame.outer_end {
            Some(_) => Ok(self.at < self.end),
            None if self.end - self.at < 2 => Err(OVERRUN),
            None => Ok(self.byte(self.at) != 0),
        }
    }

    /// Reads a container of many like elements, one by one, and leaves it.
    pub(super) fn each(
        &mut self,
        frame: Frame,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<()>,
    ) -> Result<Element<'a>> {
        loop {
            read(self)?;
            if !self.more(&frame)? {
                return self.close(frame);
            }
        }
    }

    /// Leaves a container, which must have been read to its end.
    pub(super) fn close(&mut self, frame: Frame) -> Result<Element<'a>> {
        let content_end = match frame.outer_end {
            None => self.end_mark()?,
            Some(_) if self.at != self.end => return Err(Malformed("Cons length error")),
            Some(outer_end) => {
                self.end = outer_end;
                self.at
            }
        };
        Ok(self.element(frame.tag, frame.header, frame.start, content_end))
    }

    /// Goes behind the mark that ends an indefinite length. Returns where it began.
    fn end_mark(&mut self) -> Result<usize> {
        if self.end - self.at < 2 {
            return Err(OVERRUN);
        }
        if self.byte(self.at) != 0 {
            return Err(Malformed("Missing EOC in indefinite len cons"));
        }
        if self.byte(self.at + 1) != 0 {
            return Err(Malformed("Invalid length EOC"));
        }
        self.at += 2;
        Ok(self.at - 2)
    }

    /// The header of the next element, if it has this tag. The position stays before an optional
    /// one with another tag.
    fn head(&mut self, want: Option<u8>, optional: bool) -> Result<Option<Head>> {
        if optional && self.at_end() {
            return Ok(None);
        }
        if self.end - self.at < 2 {
            return Err(OVERRUN);
        }
        let tag = self.byte(self.at);
        if tag & 0x1f == 0x1f {
            return Err(Malformed("Long tag not supported"));
        }
        match want {
            Some(want) if (want ^ tag) & !(want & CONSTRUCTED) != 0 => {
                return if optional { Ok(None) } else { Err(UNEXPECTED) };
            }
            _ => {}
        }
        let first = self.byte(self.at + 1);
        self.at += 2;
        let (length, octets) = self.length(tag, first)?;
        Ok(Some(Head { tag, header: 2 + octets, length }))
    }

    /// A length, and how many octets follow its first one.
    fn length(&mut self, tag: u8, first: u8) -> Result<(Option<usize>, usize)> {
        let (length, octets) = match first {
            INDEFINITE if tag & CONSTRUCTED == 0 => return Err(PRIMITIVE),
            INDEFINITE if self.end - self.at < 2 => return Err(OVERRUN),
            INDEFINITE => {
                self.indefinite = true;
                return Ok((None, 0));
            }
            0..INDEFINITE => (usize::from(first), 0),
            _ => {
                let octets = usize::from(first & 0x7f);
                if octets > 2 {
                    return Err(Malformed("Unsupported length"));
                }
                (self.number(octets)?, octets)
            }
        };
        match length > self.end - self.at {
            true => Err(OVERRUN),
            false => Ok((Some(length), octets)),
        }
    }

    fn number(&mut self, octets: usize) -> Result<usize> {
        if octets > self.end - self.at {
            return Err(OVERRUN);
        }
        let bytes = self.data.get(self.at..self.at + octets).unwrap_or_default();
        self.at += octets;
        Ok(bytes.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte)))
    }

    fn skip(&mut self, head: Head) -> Result<Element<'a>> {
        let start = self.at;
        match head.length {
            Some(length) => self.at += length,
            None => self.skip_indefinite()?,
        }
        Ok(self.element(head.tag, head.header, start, self.at))
    }

    /// Goes behind the end mark of an element whose inside is not looked at.
    fn skip_indefinite(&mut self) -> Result<()> {
        let mut level = 1_usize;
        while level > 0 {
            if self.end - self.at < 2 {
                return Err(OVERRUN);
            }
            let tag = self.byte(self.at);
            self.at += 1;
            if tag == 0 {
                if self.byte(self.at) != 0 {
                    return Err(Malformed("Invalid length EOC"));
                }
                self.at += 1;
                level -= 1;
                continue;
            }
            if tag & 0x1f == 0x1f {
                self.skip_long_tag()?;
            }
            let first = self.byte(self.at);
            self.at += 1;
            let length = match first {
                INDEFINITE if tag & CONSTRUCTED == 0 => return Err(PRIMITIVE),
                INDEFINITE => {
                    level += 1;
                    continue;
                }
                0..INDEFINITE => usize::from(first),
                _ if first & 0x7f > 7 => return Err(Malformed("Unsupported length")),
                _ => self.number(usize::from(first & 0x7f))?,
            };
            if length > self.end - self.at {
                return Err(OVERRUN);
            }
            self.at += length;
        }
        Ok(())
    }

    fn skip_long_tag(&mut self) -> Result<()> {
        loop {
            if self.end - self.at < 2 {
                return Err(OVERRUN);
            }
            let byte = self.byte(self.at);
            self.at += 1;
            if byte & 0x80 == 0 {
                return Ok(());
            }
        }
    }

    fn enter(&mut self, head: Head) -> Frame {
        let outer_end = head.length.map(|length| {
            let outer_end = self.end;
            self.end = self.at + length;
            outer_end
        });
        Frame { tag: head.tag, header: head.header, start: self.at, outer_end }
    }

    fn element(&self, tag: u8, header: usize, start: usize, end: usize) -> Element<'a> {
        Element {
            tag,
            content: self.data.get(start..end).unwrap_or_default(),
            whole: self.data.get(start - header..end).unwrap_or_default(),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.data.get(at).copied().unwrap_or(0)
    }
}

const CONSTRUCTED: u8 = 0x20;
const INDEFINITE: u8 = 0x80;
const OVERRUN: Malformed = Malformed("Data overrun error");
const PRIMITIVE: Malformed = Malformed("Indefinite len primitive not permitted");
const UNEXPECTED: Malformed = Malformed("Unexpected tag");

/// The tags that the grammars use.
pub(super) mod tag {
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const UTC_TIME: u8 = 0x17;

    /// A primitive element of the context.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// A constructed element of the context.
    pub(crate) const fn container(number: u8) -> u8 {
        0xa0 | number
    }
}
