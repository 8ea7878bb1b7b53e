//! Results on standard output and failures on standard error: as text, or as one JSON object.
//!
//! Both forms tell the same facts. Every write is checked: a result that could not be written is a
//! failure. Where standard output is for data, results go to standard error too.

pub(crate) mod header;
pub(crate) mod partitions;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::ops::Range;

use serde::Serialize;
use verity::{BlockRange, BlockRef, CorruptRange, Corruption, ParityReport};

use crate::command::build::Built;
use crate::command::check::Checked;
use crate::command::lint::Linted;
use crate::command::plan::Sizes;
use crate::command::prepare_signature::Prepared;
use crate::command::read::Copied;
use crate::command::repair::Repaired;
use crate::command::serve::{Ready, Served};
use crate::command::table::Line;
use crate::error::{Class, CommandError, Findings, Recovery};
use crate::image::verification::Verification;
use crate::outputs;
use crate::places::Places;
use crate::quoted::{Plain, Quoted};
use crate::report::header::Header;
use crate::report::partitions::{Partition, Type};
use crate::signing::Signed;

/// What a command has done or found out.
#[derive(Debug)]
pub(crate) enum Outcome {
    Built(Built),
    Checked(Checked),
    Dumped(Header),
    Formatted(Header),
    Linted(Linted),
    Planned(Sizes),
    Prepared(Prepared),
    Read(Copied),
    Repaired(Repaired),
    Served(Served),
    Signed(Signed),
    Table(Line),
    Verified(Verification),
}

/// The version of the JSON objects.
const SCHEMA: u32 = 1;

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    /// Standard output is for data.
    Stderr,
}

/// Prints what a command has done.
pub(crate) fn success(outcome: &Outcome, stream: Stream, json: bool) -> Result<(), CommandError> {
    let text = if json {
        match outcome {
            Outcome::Built(facts) => document(facts),
            Outcome::Checked(facts) => document(facts),
            Outcome::Dumped(facts) | Outcome::Formatted(facts) => document(facts),
            Outcome::Linted(facts) => document(facts),
            Outcome::Planned(facts) => document(facts),
            Outcome::Prepared(facts) => document(facts),
            Outcome::Read(facts) => document(facts),
            Outcome::Repaired(facts) => document(facts),
            Outcome::Served(facts) => document(facts),
            Outcome::Signed(facts) => document(facts),
            Outcome::Table(facts) => document(facts),
            Outcome::Verified(facts) => document(facts),
        }
        .map_err(unwritten)?
    } else {
        match outcome {
            Outcome::Built(facts) => built(facts),
            Outcome::Checked(facts) => checked(facts),
            Outcome::Dumped(facts) | Outcome::Formatted(facts) => header(facts),
            Outcome::Linted(facts) => linted(facts),
            Outcome::Planned(facts) => sizes(facts),
            Outcome::Prepared(facts) => prepared(facts),
            Outcome::Read(facts) => copied(facts),
            Outcome::Repaired(facts) => repaired(facts),
            Outcome::Served(facts) => served(facts),
            Outcome::Signed(facts) => signed(facts),
            Outcome::Table(facts) => format!("{}\n", facts.text),
            Outcome::Verified(facts) => verification(facts),
        }
    };
    stream.print(&text).map_err(|error| {
        // The root hash must not get lost: it stands on standard error then.
        let _ = io::stderr().write_all(text.as_bytes());
        unwritten(error)
    })
}

/// Tells that clients can connect now, and where.
pub(crate) fn ready(facts: &Ready, json: bool) -> Result<(), CommandError> {
    let text = if json {
        document(facts).map_err(unwritten)?
    } else {
        let mut text = format!("geometry: {}\n", facts.geometry);
        if let Some(signer) = &facts.signer {
            let _ = writeln!(text, "manifest: signed by {}", Plain(signer));
        }
        let _ = writeln!(text, "serving: {}", facts.uri);
        text
    };
    Stream::Stdout.print(&text).map_err(unwritten)
}

fn unwritten(error: io::Error) -> CommandError {
    CommandError::new(Class::Io, anyhow::Error::new(error).context("cannot write the result"))
}

/// Prints why a command has failed: one line on standard error, and before it what was found out,
/// as a result.
pub(crate) fn failure(error: &CommandError, stream: Stream, json: bool) -> io::Result<()> {
    let text = match error.findings() {
        _ if json => failure_document(error)?,
        Some(findings) => corruptions(findings),
        None => String::new(),
    };
    let printed = stream.print(&text);
    // If standard error cannot be written there is nobody left to tell.
    let _ = writeln!(io::stderr(), "verity: {}", words(error));
    printed
}

