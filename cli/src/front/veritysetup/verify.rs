//! `verify`: checks data and tree against a root hash, and what parity could repair.
//!
//! Errors count as repairable only if every corrupt block was recovered and then hashed as the root
//! hash says. The original believes its decoder instead, and exits with 0 on data that does not
//! match the root hash.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::internals::{to_len, to_u64};
use verity::io::ReadAt;
use verity::publish::Input;
use verity::{
    BlockRef, Corruption, Digest, Error, FecArea, FecError, HashArea, Params, RepairSink, Repaired,
    Repairer, Report, RootHash, TrustError, TrustedParams, Verifier,
};

use super::args::{Options, Request};
use super::codes::{Code, Failure};
use super::console::Console;
use super::devices;
use super::geometry::{self, Given};
use super::root_hash;
use crate::context::threads_or_all;
use crate::progress::Stop;
use crate::signals::Signals;

/// Checks an image.
pub(super) fn run(request: &Request, console: Console, signals: &Signals) -> Result<(), Failure> {
    let Request { arguments, options, .. } = request;
    root_hash::require(options, arguments.get(2))?;
    let image = Image::open(options, Path::new(&arguments[0]), Path::new(&arguments[1]))?;
    let algorithm = image.trusted.params().algorithm();
    let root_hash = root_hash::given(options, arguments.get(2), algorithm)?;
    let image = Image { trusted: against(&image.trusted, root_hash)?, ..image };
    image.tell(console);
    match image.verify(image.trusted.clone(), signals) {
        Ok(()) => Ok(()),
        Err(error) => image.judge(error, console, signals),
    }
}

/// An image that is there.
struct Image<'a> {
    options: &'a Options,
    data: Input,
    hash: Input,
    fec: Option<Input>,
    trusted: TrustedParams,
}

/// Parameters that nothing vouches for: the superblock's, or the caller's.
fn believed(params: Params, root_hash: RootHash, area: HashArea) -> Result<TrustedParams, Failure> {
    let believed = TrustedParams::from_unauthenticated_assumptions(params, root_hash, area);
    believed.map_err(|error: TrustError| Failure::parameters(error.to_string()))
}

/// The same parameters with another root hash.
fn against(trusted: &TrustedParams, root_hash: RootHash) -> Result<TrustedParams, Failure> {
    believed(trusted.params().clone(), root_hash, trusted.hash_area())
}

