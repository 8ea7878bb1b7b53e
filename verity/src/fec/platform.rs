//! The kernels for parity that this CPU has, fastest first.

use crate::cpu::platforms;

#[cfg(target_arch = "aarch64")]
use crate::cpu::Neon;
#[cfg(target_arch = "x86_64")]
use crate::cpu::{Avx2, Gfni};

use super::map::{self, Job};

platforms! {
    /// A way to multiply rows by constants that this CPU has. Every one gives the same bytes.
    pub enum FecPlatform {
        /// GFNI, in vectors of AVX-512.
        #[cfg(target_arch = "x86_64")]
        Gfni(Gfni) = "gfni",
        /// AVX2, tables of half bytes.
        #[cfg(target_arch = "x86_64")]
        Avx2(Avx2) = "avx2",
        /// NEON, tables of half bytes.
        #[cfg(target_arch = "aarch64")]
        Neon(Neon) = "neon",
        _ =>
        /// Tables of products, byte by byte.
        Portable = "portable",
    }
}

impl FecPlatform {
    /// The fastest one here.
    pub fn detect() -> FecPlatform {
        FecPlatform::available().next().unwrap_or(FecPlatform::Portable)
    }

    /// Adds the rows of a job, each times its constants.
    pub(super) fn accumulate(self, job: Job<'_>) {
        match self {
            FecPlatform::Portable => map::accumulate_bytes(job),
            #[cfg(target_arch = "x86_64")]
            FecPlatform::Avx2(cpu) => cpu.accumulate(job),
            #[cfg(target_arch = "x86_64")]
            FecPlatform::Gfni(cpu) => cpu.accumulate(job),
            #[cfg(target_arch = "aarch64")]
            FecPlatform::Neon(cpu) => cpu.accumulate(job),
        }
    }
}

#[cfg(test)]
mod tests {
    use verity_testdata::pattern::Prng;

    use super::super::map::{Constant, Map};
    use super::*;

    /// Bytes in an allocation that ends with them and begins one byte before: AddressSanitizer sees
    /// a byte read or written too many, and no address is a multiple of anything.
    struct Exact(Box<[u8]>);

    impl Exact {
        fn new(bytes: &[u8]) -> Exact {
            Exact([&[0], bytes].concat().into())
        }

        fn bytes(&mut self) -> &mut [u8] {
            &mut self.0[1..]
        }
    }

    /// Every platform, every number of outputs, sums that are not zero before.
    #[test]
    fn every_platform_adds_the_same() {
        for (seed, (outputs, inputs, row_len)) in (1..=24)
            .flat_map(|outputs| [(outputs, 1, 512), (outputs, 7, 1024), (outputs, 231, 512)])
            .enumerate()
        {
            let mut prng = Prng::new(seed.try_into().unwrap());
            let constants = prng.bytes(outputs * inputs);
            let map = Map::new(outputs, constants.chunks_exact(outputs));
            let constants: Box<[Constant]> = map.inputs_from(0).into();
            let mut rows = Exact::new(&prng.bytes(inputs * row_len));
            let before = prng.bytes(outputs * row_len);
            let mut run = |platform: FecPlatform| {
                let mut sums = Exact::new(&before);
                let (rows, constants) = (rows.bytes(), &constants);
                platform.accumulate(Job { constants, rows, sums: sums.bytes(), outputs });
                sums.bytes().to_vec()
            };
            let expected = run(FecPlatform::Portable);
            for platform in FecPlatform::available() {
                assert!(run(platform) == expected, "{platform}: {outputs} {inputs} {row_len}");
            }
        }
    }
}