impl Stream {
    pub(crate) fn print(self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        match self {
            Stream::Stdout => outputs::stdout()?.write_all(text.as_bytes()),
            Stream::Stderr => io::stderr().write_all(text.as_bytes()),
        }
    }
}

fn words(error: &CommandError) -> String {
    let message = error.words();
    let message = match error.class() {
        // The help that goes with a mistake in the arguments has lines of its own.
        Class::Usage => {
            message.split('\n').map(|line| Plain(line).to_string()).collect::<Vec<_>>().join("\n")
        }
        _ => Plain(&message).to_string(),
    };
    match error.path() {
        Some(path) => format!("{}: {message}", Quoted(path)),
        None => message,
    }
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    #[serde(flatten)]
    facts: &'a T,
}

fn document(facts: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_string(&Document { schema: SCHEMA, facts })?;
    text.push('\n');
    Ok(text)
}

/// Why a command has failed. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Failure {
    class: &'static str,
    message: String,
    corruptions: Vec<CorruptionFacts>,
    truncated: bool,
    geometry: Option<String>,
    /// What parity can make right.
    repairable_blocks: u64,
    repairable: Vec<RangeFacts>,
    /// What it has made right, where it lies.
    repaired_blocks: u64,
    repaired: Vec<RangeFacts>,
    /// Rounds whose parity is not that of the image.
    parity_rounds: u64,
    parity: Vec<RoundsFacts>,
}

fn failure_document(error: &CommandError) -> io::Result<String> {
    let findings = error.findings();
    let recovery = |written| {
        findings.and_then(|findings| {
            let recovery =
                findings.recovery.as_ref().filter(|recovery| recovery.written == written);
            recovery.map(|recovery| (recovery.blocks, recovery.facts(&findings.places)))
        })
    };
    let (repairable_blocks, repairable) = recovery(false).unwrap_or_default();
    let (repaired_blocks, repaired) = recovery(true).unwrap_or_default();
    let parity = findings.and_then(|findings| findings.parity.as_ref());
    document(&Failure {
        class: error.class().name(),
        message: words(error),
        corruptions: findings.map(corruption_list).unwrap_or_default(),
        truncated: findings.is_some_and(Findings::truncated),
        geometry: findings.map(|findings| findings.origin.to_string()),
        repairable_blocks,
        repairable,
        repaired_blocks,
        repaired,
        parity_rounds: parity.map_or(0, |parity| parity.rounds),
        parity: parity.map(rounds_facts).unwrap_or_default(),
    })
}

fn corruption_list(findings: &Findings) -> Vec<CorruptionFacts> {
    let report = findings.report.iter().flat_map(|report| &report.corruptions);
    report.map(|range| corruption_facts(&findings.places, range)).collect()
}

/// Blocks in a row. The order of the fields is the order of the keys.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RangeFacts {
    /// `data` or `hash`.
    kind: &'static str,
    level: Option<u8>,
    block: u64,
    blocks: u64,
    path: String,
    offset_bytes: u64,
    size_bytes: u64,
}

impl RangeFacts {
    fn new(places: &Places, first: BlockRef, blocks: u64) -> RangeFacts {
        RangeFacts {
            kind: if first.level().is_none() { "data" } else { "hash" },
            level: first.level(),
            block: first.block(),
            blocks,
            path: Quoted(places.path(first)).to_string(),
            offset_bytes: places.offset(first),
            size_bytes: blocks * places.block_size(first),
        }
    }

    /// Which blocks they are, and which bytes of what.
    fn words(&self) -> String {
        let RangeFacts { level, block, blocks, path, offset_bytes, size_bytes, .. } = self;
        let first = match *level {
            None => BlockRef::Data { block: *block },
            Some(level) => BlockRef::Hash { level, block: *block },
        };
        let more = match blocks {
            1 => String::new(),
            _ => format!(" to {}", block + (blocks - 1)),
        };
        format!("{first}{more} (bytes {offset_bytes}..{} of {path})", offset_bytes + size_bytes)
    }
}

impl Recovery {
    /// The blocks and where they lie.
    pub(crate) fn facts(&self, places: &Places) -> Vec<RangeFacts> {
        let facts = |range: &BlockRange| RangeFacts::new(places, range.first, range.blocks);
        self.ranges.iter().map(facts).collect()
    }
}

/// Rounds in a row.
#[derive(Serialize)]
struct RoundsFacts {
    round: u64,
    rounds: u64,
}

