//! Which kernels this machine takes, in words.

use crate::Algorithm;

use super::choice::reason;
use super::little::LittleRung;
use super::platform::Platform;
use super::rung::Rung;
use super::word::Word;

/// Which kernels hash by an algorithm on this machine, and why.
///
/// Public for the command alone, by `verity::internals`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenKernels {
    /// Widest first; what they leave is hashed one block after another. Empty if the algorithm has
    /// none.
    pub kernels: Vec<ChosenKernel>,
    /// Why these.
    pub reason: &'static str,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenKernel {
    /// Which instructions it has.
    pub instructions: &'static str,
    /// How many blocks it hashes at a time.
    pub blocks: usize,
    /// From how many blocks on it is worth it.
    pub least: usize,
}

impl ChosenKernels {
    /// Those for an algorithm.
    pub fn of(algorithm: Algorithm) -> ChosenKernels {
        let platform = Platform::detect(algorithm);
        let kernels = match algorithm {
            Algorithm::Sha224 | Algorithm::Sha256 => chosen(platform.sha256()),
            Algorithm::Sha384 | Algorithm::Sha512 => chosen(platform.sha512()),
            _ => platform.little(algorithm).iter().map(chosen_little).collect(),
        };
        let reason = match (kernels.is_empty(), algorithm) {
            (false, _) => reason(algorithm),
            (true, Algorithm::Sha384 | Algorithm::Sha512) if cfg!(target_arch = "x86_64") => {
                "several at a time take AVX-512 or AVX2"
            }
            (true, Algorithm::Sha384 | Algorithm::Sha512) if cfg!(target_arch = "aarch64") => {
                "several at a time take the SHA-512 instructions"
            }
            (true, _) => "there are no kernels for several at a time",
        };
        ChosenKernels { kernels, reason }
    }
}

fn chosen_little(rung: &LittleRung) -> ChosenKernel {
    ChosenKernel { instructions: rung.name, blocks: rung.lanes, least: rung.least }
}

fn chosen<W: Word>(rungs: Vec<Rung<W>>) -> Vec<ChosenKernel> {
    let one = |rung: Rung<W>| ChosenKernel {
        instructions: rung.name,
        blocks: rung.lanes,
        least: rung.least,
    };
    rungs.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told is what hashes.
    #[test]
    fn the_kernels_that_are_told_are_those_of_the_ladder() {
        for &algorithm in Algorithm::ALL {
            let ChosenKernels { kernels, reason } = ChosenKernels::of(algorithm);
            assert!(!reason.is_empty());
            let platform = Platform::detect(algorithm);
            let ladder: Vec<_> = match algorithm {
                Algorithm::Sha224 | Algorithm::Sha256 => {
                    platform.sha256().iter().map(|rung| (rung.lanes, rung.least)).collect()
                }
                Algorithm::Sha384 | Algorithm::Sha512 => {
                    platform.sha512().iter().map(|rung| (rung.lanes, rung.least)).collect()
                }
                _ => {
                    let little = platform.little(algorithm);
                    little.iter().map(|rung| (rung.lanes, rung.least)).collect()
                }
            };
            let told: Vec<_> = kernels.iter().map(|told| (told.blocks, told.least)).collect();
            assert_eq!(told, ladder, "{algorithm}");
        }
    }
}
