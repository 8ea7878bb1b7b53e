//! The operations that every vector of AVX2 and AVX-512 has, each an instruction.

/// The part of an `impl Lanes` that needs no more than instructions by name. The type has a vector
/// and a token.
macro_rules! operations {
    (
        $word:ident in $lanes:literal lanes by $Token:ident,
        splat: $splat:ident, store: $store:ident,
        add: $add:ident, xor: $xor:ident, and: $and:ident, shr: $shr:ident, shl: $shl:ident
    ) => {
        type Word = $word;
        type Cpu = $Token;
        const LANES: usize = $lanes;

        #[inline(always)]
        fn splat(cpu: $Token, word: $word) -> Self {
            // SAFETY: `cpu` is a token.
            Self(unsafe { $splat(word.cast_signed()) }, cpu)
        }

        #[inline(always)]
        fn store(self, words: &mut [$word]) {
            let words = &mut words[..$lanes];
            // SAFETY: `self` is made from a token; `words` has as many bytes as a vector.
            unsafe { $store(words.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { $add(self.0, other.0) }, self.1)
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { $xor(self.0, other.0) }, self.1)
        }

        #[inline(always)]
        fn and(self, other: Self) -> Self {
            // SAFETY: `self` is made from a token.
            Self(unsafe { $and(self.0, other.0) }, self.1)
        }

        #[inline(always)]
        fn shr(self, bits: u32) -> Self {
            let bits = Self::splat(self.1, bits.into());
            // SAFETY: `self` is made from a token.
            Self(unsafe { $shr(self.0, bits.0) }, self.1)
        }

        #[inline(always)]
        fn shl(self, bits: u32) -> Self {
            let bits = Self::splat(self.1, bits.into());
            // SAFETY: `self` is made from a token.
            Self(unsafe { $shl(self.0, bits.0) }, self.1)
        }
    };
}

pub(super) use operations;
