//! Addresses of bytes that will be wanted soon.

/// Where bytes stand in memory that will be wanted soon: a range of addresses, for the CPU to fetch
/// from while it works on others. Nothing is ever read through it, so that it does not matter
/// whether there is anything; a prefetch of an address without memory does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    start: usize,
    len: usize,
    copied: bool,
}

impl Ahead {
    /// No address.
    pub(crate) const NOWHERE: Ahead = Ahead { start: 0, len: 0, copied: false };

    /// `len` bytes from this address on, which will be copied before anybody works on them.
    pub(crate) fn copied(start: usize, len: usize) -> Ahead {
        Ahead { start, len, copied: true }
    }

    /// Where these bytes stand, which will be worked on there.
    pub(crate) fn of(bytes: &[u8]) -> Ahead {
        Ahead { start: bytes.as_ptr().addr(), len: bytes.len(), copied: false }
    }

    /// Whether the bytes are copied before they are worked on.
    pub(crate) fn is_copied(self) -> bool {
        self.copied
    }

    /// In bytes.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The `len` bytes that begin at `offset`, or as many of them as there are.
    #[inline(always)]
    pub(crate) fn part(self, offset: usize, len: usize) -> Ahead {
        let offset = offset.min(self.len);
        let start = self.start.wrapping_add(offset);
        Ahead { start, len: len.min(self.len - offset), ..self }
    }

    /// The addresses of its bytes 0, 64, 128 and so on, one for each line of a cache.
    #[inline(always)]
    pub(crate) fn lines(self) -> impl Iterator<Item = *const i8> {
        let line = move |offset| std::ptr::without_provenance(self.start.wrapping_add(offset));
        (0..self.len).step_by(64).map(line)
    }

    /// The address of its first byte.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn start(self) -> *const u8 {
        std::ptr::without_provenance(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_inside() {
        let ahead = Ahead::copied(4096, 200);
        assert_eq!(ahead.part(64, 64), Ahead::copied(4160, 64));
        assert_eq!(ahead.part(192, 64), Ahead::copied(4288, 8));
        assert!(ahead.part(200, 64).is_empty() && ahead.part(usize::MAX, 1).is_empty());
        assert!(Ahead::NOWHERE.part(0, 64).is_empty());
        let lines: Vec<usize> = ahead.lines().map(<*const i8>::addr).collect();
        assert_eq!(lines, [4096, 4160, 4224, 4288]);
        assert_eq!(Ahead::copied(usize::MAX, 100).part(64, 64).lines().count(), 1);
    }
}
