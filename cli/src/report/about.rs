//! What the command tells of itself, to people who ask for it instead of running anything.

use std::fmt;

use serde::Serialize;
use verity::Algorithm;
use verity::internals::{ChosenKernel, ChosenKernels, FecPlatform, Platform};

/// A help text, or which version this is. In JSON one of the two keys is there.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    #[serde(skip)]
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// How each algorithm is hashed on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    hashing: Option<Vec<Hashing>>,
    /// Whose kernels make parity on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    fec_platform: Option<&'static str>,
}

/// How algorithms are hashed on this machine.
#[derive(Debug, Serialize)]
struct Hashing {
    algorithms: Vec<&'static str>,
    platform: &'static str,
    /// Widest first.
    kernels: Vec<HashKernel>,
    reason: &'static str,
}

/// A kernel, how many blocks it hashes at a time, and from how many on.
#[derive(Debug, Serialize)]
struct HashKernel {
    instructions: &'static str,
    blocks: usize,
    least: usize,
}

impl About {
    pub(crate) fn help(text: String) -> About {
        About { help: Some(text.clone()), version: None, hashing: None, fec_platform: None, text }
    }

    /// The version of this command, and the line that tells it.
    pub(crate) fn version(text: String) -> About {
        let version = Some(env!("CARGO_PKG_VERSION"));
        About { help: None, version, hashing: None, fec_platform: None, text }
    }

    /// Besides, by which kernels this machine hashes and makes parity, and why.
    pub(crate) fn with_kernels(mut self) -> About {
        let hashing = hashing();
        let fec_platform = FecPlatform::detect().name();
        for hashing in &hashing {
            self.text += &format!("{hashing}\n");
        }
        self.text += &format!("parity: {fec_platform}\n");
        self.hashing = Some(hashing);
        self.fec_platform = Some(fec_platform);
        self
    }
}

/// Algorithms that are hashed alike stand together.
fn hashing() -> Vec<Hashing> {
    let mut all: Vec<(ChosenKernels, Hashing)> = Vec::new();
    for &algorithm in Algorithm::ALL {
        let chosen = ChosenKernels::of(algorithm);
        match all.iter_mut().find(|(other, _)| *other == chosen) {
            Some((_, hashing)) => hashing.algorithms.push(algorithm.name()),
            None => {
                let hashing = Hashing::new(algorithm, &chosen);
                all.push((chosen, hashing));
            }
        }
    }
    all.into_iter().map(|(_, hashing)| hashing).collect()
}

impl Hashing {
    fn new(algorithm: Algorithm, chosen: &ChosenKernels) -> Hashing {
        let kernel = |kernel: &ChosenKernel| HashKernel {
            instructions: kernel.instructions,
            blocks: kernel.blocks,
            least: kernel.least,
        };
        let platform = match chosen.kernels.is_empty() {
            true => Platform::Portable,
            false => Platform::detect(algorithm),
        };
        Hashing {
            algorithms: vec![algorithm.name()],
            platform: platform.name(),
            kernels: chosen.kernels.iter().map(kernel).collect(),
            reason: chosen.reason,
        }
    }
}

impl fmt::Display for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.algorithms.join(", "), self.platform, self.reason)?;
        for HashKernel { instructions, blocks, least } in &self.kernels {
            let plural = if *blocks == 1 { "block" } else { "blocks" };
            write!(f, "\n  {blocks} {plural} at a time by {instructions}")?;
            if least < blocks {
                write!(f, ", from {least} on")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
