//! Seeded runs over storage on which anything can go wrong with any call: whatever the library
//! takes for right is right, what only delays it makes no difference, and every run ends.

use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use verity::io::{ReadAt, WriteAt};
use verity::{BlockRef, Builder, Error, FecRepair, RepairSink, VerifiedReader, Verifier};
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use crate::repair::case::{Checked, Damage, Damages, Disk, Image, Shape, some_of};
use crate::repair::model::outcome;

/// How long one run may take; most take some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Calls are short, interrupted and slow, and get through in the end.
    Slow,
    /// Calls also fail, and devices end early.
    Failing,
    /// Reads also give other bytes, once or from some call on.
    Lying,
}

/// A device in bad weather. Which calls it strikes follows from a seed.
struct Stormy<S> {
    device: S,
    weather: Weather,
    seed: u64,
    /// One call of so many is struck.
    rarity: u64,
    calls: AtomicU64,
    /// From this call on other bytes are read.
    changes: u64,
    /// Whether bytes were ever other ones.
    has_lied: AtomicBool,
}

impl<S> Stormy<S> {
    fn new(device: S, weather: Weather, prng: &mut Prng) -> Stormy<S> {
        let changes = match weather {
            Weather::Lying if prng.one_in(2) => prng.below(40),
            _ => u64::MAX,
        };
        let (seed, rarity) = (prng.next_u64(), prng.range(2..=60));
        let (calls, has_lied) = (AtomicU64::new(0), AtomicBool::new(false));
        Stormy { device, weather, seed, rarity, calls, changes, has_lied }
    }

    fn has_lied(&self) -> bool {
        self.has_lied.load(Ordering::Relaxed)
    }

    /// The number of a call, and the dice for it.
    fn call(&self) -> (u64, Prng) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        (call, Prng::new(self.seed ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// What strikes a call, if anything does: an end of it, or how many bytes it takes at the most.
    fn strike(&self, prng: &mut Prng, size: usize) -> io::Result<usize> {
        if !prng.one_in(self.rarity) || size == 0 {
            return Ok(size);
        }
        let kinds = if self.weather == Weather::Slow { 3 } else { 6 };
        match prng.below(kinds) {
            0 => Ok(1 + prng.index(size)),
            1 => Err(ErrorKind::Interrupted.into()),
            2 => {
                thread::sleep(Duration::from_micros(prng.below(200)));
                Ok(size)
            }
            3 => Err(io::Error::from_raw_os_error(5)),
            4 => Err(io::Error::from_raw_os_error(28)),
            // The end of the device.
            _ => Ok(0),
        }
    }
}

impl<S: ReadAt> ReadAt for Stormy<S> {
    fn len(&self) -> io::Result<u64> {
        self.device.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (call, mut prng) = self.call();
        let size = self.strike(&mut prng, buf.len())?;
        let read = self.device.read_at(&mut buf[..size], offset)?;
        let lies = self.weather == Weather::Lying && prng.one_in(self.rarity);
        if (lies || call >= self.changes) && read > 0 {
            self.has_lied.store(true, Ordering::Relaxed);
            buf[prng.index(read)] ^= 1 << prng.below(8);
        }
        Ok(read)
    }
}

impl<S: WriteAt> WriteAt for Stormy<S> {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let size = self.strike(&mut self.call().1, buf.len())?;
        if size == 0 { Ok(0) } else { self.device.write_at(&buf[..size], offset) }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.strike(&mut self.call().1, 1).or_else(|error| match error.kind() {
            // Nobody tries again to set a length.
            ErrorKind::Interrupted => Ok(1),
            _ => Err(error),
        })?;
        self.device.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }
}

/// A sink that now and then cannot take a block.
struct StormySink<'a>(Checked<'a>, Stormy<()>);

impl RepairSink for StormySink<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        match self.1.strike(&mut self.1.call().1, 1) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => self.0.put(block, bytes),
        }
    }
}

