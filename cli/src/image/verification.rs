//! Verifying every block of an image, and its parity, and that nothing changed meanwhile.

use std::num::NonZeroUsize;

use verity::internals::to_len;
use verity::io::ReadAt;
use verity::{Error, TrustedParams, Verified, Verifier};

use super::opened::OpenedImage;
use super::recovery::{Recovering, WrittenTo, failure_after, is_about_blocks};
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, OrFail};
use crate::findings::Findings;
use crate::places::uncovered_bytes;
use crate::progress::{Meter, Step};
use crate::quoted::Quoted;
use crate::signer::Signer;
use crate::storage::Relation;

/// How to go about a verification.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// Look for every corrupt block.
    pub(crate) all: bool,
    /// Compare the parity of an intact image too, if it has any.
    pub(crate) parity: bool,
    pub(crate) ignore_zero_blocks: bool,
    pub(crate) threads: Option<NonZeroUsize>,
}

/// An image that was verified.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(crate) trusted: TrustedParams,
    pub(crate) checked: Verified,
    /// Bytes of the data that the tree does not cover.
    pub(crate) uncovered_bytes: u64,
    /// The rounds whose parity was compared too.
    pub(crate) parity_rounds: Option<u64>,
    /// Who signed the manifest.
    pub(crate) signer: Option<Signer>,
    /// Who signed the root hash, if a signature of it was checked.
    pub(crate) root_hash_signer: Option<Signer>,
}

/// Verifies every block, and that nothing changed meanwhile.
pub(crate) fn verify(
    image: &OpenedImage,
    effort: Effort,
    context: &Context,
) -> Result<Verification, CommandError> {
    let checked = verify_blocks(image, effort, context)
        .map_err(|error| explain(error, image, effort.threads, context));
    let checked = image.unless_changed(checked)?;
    let parity_rounds = match effort.parity {
        true => verify_parity(image, effort.threads, context)?,
        false => None,
    };
    warn_of_padding(image)?;
    let uncovered_bytes = warn_of_uncovered(image)?;
    Ok(Verification {
        trusted: image.trusted().clone(),
        checked,
        uncovered_bytes,
        parity_rounds,
        signer: image.signer(),
        root_hash_signer: image.root_hash_signer(),
    })
}

fn verify_blocks(
    image: &OpenedImage,
    effort: Effort,
    context: &Context,
) -> Result<Verified, Error> {
    let trusted = image.trusted();
    let (params, tree) = (trusted.params(), trusted.hash_area().tree_range());
    let size = params.data_size().saturating_add(tree.end - tree.start);
    let meter = Meter::new(Step::Verifying, size, &context.signals);
    let verifier = Verifier::new(trusted.clone())
        .threads(threads_or_all(effort.threads))
        .kernels(context.kernels(params.algorithm()))
        .ignore_zero_blocks(effort.ignore_zero_blocks)
        .progress(&meter);
    match effort.all {
        true => verifier.verify_all(image.data(), image.hash()),
        false => verifier.verify(image.data(), image.hash()),
    }
}

/// Why an image was not verified: where there is parity, with what that could give back.
fn explain(
    error: Error,
    image: &OpenedImage,
    threads: Option<NonZeroUsize>,
    context: &Context,
) -> CommandError {
    let recovering = Recovering::new(image, threads, context);
    let Some(recovering) = recovering.filter(|_| is_about_blocks(&error)) else {
        return image.error(error, context);
    };
    match recovering.dry_run() {
        // An image that is right now was not a moment ago.
        Ok(repaired) => failure_after(image, &repaired, WrittenTo::Nowhere)
            .unwrap_or_else(|| image.error(error, context)),
        Err(failure) => match failure.class() {
            Class::Interrupted(_) | Class::Changed => failure,
            // What was found stays true where the parity cannot be had.
            _ => image.error(error, context).adding(&unasked(&failure)),
        },
    }
}

/// That parity could not say what it could give back, for the end of a message.
fn unasked(failure: &CommandError) -> String {
    let place = failure.path().map(|path| format!("{}: ", Quoted(path)));
    format!("; parity could not be asked: {}{}", place.unwrap_or_default(), failure.words())
}

/// Compares the parity of an intact image, if there is any; returns how many rounds it has.
fn verify_parity(
    image: &OpenedImage,
    threads: Option<NonZeroUsize>,
    context: &Context,
) -> Result<Option<u64>, CommandError> {
    let Some(parity) = image.parity() else { return Ok(None) };
    let Some(recovering) = Recovering::new(image, threads, context) else { return Ok(None) };
    let report = image.unless_changed(recovering.verify_parity())?;
    if report.is_intact() {
        return Ok(Some(report.compared));
    }
    let words = format!(
        "data and hash tree are right, but the parity of {} round{} of {} is not theirs, \
         and could not repair them: make it anew with verity format --fec-device",
        report.rounds,
        if report.rounds == 1 { "" } else { "s" },
        report.compared,
    );
    let findings = Findings { parity: Some(report), ..image.findings() };
    let error = CommandError::message(Class::Parity, words).at(parity.device().path());
    Err(error.with_findings(findings))
}

/// Warns of bytes between superblock and tree, which no hash covers; veritysetup leaves old ones
/// there.
fn warn_of_padding(image: &OpenedImage) -> Result<(), CommandError> {
    let (range, hash) = (image.trusted().hash_area().padding_range(), image.hash());
    let end = range.end.min(hash.size());
    // Less than one hash block.
    let mut bytes = vec![0; to_len(end.saturating_sub(range.start))];
    hash.read_exact_at(&mut bytes, range.start).or_fail(Class::Io, hash.path())?;
    if bytes.iter().any(|&byte| byte != 0) {
        tracing::warn!(
            "{}: the bytes {}..{end} between superblock and hash tree are not zero, \
             and nothing vouches for them",
            Quoted(hash.path()),
            range.start,
        );
    }
    Ok(())
}

/// Warns of bytes of the data that no hash covers; returns how many they are.
fn warn_of_uncovered(image: &OpenedImage) -> Result<u64, CommandError> {
    let (trusted, data) = (image.trusted(), image.data());
    let mut own = Vec::new();
    if data.relation(image.hash()).or_fail(Class::Io, data.path())? == Relation::Same {
        own.push(trusted.hash_area().range());
    }
    if let Some(parity) = image.parity() {
        let relation = data.relation(parity.device()).or_fail(Class::Io, data.path())?;
        own.extend((relation == Relation::Same).then(|| parity.area().range()));
    }
    let uncovered = uncovered_bytes(trusted.params(), data.size(), &own);
    if uncovered > 0 {
        tracing::warn!(
            "{}: {uncovered} bytes are not covered by the hash tree, \
             so that nothing is known of them",
            Quoted(data.path()),
        );
    }
    Ok(uncovered)
}
