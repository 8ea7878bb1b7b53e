//! Values of options: text in, the type that the option has out.

use std::num::NonZeroUsize;
use std::time::Duration;

use verity::disk::types::Architecture;
use verity::internals::{FecPlatform, Platform, to_len};
use verity::{FecArea, HashType, Salt, Uuid};

use crate::dates::{self, DayEnd, TimeError};
use crate::hex_text;
use crate::sizes::{self, SizeError};

/// The heading of options about parity in help texts.
pub(super) const FEC_HEADING: &str = "Forward error correction";

/// The heading of options about the hash tree and its place.
pub(super) const PARAMETERS_HEADING: &str = "Parameters";

/// The heading of options about who signs, and how.
pub(super) const SIGNING_HEADING: &str = "Signing";

pub(super) fn hash_type(text: &str) -> Result<HashType, anyhow::Error> {
    let number = u32::try_from(sizes::count(text)?).ok();
    let hash_type = number.and_then(|number| HashType::try_from(number).ok());
    hash_type.ok_or_else(|| anyhow::anyhow!("a hash type is 0 or 1"))
}

/// A salt in hex, or `-` for none.
pub(super) fn salt(text: &str) -> Result<Salt, anyhow::Error> {
    if let Some(fault) = hex_text::fault(text.as_bytes()).filter(|_| !matches!(text, "-" | "")) {
        anyhow::bail!("the text {fault}; a salt is hex digits, two for each byte, or - for none");
    }
    Ok(text.parse()?)
}

pub(super) fn uuid(text: &str) -> Result<Uuid, anyhow::Error> {
    // `Uuid` reads other forms too; superblock tools know this one.
    anyhow::ensure!(text.len() == 36, "a UUID has the form 01234567-89ab-cdef-0123-456789abcdef");
    Uuid::try_parse(text).map_err(|_| {
        anyhow::anyhow!("a UUID has hex digits and dashes, as 01234567-89ab-cdef-0123-456789abcdef")
    })
}

pub(super) fn platform(name: &str) -> Result<Platform, anyhow::Error> {
    Platform::named(name).ok_or_else(|| {
        let names: Vec<_> = Platform::available().map(Platform::name).collect();
        anyhow::anyhow!("this machine has {}", names.join(", "))
    })
}

pub(super) fn fec_platform(name: &str) -> Result<FecPlatform, anyhow::Error> {
    FecPlatform::named(name).ok_or_else(|| {
        let names: Vec<_> = FecPlatform::available().map(FecPlatform::name).collect();
        anyhow::anyhow!("this machine has {}", names.join(", "))
    })
}

/// A point in time; a date alone is its first second.
pub(super) fn time(text: &str) -> Result<u64, TimeError> {
    dates::time(text, DayEnd::First)
}

/// The end of a time; a date alone is its last second.
pub(super) fn end_of_time(text: &str) -> Result<u64, TimeError> {
    dates::time(text, DayEnd::Last)
}

pub(super) fn image_version(text: &str) -> Result<u64, anyhow::Error> {
    sizes::count(text).map_err(|error| match error {
        SizeError::TooLarge { .. } => error.into(),
        SizeError::NotANumber { .. } => anyhow::anyhow!(
            "not a version: one whole number that orders releases, such as 3 or 20270131; --label \
             takes any other words about the image"
        ),
    })
}

pub(super) fn architecture(name: &str) -> Result<Architecture, anyhow::Error> {
    Architecture::named(name).ok_or_else(|| {
        let names: Vec<_> = Architecture::ALL.iter().map(|one| one.name()).collect();
        anyhow::anyhow!("partition types are known for {}", names.join(", "))
    })
}

/// More threads than any machine has processors are a mistake, and would only eat memory.
const MAX_THREADS: u64 = 4096;

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, anyhow::Error> {
    let threads = Some(sizes::count(text)?).filter(|threads| *threads <= MAX_THREADS);
    threads
        .map(to_len)
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| anyhow::anyhow!("threads are from 1 to {MAX_THREADS}"))
}

/// Each request is a connection and a thread.
const MAX_REQUESTS: u64 = 64;

pub(super) fn requests(text: &str) -> Result<NonZeroUsize, anyhow::Error> {
    let requests = Some(sizes::count(text)?).filter(|requests| *requests <= MAX_REQUESTS);
    requests
        .map(to_len)
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| anyhow::anyhow!("requests are from 1 to {MAX_REQUESTS}"))
}

/// The letter of a slot.
pub(super) fn slot(text: &str) -> Result<char, anyhow::Error> {
    match text.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(char::from(*letter)),
        _ => Err(anyhow::anyhow!("a slot is named by its letter: a, b, ...")),
    }
}

/// Each client is a thread and up to a mebibyte.
const MAX_CLIENTS: u64 = 4096;

pub(super) fn clients(text: &str) -> Result<usize, anyhow::Error> {
    let clients = Some(sizes::count(text)?).filter(|it| (1..=MAX_CLIENTS).contains(it));
    clients.map(to_len).ok_or_else(|| anyhow::anyhow!("clients are from 1 to {MAX_CLIENTS}"))
}

pub(super) fn seconds(text: &str) -> Result<Duration, anyhow::Error> {
    let seconds = sizes::count(text)?;
    anyhow::ensure!((1..=86_400).contains(&seconds), "seconds are from 1 to 86400, a day");
    Ok(Duration::from_secs(seconds))
}

pub(super) fn mode(text: &str) -> Result<u32, anyhow::Error> {
    let octal = text.len() <= 4 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| anyhow::anyhow!("a mode is up to three octal digits, such as 660"))
}

pub(super) fn fec_roots(text: &str) -> Result<u32, anyhow::Error> {
    let roots = u32::try_from(sizes::count(text)?).ok();
    let roots = roots.filter(|roots| FecArea::ROOTS.contains(roots));
    roots.ok_or_else(|| anyhow::anyhow!("roots are from 2 to 24"))
}