/// An image, the damage to it, and the weather.
struct Run {
    prng: Prng,
    image: Image,
    damages: Damages,
    weather: Weather,
    threads: NonZeroUsize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut prng = Prng::new(seed);
        let roots = u32::try_from(prng.range(2..=24)).unwrap();
        let shape = Shape { zeros: prng.below(30), ..Shape::small(prng.range(1..=400), roots) };
        let image = Image::new(&mut prng, shape);
        let proved: Vec<u64> = image.proved().collect();
        let count = *prng.pick(&[0, 0, 1, 3, 30]);
        let damages = some_of(&mut prng, &proved, count);
        let damages = damages.into_iter().map(|block| (block, Damage::Changed)).collect();
        let weather = *prng.pick(&[Weather::Slow, Weather::Failing, Weather::Lying]);
        let threads = NonZeroUsize::new(1 + prng.index(3)).unwrap();
        Run { prng, image, damages, weather, threads }
    }

    fn is_slow(&self) -> bool {
        self.weather == Weather::Slow
    }

    fn storm<S>(&mut self, device: S) -> Stormy<S> {
        Stormy::new(device, self.weather, &mut self.prng)
    }

    /// The damaged devices: data, hash area, parity.
    fn devices(&mut self) -> [Stormy<Disk>; 3] {
        let mut disks = self.image.disks();
        disks.damage(&self.image, &mut self.prng, &self.damages);
        [disks.data, disks.hash, disks.fec].map(|disk| self.storm(disk))
    }

    fn all(mut self) {
        self.build();
        self.verify();
        self.read();
        self.repair();
    }

    fn build(&mut self) {
        let source = self.storm(self.image.data.clone());
        let [hash, fec] = [(); 2].map(|()| self.storm(Mutex::new(Vec::new())));
        let Image { params, hash_area, fec_area, .. } = &self.image;
        let builder = Builder::new(params).threads(self.threads);
        match builder.build_with_fec(&source, &hash, hash_area, &fec, fec_area) {
            Ok(_) if source.has_lied() => {}
            Ok(root_hash) => {
                assert_eq!(root_hash, self.image.root_hash);
                // Parity is made of what is read back of both.
                let has_lied = hash.has_lied() || fec.has_lied();
                let tree = hash_area.tree_range();
                let tree = usize::try_from(tree.start).unwrap()..usize::try_from(tree.end).unwrap();
                let written = hash.device.into_inner().unwrap();
                // Of one data block there is no tree, and nothing is written.
                let written_tree = written.get(tree.clone()).unwrap_or(&[]);
                assert!(*written_tree == self.image.hash[tree], "the tree");
                let is_right = fec.device.into_inner().unwrap() == self.image.fec;
                assert!(is_right || has_lied, "the parity");
            }
            Err(error) => assert!(!self.is_slow(), "{error}"),
        }
    }

    fn verify(&mut self) {
        for all in [false, true] {
            let [data, hash, _] = self.devices();
            let verifier = Verifier::new(self.image.trusted()).threads(self.threads);
            let verified = match all {
                true => verifier.verify_all(&data, &hash),
                false => verifier.verify(&data, &hash),
            };
            let is_whole = self.damages.is_empty();
            match verified {
                Ok(_) => assert!(is_whole, "a damaged image was verified"),
                Err(Error::Corrupt(_)) => {
                    assert!(!is_whole || data.has_lied() || hash.has_lied(), "nothing is corrupt");
                }
                Err(error) => assert!(!self.is_slow(), "{error}"),
            }
        }
    }

    /// Reads by a reader that repairs what it can, and by one that cannot.
    fn read(&mut self) {
        for with_repair in [false, true] {
            let [data, hash, fec] = self.devices().map(Arc::new);
            let trusted = self.image.trusted();
            let reader = VerifiedReader::new(trusted.clone(), Arc::clone(&data), Arc::clone(&hash));
            let mut reader = reader.unwrap().cache_size(*self.prng.pick(&[0, 3000, 1 << 20]));
            if with_repair {
                let repair = FecRepair::new(trusted, self.image.fec_area, data, hash, fec);
                reader = reader.repair(Arc::new(repair.unwrap()));
            }
            for _ in 0..8 {
                self.read_once(&reader);
            }
        }
    }

    fn read_once<D: ReadAt, H: ReadAt>(&mut self, reader: &VerifiedReader<D, H>) {
        let size = self.image.data.len();
        let start = self.prng.index(size);
        let expected = &self.image.data[start..];
        let mut bytes = vec![0xaa; 1 + self.prng.index(64 << 10)];
        let whole = bytes.len().min(expected.len());
        match reader.read_at(&mut bytes, start.try_into().unwrap()) {
            Ok(read) => assert!(read == whole && bytes[..read] == expected[..read]),
            Err(error) => {
                let verified = error.verified;
                assert!(verified < whole && bytes[..verified] == expected[..verified], "{error}");
                assert!(bytes[verified..].iter().all(|byte| *byte == 0xaa), "{error}");
                assert!(!self.is_slow() || !self.damages.is_empty(), "{error}");
            }
        }
    }

    fn repair(&mut self) {
        let [data, hash, fec] = self.devices();
        let storm = self.storm(());
        let sink = StormySink(Checked::new(&self.image), storm);
        let repairer = self.image.repairer().threads(self.threads);
        let repaired = repairer.repair(&data, &hash, &fec, &sink);
        // The sink has seen right blocks alone, or it would have ended the run.
        match repaired {
            Ok(repaired) if self.is_slow() => {
                let expected = outcome(&self.image, &self.damages);
                assert_eq!(repaired.repaired_blocks, expected.recovered.len() as u64);
                assert_eq!(repaired.beyond.is_none(), expected.corrupt.is_empty());
                assert_eq!(sink.0.seen.into_inner().unwrap(), expected.recovered);
            }
            Ok(repaired) => {
                assert_eq!(repaired.repaired_blocks, sink.0.count());
                let has_lied = data.has_lied() || hash.has_lied();
                let missing = self.damages.len() as u64 > sink.0.count();
                assert!(repaired.beyond.is_some() || !missing || has_lied, "something is left");
            }
            Err(error) => assert!(!self.is_slow(), "{error}"),
        }
    }
}

/// `VERITY_FAULT_RUNS` says how many runs there are with those of the command, `VERITY_TEST_SEED`
/// which.
#[test]
fn i09_whatever_goes_wrong_with_storage_nothing_wrong_is_taken_for_right() {
    let seed = cases::seed();
    for number in 0..cases::fault_runs(60) {
        let seed = seed.wrapping_add(number);
        let (done, heard) = mpsc::channel::<()>();
        let run = thread::spawn(move || {
            Run::new(seed).all();
            drop(done);
        });
        let timed_out = heard.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        assert!(!timed_out, "VERITY_TEST_SEED={seed:#x}: it does not end");
        assert!(run.join().is_ok(), "VERITY_TEST_SEED={seed:#x}: see above");
    }
}
