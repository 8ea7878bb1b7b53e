//! Memory that storage is read into, where copies into it and out of it are fast.
//!
//! A read from the page cache is a copy out of a page, by one instruction for strings. On CPUs of
//! AMD (measured on Zen 3; glibc bug 30994 has it for Zen 4) that takes three to five times as long
//! where the destination begins 1 to 31 bytes further in its page than the source: 2.0 microseconds
//! for 4 KiB instead of 0.8. Large pieces of memory come from `malloc` 16 bytes behind the begin of
//! a page, and what is read begins with one. So these bytes begin in the middle of a page, which is
//! far from where pages begin, and from where the caller's memory begins most often, to which they
//! are copied.

use std::ops::{Deref, DerefMut};

/// Memory for reads, as a slice of bytes; what is in it before one is of no meaning.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    room: Vec<u8>,
    /// Where the bytes begin in it.
    start: usize,
    len: usize,
}

/// The size of a page at most, as far as copies are concerned.
const PAGE: usize = 4096;

/// Where in a page the bytes begin.
const PLACE: usize = PAGE / 2;

impl ReadBuffer {
    /// Memory of `len` bytes, all of them zero.
    pub fn with_len(len: usize) -> ReadBuffer {
        let mut buffer = ReadBuffer::default();
        buffer.sized(len);
        buffer
    }

    /// Makes it `len` bytes long. They are what they were, as far as there is room for them;
    /// otherwise all of it is new memory, of zeros.
    pub fn sized(&mut self, len: usize) -> &mut [u8] {
        if self.room.len() < self.start.saturating_add(len) {
            self.room = vec![0; len.saturating_add(PAGE)];
            let behind_place = (self.room.as_ptr().addr() % PAGE + PAGE - PLACE) % PAGE;
            self.start = (PAGE - behind_place) % PAGE;
        }
        self.len = len;
        self
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.room[self.start..][..self.len]
    }
}

impl DerefMut for ReadBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_begin_in_the_middle_of_a_page_and_stay_while_there_is_room() {
        let mut buffer = ReadBuffer::default();
        assert!(buffer.is_empty());
        for len in [1, 100, 4096, 5000, 1 << 20] {
            let bytes = buffer.sized(len);
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % 4096), (len, 2048));
            bytes.fill(7);
            assert_eq!(buffer.sized(len / 2).len(), len / 2);
            assert!(buffer.sized(len).iter().all(|byte| *byte == 7));
        }
        assert_eq!(ReadBuffer::with_len(10).len(), 10);
    }
}
