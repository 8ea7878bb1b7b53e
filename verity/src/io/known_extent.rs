//! What was last heard of a source's holes.

use std::ops::Range;

use super::{Extent, Source};

/// The last answer of a source, kept because it mostly serves many runs: for a file without holes,
/// all.
#[derive(Default)]
pub(crate) struct KnownExtent {
    bytes: Range<u64>,
    hole: bool,
}

impl KnownExtent {
    /// Whether the bytes from `offset` on are data or a hole; zeros that take storage are data. The
    /// end is beyond `offset`, whatever the source says.
    pub(crate) fn at<S: Source + ?Sized>(&mut self, source: &S, offset: u64) -> Extent {
        if !self.bytes.contains(&offset) {
            let extent = source.source_extent_at(offset).beyond(offset);
            self.bytes = offset..extent.end();
            self.hole = matches!(extent, Extent::Hole { .. });
        }
        let end = self.bytes.end;
        if self.hole { Extent::Hole { end } } else { Extent::Data { end } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_backward_answer_is_data() {
        struct Backward(Extent);

        impl crate::io::ReadAt for Backward {
            fn len(&self) -> std::io::Result<u64> {
                Ok(1 << 20)
            }

            fn read_at(&self, _buf: &mut [u8], _offset: u64) -> std::io::Result<usize> {
                Ok(0)
            }

            fn extent_at(&self, _offset: u64) -> Extent {
                self.0
            }
        }

        for end in [0, 4095, 4096] {
            for extent in [Extent::Hole { end }, Extent::Data { end }] {
                let known = KnownExtent::default().at(&Backward(extent), 4096);
                assert_eq!(known, Extent::ALL_DATA, "{extent:?}");
            }
        }
    }
}