fn rounds_facts(parity: &ParityReport) -> Vec<RoundsFacts> {
    let facts =
        |range: &Range<u64>| RoundsFacts { round: range.start, rounds: range.end - range.start };
    parity.ranges.iter().map(facts).collect()
}

/// Corrupt blocks in a row. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct CorruptionFacts {
    #[serde(flatten)]
    range: RangeFacts,
    /// `digest`, `spare-bytes` or `unreadable`.
    reason: &'static str,
    /// Of the first block.
    expected: Option<String>,
    actual: Option<String>,
}

fn corruption_facts(places: &Places, range: &CorruptRange) -> CorruptionFacts {
    let (reason, expected, actual) = match &range.corruption {
        Corruption::Digest { expected, actual } => {
            ("digest", Some(expected.to_string()), Some(actual.to_string()))
        }
        Corruption::Unreadable { .. } => ("unreadable", None, None),
        _ => ("spare-bytes", None, None),
    };
    let range = RangeFacts::new(places, range.first, range.blocks);
    CorruptionFacts { range, reason, expected, actual }
}

/// The lines of veritysetup 2.6.1, byte for byte: scripts take them apart.
fn header(facts: &Header) -> String {
    let mut text = format!("VERITY header information for {}\n", Quoted(&facts.path));
    let uuid = facts.uuid.as_deref().unwrap_or_default();
    let _ = writeln!(text, "UUID:            \t{uuid}");
    let _ = writeln!(text, "Hash type:       \t{}", facts.hash_type);
    let _ = writeln!(text, "Data blocks:     \t{}", facts.data_blocks);
    let _ = writeln!(text, "Data block size: \t{}", facts.data_block_size);
    let _ = writeln!(text, "Hash blocks:     \t{}", facts.hash_blocks);
    let _ = writeln!(text, "Hash block size: \t{}", facts.hash_block_size);
    let _ = writeln!(text, "Hash algorithm:  \t{}", facts.algorithm);
    if let Some(fec) = &facts.fec {
        let _ = writeln!(text, "FEC RS roots:   \t{}", fec.fec_roots);
        let _ = writeln!(text, "FEC blocks:     \t{}", fec.parity_blocks);
    }
    let _ = writeln!(text, "Salt:            \t{}", facts.salt);
    if let Some(root_hash) = &facts.root_hash {
        let _ = writeln!(text, "Root hash:      \t{root_hash}");
    }
    if facts.hash_area_offset == 0 {
        // The tree and the parity, without what is between them.
        let parity =
            facts.fec.as_ref().filter(|fec| fec.with_hash).map_or(0, |fec| fec.parity_bytes);
        let _ = writeln!(text, "Hash device size: \t{} [bytes]", facts.hash_area_end + parity);
    }
    if let Some(fec) = facts.fec.as_ref().filter(|fec| !fec.with_hash && fec.offset_bytes == 0) {
        let _ = writeln!(text, "FEC device size: \t{} [bytes]", fec.parity_bytes);
    }
    text
}

fn built(facts: &Built) -> String {
    let mut text = header(&facts.header);
    for Partition { content, uuid, types } in &facts.partitions {
        if let Some(uuid) = uuid {
            let _ = writeln!(text, "Partition UUID:  \t{uuid} {content}");
        }
        for Type { name, guid, .. } in types {
            let _ = writeln!(text, "Partition type:  \t{guid} {name}");
        }
    }
    for file in &facts.files {
        let _ = writeln!(text, "Written:         \t{file}");
    }
    text
}

fn verification(facts: &Verification) -> String {
    let Verification { geometry, data_block_size, hash_blocks, algorithm, .. } = facts;
    let data_blocks = facts.checked_data_blocks;
    let mut text = format!("geometry: {geometry}\n");
    if let Some(signer) = &facts.signer {
        let _ = writeln!(text, "manifest: signed by {}", Plain(signer));
    }
    let _ = write!(
        text,
        "verified: {data_blocks} data blocks of {data_block_size} bytes and {hash_blocks} hash blocks of {} bytes \
         ({algorithm}) against root hash {}",
        facts.hash_block_size, facts.root_hash,
    );
    if facts.uncovered_bytes > 0 {
        let _ = write!(text, "; {} bytes behind them not covered", facts.uncovered_bytes);
    }
    if facts.zero_blocks > 0 {
        let _ = write!(text, "; {} zero blocks not checked", facts.zero_blocks);
    }
    if let Some(rounds) = facts.parity_rounds {
        let _ = write!(text, "; the parity of {rounds} rounds is right");
    }
    text.push('\n');
    text
}

