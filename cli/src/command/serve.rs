//! `verity serve`: verified bytes as a read-only block device, over NBD.
//!
//! A corrupt block is an input/output error for whoever reads it, and a warning; all others are
//! served. A signal is how it is meant to end.

use serde::Serialize;
use verity::Counters;
use verity::nbd::{Export, ExportError};

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::image::{Image, ImageSource, Reading};
use crate::report;
use crate::report::Outcome;
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

/// Said once clients can connect. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    pub(crate) uri: String,
    pub(crate) export_name: String,
    pub(crate) size_bytes: u64,
    pub(crate) block_size: u32,
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// What was served. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    pub(crate) clients: u64,
    pub(crate) refused_clients: u64,
    pub(crate) requests: u64,
    pub(crate) failed_requests: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) data_blocks_read: u64,
    pub(crate) hash_blocks_read: u64,
    pub(crate) cache_hits: u64,
    pub(crate) corruptions: u64,
    pub(crate) read_errors: u64,
    pub(crate) repairs: u64,
}

/// Serves until a signal comes.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let image = Image::open(&options.image, context)?;
    let reader = image.reader(options.reading, context)?;
    let (data, hash) = (image.data().path().to_owned(), image.hash().path().to_owned());
    let (trusted, words) = (image.trusted(), description(&image));
    let export = Export::new(Watched::new(reader, data, hash))
        .and_then(|export| export.name(&options.export_name)?.description(&words))
        .map_err(unexportable)?
        .block_size(trusted.params().data_block_size());
    context.signals.check()?;
    let endpoint = Endpoint::bind(&options.address)?;
    let ready = Ready {
        uri: endpoint.uri(&options.export_name)?,
        export_name: options.export_name.clone(),
        size_bytes: export.size(),
        block_size: trusted.params().data_block_size().bytes(),
        geometry: trusted.origin().to_string(),
        root_hash: trusted.root_hash().to_string(),
        signer: image.signer().map(str::to_owned),
    };
    report::ready(&ready, context.json)?;
    let totals = server::serve(&endpoint, &export, options.limits, &context.signals)?;
    Ok(Outcome::Served(served(totals, export.source().reader().counters())))
}

/// What people see who list the exports.
fn description(image: &Image) -> String {
    let trusted = image.trusted();
    format!("verified by root hash {}, geometry: {}", trusted.root_hash(), trusted.origin())
}

fn unexportable(error: ExportError) -> CommandError {
    let class = match error {
        ExportError::Text => Class::Usage,
        _ => Class::Io,
    };
    CommandError::new(class, error)
}

fn served(totals: Totals, counters: Counters) -> Served {
    Served {
        clients: totals.clients,
        refused_clients: totals.refused_clients,
        requests: totals.requests,
        failed_requests: totals.failed_requests,
        bytes_sent: totals.bytes_sent,
        data_blocks_read: counters.data_blocks_read,
        hash_blocks_read: counters.hash_blocks_read,
        cache_hits: counters.cache_hits,
        corruptions: counters.corruptions,
        read_errors: counters.read_errors,
        repairs: counters.repairs,
    }
}
