//! Verifying every block of an image, and its parity, and that nothing changed meanwhile.

use std::num::NonZeroUsize;
use std::ops::Range;

use serde::Serialize;
use verity::io::ReadAt;
use verity::{Error, Params, Verifier};

use super::opened::Image;
use super::recovery::{Recovered, Recovering, is_about_blocks, verdict};
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, Findings, OrFail};
use crate::progress::Meter;
use crate::quoted::Quoted;
use crate::storage::Relation;

/// How to go about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// Look for every corrupt block.
    pub(crate) all: bool,
    /// Compare the parity of an intact image too, if it has any.
    pub(crate) parity: bool,
    pub(crate) ignore_zero_blocks: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What was verified. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
pub(crate) struct Verification {
    pub(crate) verified: bool,
    pub(crate) geometry: String,
    pub(crate) root_hash: String,
    pub(crate) algorithm: &'static str,
    pub(crate) hash_type: u32,
    pub(crate) data_blocks: u64,
    /// Those whose bytes were compared to the tree.
    pub(crate) checked_data_blocks: u64,
    pub(crate) data_block_size: u32,
    pub(crate) hash_blocks: u64,
    pub(crate) hash_block_size: u32,
    pub(crate) salt: String,
    /// Data blocks that were not checked, as the tree says that they are zeros.
    pub(crate) zero_blocks: u64,
    /// Bytes of the data that the tree does not cover.
    pub(crate) uncovered_bytes: u64,
    /// The rounds whose parity was compared too.
    pub(crate) parity_rounds: Option<u64>,
    /// Who signed the manifest.
    pub(crate) signer: Option<String>,
}

/// Verifies every block, and that nothing changed meanwhile.
pub(crate) fn blocks(
    image: &Image,
    effort: Effort,
    context: &Context,
) -> Result<Verification, CommandError> {
    let trusted = image.trusted();
    let (params, area) = (trusted.params(), trusted.hash_area());
    let checked = {
        let tree = area.tree_range();
        let meter =
            Meter::new(params.data_size().saturating_add(tree.end - tree.start), &context.signals);
        let verifier = Verifier::new(trusted.clone())
            .threads(threads_or_all(effort.threads))
            .platform(context.platform(params.algorithm()))
            .ignore_zero_blocks(effort.ignore_zero_blocks)
            .progress(&meter);
        if effort.all {
            verifier.verify_all(image.data(), image.hash())
        } else {
            verifier.verify(image.data(), image.hash())
        }
    };
    let checked = checked.map_err(|error| explain(error, image, effort.threads, context));
    let checked = image.unless_changed(checked)?;
    let parity_rounds = if effort.parity { parity(image, effort.threads, context)? } else { None };
    warn_of_padding(image)?;
    let uncovered_bytes = uncovered(image)?;
    Ok(Verification {
        verified: true,
        geometry: trusted.origin().to_string(),
        root_hash: trusted.root_hash().to_string(),
        algorithm: params.algorithm().name(),
        hash_type: params.hash_type().number(),
        data_blocks: params.data_blocks(),
        checked_data_blocks: checked.data_blocks,
        data_block_size: params.data_block_size().bytes(),
        hash_blocks: checked.hash_blocks,
        hash_block_size: params.hash_block_size().bytes(),
        salt: params.salt().to_string(),
        zero_blocks: checked.zero_blocks,
        uncovered_bytes,
        parity_rounds,
        signer: image.signer().map(str::to_owned),
    })
}

/// Why an image was not verified: where there is parity, with what that could give back.
fn explain(
    error: Error,
    image: &Image,
    threads: Option<NonZeroUsize>,
    context: &Context,
) -> CommandError {
    let recovering = Recovering::new(image, threads, context);
    let Some(recovering) = recovering.filter(|_| is_about_blocks(&error, image)) else {
        return image.error(error, context);
    };
    match recovering.ask() {
        // Whatever is right now, it was not a moment ago.
        Ok(repaired) => verdict(image, &repaired, Recovered::Nowhere)
            .unwrap_or_else(|| image.error(error, context)),
        Err(failure) => failure,
    }
}

/// Compares the parity of an intact image, if there is any; returns how many rounds it has.
fn parity(
    image: &Image,
    threads: Option<NonZeroUsize>,
    context: &Context,
) -> Result<Option<u64>, CommandError> {
    let Some(fec) = image.fec() else { return Ok(None) };
    let Some(recovering) = Recovering::new(image, threads, context) else { return Ok(None) };
    let report = image.unless_changed(recovering.verify_parity())?;
    if report.is_intact() {
        return Ok(Some(fec.area().rounds()));
    }
    let words = format!(
        "data and hash tree are right, but the parity of {} rounds of {} is not theirs, and could not repair them",
        report.rounds,
        fec.area().rounds(),
    );
    let findings = Findings { parity: Some(report), ..image.findings() };
    Err(CommandError::message(Class::Parity, words).at(fec.device().path()).with_findings(findings))
}

/// Bytes between superblock and tree are hashed by nobody; veritysetup leaves old ones there.
fn warn_of_padding(image: &Image) -> Result<(), CommandError> {
    let (range, hash) = (image.trusted().hash_area().padding_range(), image.hash());
    let end = range.end.min(hash.size());
    let size = usize::try_from(end.saturating_sub(range.start)).or_fail(Class::Io, hash.path())?;
    let mut bytes = vec![0; size];
    hash.read_exact_at(&mut bytes, range.start).or_fail(Class::Io, hash.path())?;
    if bytes.iter().any(|&byte| byte != 0) {
        tracing::warn!(
            "{}: the bytes {}..{end} between superblock and hash tree are not zero, and nothing vouches for them",
            Quoted(hash.path()),
            range.start,
        );
    }
    Ok(())
}

/// Warns of bytes of the data that no hash covers.
fn uncovered(image: &Image) -> Result<u64, CommandError> {
    let (trusted, data) = (image.trusted(), image.data());
    let mut own = Vec::new();
    if data.relation(image.hash()).or_fail(Class::Io, data.path())? == Relation::Same {
        own.push(trusted.hash_area().range());
    }
    if let Some(fec) = image.fec() {
        let relation = data.relation(fec.device()).or_fail(Class::Io, data.path())?;
        own.extend((relation == Relation::Same).then(|| fec.area().range()));
    }
    let uncovered = uncovered_bytes(trusted.params(), data.size(), &own);
    if uncovered > 0 {
        tracing::warn!(
            "{}: {uncovered} bytes are not covered by the hash tree, so that nothing is known of them",
            Quoted(data.path()),
        );
    }
    Ok(uncovered)
}

/// How many of `data_size` bytes no hash covers; those of hash area and parity, if they are `own`
/// bytes of the same device, do not count.
pub(crate) fn uncovered_bytes(params: &Params, data_size: u64, own: &[Range<u64>]) -> u64 {
    let behind = |range: &Range<u64>| {
        range.end.min(data_size).saturating_sub(range.start.max(params.data_size()))
    };
    let own = own.iter().map(behind).fold(0, u64::saturating_add);
    data_size.saturating_sub(params.data_size()).saturating_sub(own)
}