fn copied(facts: &Copied) -> String {
    let mut text = format!("geometry: {}\n", facts.geometry);
    if let Some(signer) = &facts.signer {
        let _ = writeln!(text, "manifest: signed by {}", Plain(signer));
    }
    let _ = write!(
        text,
        "read: {} bytes from {} on, verified ({}) against root hash {}",
        facts.bytes, facts.offset_bytes, facts.algorithm, facts.root_hash,
    );
    if facts.zero_blocks > 0 {
        let _ = write!(text, "; {} zero blocks not read", facts.zero_blocks);
    }
    if facts.repairs > 0 {
        let _ = write!(text, "; {} times a block was repaired", facts.repairs);
    }
    if let (Some(requests), Some(bytes)) = (facts.requests, facts.fetched_bytes) {
        let _ = write!(text, "; fetched {bytes} bytes in {requests} requests");
    }
    if let Some(output) = &facts.output {
        let _ = write!(text, "; written to {output}");
    }
    text.push('\n');
    text
}

fn checked(facts: &Checked) -> String {
    let mut text = format!("image: {} version {}\n", Plain(&facts.image_name), facts.image_version);
    let _ = writeln!(text, "root hash: signed by {}", Plain(&facts.root_hash_signer));
    if let Some(signer) = &facts.signature_partition_signer {
        let _ = writeln!(text, "signature partition: signed by {}", Plain(signer));
    }
    if let Some(state) = &facts.state {
        let _ = match (state.first_use, state.previous_version) {
            (true, _) => writeln!(text, "state: first use, {} made", state.path),
            (false, None) => writeln!(text, "state: first image of this name in {}", state.path),
            (false, Some(version)) => {
                writeln!(text, "state: version {version} was accepted before ({})", state.path)
            }
        };
    }
    text.push_str(&verification(&facts.verification));
    if let Some(fec) = &facts.fec {
        let _ = writeln!(
            text,
            "parity: {} roots over {} blocks, {} bytes at {} of the hash file",
            fec.fec_roots, fec.fec_blocks, fec.parity_bytes, fec.offset_bytes,
        );
    }
    text
}

fn linted(facts: &Linted) -> String {
    let mut text = String::new();
    for point in &facts.points {
        let _ = write!(text, "{:<4} {}: {}", point.verdict, point.name, Plain(&point.explanation));
        let kernel = point.kernel_error.into_iter().chain(point.kernel_message.as_deref());
        let kernel = kernel.collect::<Vec<_>>().join(": ");
        if !kernel.is_empty() {
            let _ = write!(text, " ({kernel})");
        }
        text.push('\n');
    }
    for assumption in &facts.assumptions {
        let _ = writeln!(text, "if   {}", Plain(assumption));
    }
    let verdict = match (facts.error, facts.assumptions.is_empty()) {
        (Some(error), _) => format!("no, {error}"),
        (None, true) => "yes".to_owned(),
        (None, false) => "yes, if what is named above is so".to_owned(),
    };
    let _ = writeln!(text, "accepted by the kernel: {verdict}");
    if facts.error.is_none() {
        let _ = writeln!(text, "since: Linux {}", facts.since);
    }
    for keyring in &facts.keyrings {
        let _ = writeln!(
            text,
            "keyring: {} (since Linux {}: {})",
            keyring.name, keyring.since, keyring.condition
        );
    }
    text
}

fn prepared(facts: &Prepared) -> String {
    let mut text = format!(
        "to be signed: {} {} by the {} key of certificate sha256 {}\n\
         {}: {} into {}\n",
        facts.to_be_signed.replace('-', " "),
        facts.root_hash,
        facts.key,
        facts.certificate_sha256,
        facts.digest,
        facts.digest_hex,
        facts.digest_file,
    );
    if let Some(file) = &facts.content_file {
        let _ = writeln!(text, "content: {} bytes into {file}", facts.content_bytes);
    }
    text
}

fn signed(facts: &Signed) -> String {
    let mut text = format!(
        "signed: {} {} with {} into {} ({} bytes)\n",
        facts.signed.replace('-', " "),
        facts.root_hash,
        facts.digest,
        facts.signature,
        facts.signature_bytes,
    );
    if let Some(file) = &facts.signature_partition {
        let _ = writeln!(text, "signature partition: {file}");
    }
    text
}

