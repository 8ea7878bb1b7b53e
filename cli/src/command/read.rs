//! `verity read`: verified bytes to standard output or to a file.
//!
//! A pipe has got exactly the bytes before the first one that is not verified; a file appears whole
//! or not at all.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use verity::publish::Output;
use verity::{Counters, Error, TrustedParams};

use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError};
use crate::image::{
    Device, Fetched, ImageReader, ImageSource, OpenedImage, PieceFailure, Pieces, Reading,
};
use crate::outputs;
use crate::progress::{Meter, Step};
use crate::signer::Signer;

/// What to read, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) reading: Reading,
    /// In bytes of the data.
    pub(crate) offset: u64,
    pub(crate) length: Option<u64>,
    pub(crate) destination: Destination,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where the bytes go.
#[derive(Debug)]
pub(crate) enum Destination {
    Stdout { even_a_terminal: bool },
    File(PathBuf),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) trusted: TrustedParams,
    /// In bytes of the data.
    pub(crate) range: Range<u64>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) counters: Counters,
    /// What servers were asked for, and sent.
    pub(crate) fetched: Option<Fetched>,
    /// Who signed the manifest.
    pub(crate) signer: Option<Signer>,
}

/// Reads.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Copied, CommandError> {
    refuse_a_terminal(&options.destination)?;
    let image = OpenedImage::open(&options.image, context)?;
    let range = range(options, &image)?;
    let output = match &options.destination {
        Destination::File(path) => Some(outputs::create_copy(path, image.data().input())?),
        Destination::Stdout { .. } => outputs::check_stdout().map(|()| None)?,
    };
    let reader = image.unless_changed(image.reader(options.reading, context))?;
    let devices = (&reader, image.data());
    let copied = copy(options, range.clone(), devices, output.as_ref(), context)
        .map_err(|incomplete| incomplete.explain(&image, context));
    image.unless_changed(copied)?;
    let path = output.as_ref().map(|output| output.path().to_owned());
    if let Some(output) = output {
        context.signals.check()?;
        output.commit()?;
    }
    Ok(Copied {
        trusted: image.trusted().clone(),
        range,
        output: path,
        counters: reader.counters(),
        fetched: image.fetched(),
        signer: image.signer(),
    })
}

fn refuse_a_terminal(destination: &Destination) -> Result<(), CommandError> {
    match destination {
        Destination::Stdout { even_a_terminal: false } if io::stdout().is_terminal() => {
            Err(CommandError::usage(
                "standard output is a terminal: pipe it, give --output FILE, \
                 or --output - to write there anyway",
            ))
        }
        _ => Ok(()),
    }
}

/// The bytes that were asked for, if they are all there.
fn range(options: &Options, image: &OpenedImage) -> Result<Range<u64>, CommandError> {
    let size = image.trusted().params().data_size();
    let end = match options.length {
        None => Some(size.max(options.offset)),
        Some(length) => options.offset.checked_add(length),
    };
    match end {
        Some(end) if end <= size => Ok(options.offset..end),
        _ => Err(CommandError::message(
            Class::Metadata,
            format!(
                "the data blocks end at byte {size}, before what --offset and --length ask for"
            ),
        )
        .at(image.data().path())),
    }
}

/// Why bytes are missing, and what has been written to standard output before.
struct Incomplete<'a> {
    written: Option<u64>,
    target: &'a Path,
    failure: PieceFailure,
}

fn copy<'a>(
    options: &Options,
    range: Range<u64>,
    (reader, data): (&ImageReader, &Device),
    output: Option<&'a Output>,
    context: &Context,
) -> Result<(), Incomplete<'a>> {
    let meter = Meter::new(Step::Reading, range.end - range.start, &context.signals);
    let threads = threads_or_all(options.threads);
    let pieces = Pieces { reader, range, threads, progress: &meter };
    match output {
        Some(output) => pieces.fill(output.file(), data).map_err(|failure| Incomplete {
            written: None,
            target: output.path(),
            failure,
        }),
        None => {
            let incomplete = |(written, failure)| Incomplete {
                written: Some(written),
                target: Path::new("standard output"),
                failure,
            };
            let stdout =
                outputs::stdout().map_err(|error| incomplete((0, PieceFailure::Write(error))))?;
            pieces.stream(stdout).map_err(incomplete)
        }
    }
}

impl Incomplete<'_> {
    fn explain(self, image: &OpenedImage, context: &Context) -> CommandError {
        let error = match self.failure {
            PieceFailure::Read(error) => image.error(error, context),
            PieceFailure::Stopped => image.error(Error::Cancelled, context),
            PieceFailure::Write(error) => {
                return CommandError::new(Class::Io, error).at(self.target);
            }
        };
        match self.written {
            Some(written) => error.noting(format!("only {written} bytes were written")),
            None => error,
        }
    }
}
