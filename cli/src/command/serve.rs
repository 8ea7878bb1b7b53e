//! `verity serve`: verified bytes as a read-only block device, over NBD.
//!
//! A corrupt block is an input/output error for the client that reads it, and a warning; all others
//! are served. A signal is how it is meant to end.

use std::sync::Arc;

use verity::Counters;
use verity::nbd::{Export, ExportError};

use crate::context::{Context, Ready};
use crate::error::{Class, CommandError};
use crate::image::{ImageSource, OpenedImage, Reading};
use crate::server::{self, Address, Endpoint, Limits, Totals, Watched};

/// What to serve, and to whom.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) reading: Reading,
    pub(crate) address: Address,
    pub(crate) export_name: String,
    pub(crate) limits: Limits,
}

/// What was served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) totals: Totals,
    pub(crate) counters: Counters,
}

/// Serves until a signal comes.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Served, CommandError> {
    let image = OpenedImage::open(&options.image, context)?;
    let reader = image.reader(options.reading, context)?;
    let (data, hash) = (image.data().path().to_owned(), image.hash().path().to_owned());
    let (trusted, words) = (image.trusted(), description(&image));
    let export = Export::new(Watched::new(reader, data, hash))
        .and_then(|export| export.name(&options.export_name)?.description(&words))
        .map_err(unexportable)?
        .block_size(trusted.params().data_block_size());
    let export = Arc::new(export);
    context.signals.check()?;
    let endpoint = Endpoint::bind(&options.address)?;
    (context.announce)(&Ready {
        uri: endpoint.uri(&options.export_name)?,
        export_name: options.export_name.clone(),
        size: export.size(),
        trusted: trusted.clone(),
        signer: image.signer(),
    })?;
    let totals = server::serve(&endpoint, &export, options.limits, &context.signals)?;
    Ok(Served { totals, counters: export.source().reader().counters() })
}

/// What clients see when they list the exports.
fn description(image: &OpenedImage) -> String {
    let trusted = image.trusted();
    format!("verified by root hash {}, geometry: {}", trusted.root_hash(), trusted.origin())
}

fn unexportable(error: ExportError) -> CommandError {
    match error {
        ExportError::Text => CommandError::usage(format!("--export-name: {error}")),
        _ => CommandError::new(Class::Io, error),
    }
}
