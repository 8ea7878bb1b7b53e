//! `verity read`: verified bytes to standard output or to a file.
//!
//! A pipe has got exactly the bytes before the first one that is not verified; a file appears whole
//! or not at all.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use verity::Error;
use verity::publish::Output;

use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError};
use crate::image::Device;
use crate::image::pieces::{Failure, Pieces};
use crate::image::{Image, ImageReader, ImageSource, Reading};
use crate::outputs;
use crate::progress::Meter;
use crate::quoted::Quoted;
use crate::report::Outcome;

/// What to read, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) reading: Reading,
    /// In bytes of the data.
    pub(crate) offset: u64,
    pub(crate) length: Option<u64>,
    pub(crate) target: Target,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where the bytes go.
#[derive(Debug)]
pub(crate) enum Target {
    Stdout { even_a_terminal: bool },
    File(PathBuf),
}

/// What was read. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Copied {
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    pub(crate) algorithm: &'static str,
    pub(crate) offset_bytes: u64,
    pub(crate) bytes: u64,
    pub(crate) output: Option<String>,
    pub(crate) data_blocks_read: u64,
    pub(crate) hash_blocks_read: u64,
    pub(crate) cache_hits: u64,
    /// Blocks that the tree says are zeros and that were not read.
    pub(crate) zero_blocks: u64,
    /// How often parity gave a block that was corrupt or unreadable.
    pub(crate) repairs: u64,
    /// What servers were asked for, and the bytes they sent.
    pub(crate) requests: Option<u64>,
    pub(crate) fetched_bytes: Option<u64>,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// Reads.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    if let Target::Stdout { even_a_terminal: false } = options.target
        && io::stdout().is_terminal()
    {
        return Err(CommandError::usage(
            "standard output is a terminal: pipe it, give --output FILE, or --output - to write there anyway",
        ));
    }
    let image = Image::open(&options.image, context)?;
    let range = range(options, &image)?;
    let output = match &options.target {
        Target::File(path) => Some(new_output(path, &image)?),
        Target::Stdout { .. } => None,
    };
    let reader = image.unless_changed(image.reader(options.reading, context))?;
    let copied = copy(options, range.clone(), &reader, output.as_ref(), context)
        .map_err(|failure| failure.explain(&image, context));
    image.unless_changed(copied)?;
    if let Some(output) = output {
        context.signals.check()?;
        output.commit()?;
    }
    Ok(Outcome::Read(facts(options, &range, &image, &reader)))
}

/// The bytes that were asked for, if they are all there.
fn range(options: &Options, image: &Image) -> Result<Range<u64>, CommandError> {
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

/// Begins the file, which must be none of the devices.
fn new_output(path: &Path, image: &Image) -> Result<Output, CommandError> {
    let output = Output::create(path)?;
    for input in image.devices().filter_map(Device::input) {
        output.check_distinct(input)?;
    }
    Ok(output)
}

/// Why bytes are missing, and what has been written to standard output before.
struct Incomplete<'a> {
    written: Option<u64>,
    target: &'a Path,
    failure: Failure,
}

fn copy<'a>(
    options: &Options,
    range: Range<u64>,
    reader: &ImageReader,
    output: Option<&'a Output>,
    context: &Context,
) -> Result<(), Incomplete<'a>> {
    let meter = Meter::new(range.end - range.start, &context.signals);
    let threads = threads_or_all(options.threads);
    let pieces = Pieces { reader, range, threads, progress: &meter };
    match output {
        Some(output) => pieces.fill(output.file()).map_err(|failure| Incomplete {
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
                outputs::stdout().map_err(|error| incomplete((0, Failure::Write(error))))?;
            pieces.stream(stdout).map_err(incomplete)
        }
    }
}

impl Incomplete<'_> {
    fn explain(self, image: &Image, context: &Context) -> CommandError {
        let error = match self.failure {
            Failure::Read(error) => image.error(error, context),
            Failure::Stopped => image.error(Error::Cancelled, context),
            Failure::Write(error) => {
                return CommandError::new(Class::Io, error).at(self.target);
            }
        };
        match self.written {
            Some(written) => error.noting(format!("only {written} bytes were written")),
            None => error,
        }
    }
}

fn facts(options: &Options, range: &Range<u64>, image: &Image, reader: &ImageReader) -> Copied {
    let trusted = image.trusted();
    let counters = reader.counters();
    let fetched: Vec<_> = image.devices().filter_map(Device::fetched).collect();
    let sum = |part: fn(&crate::image::device::Fetched) -> u64| {
        (!fetched.is_empty()).then(|| fetched.iter().map(part).sum())
    };
    Copied {
        geometry: trusted.origin().to_string(),
        root_hash: trusted.root_hash().to_string(),
        algorithm: trusted.params().algorithm().name(),
        offset_bytes: range.start,
        bytes: range.end - range.start,
        output: match &options.target {
            Target::File(path) => Some(Quoted(path).to_string()),
            Target::Stdout { .. } => None,
        },
        data_blocks_read: counters.data_blocks_read,
        hash_blocks_read: counters.hash_blocks_read,
        cache_hits: counters.cache_hits,
        zero_blocks: counters.zero_blocks,
        repairs: counters.repairs,
        requests: sum(|fetched| fetched.requests),
        fetched_bytes: sum(|fetched| fetched.bytes),
        signer: image.signer().map(str::to_owned),
    }
}