impl<'a> Image<'a> {
    /// Opens the devices; the root hash is not known yet.
    fn open(options: &'a Options, data: &Path, hash: &Path) -> Result<Image<'a>, Failure> {
        let hash = devices::open(hash)?;
        let data = devices::open(data)?;
        devices::check_size(&data)?;
        let params = match options.no_superblock {
            true => Given::all(options, &data, &hash)?,
            false => geometry::read_superblock(options, &hash)?.params().clone(),
        };
        let area = geometry::hash_area(options, &params)?;
        let fec = geometry::open_fec(options, &hash, !options.no_superblock)?;
        if let (true, Some(fec)) = (options.no_superblock, &fec) {
            geometry::check_fec_behind_data(options, &params, &data, fec)?;
        }
        let unknown = Digest::new(&vec![0; to_len(u64::from(params.algorithm().digest_size()))]);
        let unknown = unknown.map_err(|error| Failure::parameters(error.to_string()))?;
        let trusted = believed(params, RootHash::new(unknown), area)?;
        Ok(Image { options, data, hash, fec, trusted })
    }

    fn tell(&self, console: Console) {
        let params = self.trusted.params();
        console.step(&format!("Verifying VERITY device using hash {}.", params.algorithm()));
        console.step(&format!("Using {} hash levels.", params.geometry().levels().len()));
    }

    fn verify(&self, trusted: TrustedParams, signals: &Signals) -> Result<(), Error> {
        let stop = Stop::new(signals);
        let verifier = Verifier::new(trusted).threads(threads_or_all(None)).progress(&stop);
        verifier.verify(self.data.file(), self.hash.file()).map(drop)
    }

    /// Says what is wrong, and whether parity could make it right.
    fn judge(&self, error: Error, console: Console, signals: &Signals) -> Result<(), Failure> {
        let Error::Corrupt(report) = &error else {
            return Err(Failure::parameters(DATA_AREA));
        };
        let failure = self.corrupt(report, signals);
        let Some(fec) = &self.fec else { return Err(failure) };
        failure.lines.iter().for_each(|line| console.error(line));
        let beyond = || Failure::new(Code::NoPermission, BEYOND_REPAIR);
        let area = self.fec_area(fec).map_err(|error| match error {
            FecError::BlockSizes { .. } | FecError::Roots { .. } => {
                geometry::fec_failure(&error).twice().and(BEYOND_REPAIR)
            }
            _ => beyond(),
        })?;
        let count = Count { image: self, bytes: AtomicU64::new(0) };
        match self.recover(area, fec, &count, signals) {
            Ok(repaired) if repaired.beyond.is_none() && repaired.repaired_blocks > 0 => {
                let errors = count.bytes.into_inner();
                console.error(&format!("Found {errors} repairable errors with FEC device."));
                Ok(())
            }
            _ => Err(beyond()),
        }
    }

    fn fec_area(&self, fec: &Input) -> Result<FecArea, FecError> {
        let (params, area) = (self.trusted.params(), self.trusted.hash_area());
        geometry::existing_fec_area(self.options, params, &area, &self.hash, fec)
    }

    /// Looks for every corrupt block, recovers it from the parity and hashes it again.
    fn recover(
        &self,
        area: FecArea,
        fec: &Input,
        count: &Count<'_>,
        signals: &Signals,
    ) -> Result<Repaired, Error> {
        let stop = Stop::new(signals);
        // Whether the kernel could repair it, which has parity alone.
        let repairer = Repairer::new(self.trusted.clone(), area)?.by_parity_alone();
        let repairer = repairer.threads(threads_or_all(None)).progress(&stop);
        repairer.repair(self.data.file(), self.hash.file(), fec.file(), count)
    }

    /// The first corruption, where it is, as the original tells it.
    fn corrupt(&self, report: &Report, signals: &Signals) -> Failure {
        if self.is_another_root_hash(report, signals) {
            return Failure::parameters("Verification of root hash failed.");
        }
        let failed = Failure::silent(Code::NoPermission);
        let failed = match report.corruptions.first() {
            None => failed,
            Some(range) => {
                let position = self.position(range.first);
                match &range.corruption {
                    Corruption::SpareBytes { offset, .. } => {
                        let position = position.saturating_add(*offset);
                        failed.and(format!("Spare area is not zeroed at position {position}."))
                    }
                    _ => failed.and(format!("Verification failed at position {position}.")),
                }
            }
        };
        failed.and(DATA_AREA)
    }

    /// Whether data and tree fit each other, so that the root hash is that of another image.
    fn is_another_root_hash(&self, report: &Report, signals: &Signals) -> bool {
        let Some(range) = report.corruptions.first() else { return false };
        let Corruption::Digest { actual, .. } = range.corruption else { return false };
        let levels = self.trusted.params().geometry().levels().len();
        let is_top = match range.first {
            BlockRef::Hash { level, .. } => usize::from(level) + 1 == levels,
            BlockRef::Data { .. } => levels == 0,
        };
        let trusted = against(&self.trusted, RootHash::new(actual));
        is_top && trusted.is_ok_and(|trusted| self.verify(trusted, signals).is_ok())
    }

    /// Where a block begins on its device, in bytes.
    fn position(&self, block: BlockRef) -> u64 {
        let (params, area) = (self.trusted.params(), self.trusted.hash_area());
        match block {
            BlockRef::Data { block } => block.saturating_mul(params.data_block_size().into()),
            BlockRef::Hash { level, block } => area.offset_of(params, level, block),
        }
    }

    /// The device that a block lies on.
    fn device(&self, block: BlockRef) -> &Input {
        match block {
            BlockRef::Data { .. } => &self.data,
            BlockRef::Hash { .. } => &self.hash,
        }
    }
}

const BEYOND_REPAIR: &str = "Errors cannot be repaired with FEC device.";

const DATA_AREA: &str = "Verification of data area failed.";

/// Counts the bytes that were wrong in blocks that were recovered.
struct Count<'a> {
    image: &'a Image<'a>,
    bytes: AtomicU64,
}

impl RepairSink for Count<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        let mut stored = vec![0; bytes.len()];
        let device = self.image.device(block).file();
        let position = self.image.position(block);
        let errors = match device.read_exact_at(&mut stored, position) {
            Ok(()) => bytes.iter().zip(&stored).filter(|(a, b)| a != b).count(),
            // A block that cannot be read is lost as a whole.
            Err(_) => bytes.len(),
        };
        self.bytes.fetch_add(to_u64(errors), Ordering::Relaxed);
        Ok(())
    }
}
