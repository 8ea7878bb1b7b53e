//! The proof that an image is in its slot: all of it read back from the root hash, by new
//! descriptors.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use verity::internals::to_len;
use verity::io::ReadAt;
use verity::update::{Settings, is_zero};

use super::source::Source;
use super::target::{Target, TargetDevice, rest};
use crate::context::{Context, threads_or_all};
use crate::error::{Class, CommandError, OrFail};
use crate::image::{self, Device, Effort, FreshDevice, OpenedImage, ReadBack};
use crate::library_error::from_library;
use crate::parameters::ParitySource;
use crate::progress::Stop;

/// An image that was read back.
pub(super) struct Proof {
    pub(super) how: ReadBack,
    pub(super) parity_rounds: Option<u64>,
}

/// Reads everything back and holds it against the root hash, the manifest and the certificate.
pub(super) fn read_back(
    source: &Source,
    target: &Target,
    threads: Option<NonZeroUsize>,
    context: &Context,
) -> Result<Proof, CommandError> {
    let manifest = source.verified.manifest();
    let data = fresh(&target.data, 0..manifest.image().size_bytes())?;
    let hash = fresh(&target.hash, 0..target.hash.size())?;
    // The weaker of both.
    let how = match [&data, &hash].iter().all(|it| it.read_back() == ReadBack::Direct) {
        true => ReadBack::Direct,
        false => ReadBack::CacheDropped,
    };
    let (data, hash) = (Arc::new(Device::Fresh(data)), Arc::new(Device::Fresh(hash)));
    let parity = ParitySource::default();
    let image = OpenedImage::of_manifest(&source.verified, data, hash, &parity)?;
    let image = image.require_superblock()?;
    let threads = threads_or_all(threads);
    let threads = Some(match how {
        ReadBack::Direct => twice(threads),
        ReadBack::CacheDropped => threads,
    });
    let effort = Effort { parity: true, threads, ..Effort::default() };
    let verification = image::verify(&image, effort, context)?;
    read_back_rest(source, target, context)?;
    Ok(Proof { how, parity_rounds: verification.parity_rounds })
}

/// Nothing reads ahead of direct reads: half of those who read wait for the device while the others
/// hash. Who allows one thread gets no more.
fn twice(threads: NonZeroUsize) -> NonZeroUsize {
    match threads {
        NonZeroUsize::MIN => threads,
        _ => threads.saturating_mul(const { NonZeroUsize::new(2).unwrap() }),
    }
}

/// The zeros beside the image, and what the signature partition holds.
fn read_back_rest(source: &Source, target: &Target, context: &Context) -> Result<(), CommandError> {
    let stop = Stop::new(&context.signals);
    let settings = Settings::new().progress(&stop);
    let refused = |device: &TargetDevice, words: &str| {
        Err(CommandError::message(Class::NotVerified, words).at(device.name()))
    };
    for (device, range) in rest(source, target) {
        let found = is_zero(&fresh(device, 0..device.size())?, range, &settings);
        let name = device.name();
        if !found.map_err(|error| from_library(error, name, name, &context.signals))? {
            return refused(device, "what lies beside the image is not read back as zeros");
        }
    }
    if let (Some(device), Some(bytes)) = (&target.signature, &source.signature) {
        let mut there = vec![0; bytes.len()];
        let reading = fresh(device, 0..device.size())?;
        reading.read_exact_at(&mut there, 0).or_fail(Class::Io, device.name())?;
        if there != *bytes {
            return refused(device, "the signature is not read back as it was written");
        }
    }
    Ok(())
}

/// Opens some bytes of a device again.
fn fresh(device: &TargetDevice, range: Range<u64>) -> Result<FreshDevice, CommandError> {
    let (opened, own) = device.place();
    let range = own.start + range.start..own.start + range.end;
    debug_assert!(to_len(range.end - range.start) <= to_len(device.size()));
    FreshDevice::open(opened, range, device.name())
}