fn served(facts: &Served) -> String {
    format!(
        "served: {} clients, {} requests, {} bytes; {} requests failed, {} clients refused\n\
         read: {} data blocks and {} hash blocks ({} more from the cache); {} times one was corrupt, \
         {} times unreadable, {} times repaired\n",
        facts.clients,
        facts.requests,
        facts.bytes_sent,
        facts.failed_requests,
        facts.refused_clients,
        facts.data_blocks_read,
        facts.hash_blocks_read,
        facts.cache_hits,
        facts.corruptions,
        facts.read_errors,
        facts.repairs,
    )
}

fn sizes(facts: &Sizes) -> String {
    let mut lines = vec![
        ("Hash type", facts.hash_type.to_string()),
        ("Hash algorithm", facts.algorithm.to_owned()),
        ("Data blocks", facts.data_blocks.to_string()),
        ("Data block size", facts.data_block_size.to_string()),
        ("Data size", format!("{} [bytes]", facts.data_bytes)),
        ("Hash blocks", facts.hash_blocks.to_string()),
        ("Hash block size", facts.hash_block_size.to_string()),
        ("Hash levels", facts.levels.to_string()),
        ("Hash area offset", format!("{} [bytes]", facts.hash_area_offset)),
        ("Hash area size", format!("{} [bytes]", facts.hash_area_bytes)),
        ("Hash start", facts.hash_start.to_string()),
        ("Hash device size", format!("{} [bytes]", facts.hash_device_bytes)),
    ];
    if let Some(fec) = &facts.fec {
        lines.extend([
            ("FEC RS roots", fec.fec_roots.to_string()),
            ("FEC blocks", fec.parity_blocks.to_string()),
            ("FEC covers", format!("{} [blocks]", fec.fec_blocks)),
            ("FEC offset", format!("{} [bytes]", fec.offset_bytes)),
            ("FEC size", format!("{} [bytes]", fec.parity_bytes)),
        ]);
    }
    if let Some(uuid) = &facts.uuid {
        lines.push(("UUID", uuid.clone()));
    }
    if let Some(salt) = &facts.salt {
        lines.push(("Salt", salt.clone()));
    }
    if let Some(unused) = facts.unused_bytes {
        lines.push(("Unused", format!("{unused} [bytes]")));
    }
    lines.iter().fold(String::new(), |mut text, (label, value)| {
        let _ = writeln!(text, "{:<17}\t{value}", format!("{label}:"));
        text
    })
}

fn repaired(facts: &Repaired) -> String {
    let mut text = format!("geometry: {}\n", facts.geometry);
    if let Some(signer) = &facts.signer {
        let _ = writeln!(text, "manifest: signed by {}", Plain(signer));
    }
    for range in &facts.repaired {
        let _ = writeln!(text, "repaired: {}", range.words());
    }
    if facts.truncated {
        text.push_str("more blocks were repaired than are listed\n");
    }
    let Repaired { data_blocks, hash_blocks, algorithm, root_hash, .. } = facts;
    let _ = write!(
        text,
        "whole: {data_blocks} data blocks and {hash_blocks} hash blocks ({algorithm}) against root hash {root_hash}; ",
    );
    let _ = match facts.repaired_blocks {
        0 => write!(text, "nothing was corrupt"),
        1 => write!(text, "1 block was repaired"),
        blocks => write!(text, "{blocks} blocks were repaired"),
    };
    for output in facts.output.iter().chain(&facts.hash_output) {
        let _ = write!(text, "; written to {output}");
    }
    text.push('\n');
    text
}

fn corruptions(findings: &Findings) -> String {
    let Findings { report, recovery, parity, origin, places } = findings;
    let mut text = format!("geometry: {origin}\n");
    for CorruptRange { first, blocks, corruption } in report.iter().flat_map(|r| &r.corruptions) {
        let range = RangeFacts::new(places, *first, *blocks);
        let _ = writeln!(text, "{}: {corruption}", range.words());
    }
    if let Some(recovery) = recovery {
        let word = if recovery.written { "repaired" } else { "repairable" };
        for range in recovery.facts(places) {
            let _ = writeln!(text, "{word}: {}", range.words());
        }
    }
    for Range { start, end } in parity.iter().flat_map(|parity| &parity.ranges) {
        let more = if end - start == 1 { String::new() } else { format!(" to {}", end - 1) };
        let _ = writeln!(text, "parity of round {start}{more}: not that of the image");
    }
    if findings.truncated() {
        text.push_str(match (recovery, parity) {
            (None, None) => "there may be more corrupt blocks\n",
            _ => "there is more than is listed\n",
        });
    }
    text
}
