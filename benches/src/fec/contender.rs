//! One way to do something with a message.

use super::{GF256, READING, REED_SOLOMON, reading};

/// One way to make parity, to recover what is lost, or to do nothing but read the input.
pub struct Contender<I> {
    /// The name of the project or crate.
    pub name: &'static str,
    /// The kernel, where there is a choice.
    pub platform: Option<&'static str>,
    run: Run<I>,
    is_right: fn(&I, &[u8]) -> bool,
}

/// From the input to the output.
type Run<I> = Box<dyn Fn(&I, &mut [u8])>;

impl<I: AsRef<[u8]> + 'static> Contender<I> {
    /// Makes the output, which has the length that the input asks for.
    pub fn run(&self, input: &I, out: &mut [u8]) {
        (self.run)(input, out);
    }

    /// Compares the output with what it must be.
    ///
    /// # Errors
    /// If it differs.
    pub fn check(&self, input: &I, out: &[u8]) -> Result<(), String> {
        let is_right = (self.is_right)(input, out);
        if is_right { Ok(()) } else { Err(format!("{}: wrong bytes", self.label())) }
    }

    /// Name and kernel, as in `verity gfni`.
    pub fn label(&self) -> String {
        [self.name].into_iter().chain(self.platform).collect::<Vec<_>>().join(" ")
    }

    /// Whether it takes so long that fewer rounds must do.
    pub fn is_slow(&self) -> bool {
        [REED_SOLOMON, GF256].contains(&self.name)
    }

    pub(super) fn new(
        name: &'static str,
        run: impl Fn(&I, &mut [u8]) + 'static,
        is_right: fn(&I, &[u8]) -> bool,
    ) -> Contender<I> {
        Contender { name, platform: None, run: Box::new(run), is_right }
    }

    pub(super) fn on(self, platform: &'static str) -> Contender<I> {
        Contender { platform: Some(platform), ..self }
    }

    /// Reads every byte of the input once, and leaves their sum at the beginning of the output.
    pub(super) fn reading() -> Contender<I> {
        let run = |input: &I, out: &mut [u8]| {
            out[..8].copy_from_slice(&reading::sum(input.as_ref()).to_le_bytes());
        };
        Contender::new(READING, run, |input, out| {
            let words = input.as_ref().as_chunks().0.iter().copied().map(u64::from_le_bytes);
            out.starts_with(&words.fold(0, u64::wrapping_add).to_le_bytes())
        })
    }
}
