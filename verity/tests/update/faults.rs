//! Writes and syncs that fail, and power that fails: the slot verifies as nothing or as the image,
//! and the next run goes on.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use verity::internals::to_len;
use verity::io::{ReadAt, WriteAt};
use verity_testdata::cases;
use verity_testdata::pattern::Prng;

use super::edits;
use super::support::{BLOCK, Image, Installed, Judged, install, settings};

/// Two devices on one disk that loses what was not synced, and takes only so many calls.
#[derive(Clone)]
struct Storage(Arc<Mutex<State>>);

struct State {
    /// What was written, and what of it is on the storage for good.
    now: [Vec<u8>; 2],
    durable: [Vec<u8>; 2],
    /// Writes that were not synced: device, offset, bytes.
    pending: Vec<(usize, usize, Vec<u8>)>,
    /// Calls that are still answered.
    left: u64,
    /// Whether a failed call is the last one, or the only one that fails.
    is_cut: bool,
    calls: u64,
}

struct Device {
    storage: Storage,
    number: usize,
}

impl Storage {
    fn new(data: &[u8], hash: &[u8], left: u64, is_cut: bool) -> Storage {
        let now = [data.to_vec(), hash.to_vec()];
        let durable = now.clone();
        let pending = Vec::new();
        Storage(Arc::new(Mutex::new(State { now, durable, pending, left, is_cut, calls: 0 })))
    }

    fn devices(&self) -> [Device; 2] {
        [0, 1].map(|number| Device { storage: self.clone(), number })
    }

    /// What is found when the power comes back: of the writes that were not synced, some.
    fn after_cut(&self, prng: &mut Prng) -> [Vec<u8>; 2] {
        let state = self.0.lock().unwrap();
        let mut found = state.durable.clone();
        let (all, none) = (prng.one_in(3), prng.one_in(3));
        for (device, offset, bytes) in &state.pending {
            if all || (!none && prng.one_in(2)) {
                found[*device][*offset..*offset + bytes.len()].copy_from_slice(bytes);
            }
        }
        found
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.left == 0 {
            if !self.is_cut {
                self.left = u64::MAX;
            }
            return Err(io::Error::from_raw_os_error(5));
        }
        self.left -= 1;
        Ok(())
    }
}

impl ReadAt for Device {
    fn len(&self) -> io::Result<u64> {
        Ok(self.storage.0.lock().unwrap().now[self.number].len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.storage.0.lock().unwrap().now[self.number].read_at(buf, offset)
    }
}

impl WriteAt for Device {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.storage.0.lock().unwrap();
        state.call()?;
        let offset = to_len(offset);
        state.now[self.number][offset..offset + buf.len()].copy_from_slice(buf);
        // A sector at a time may be lost.
        for (sector, bytes) in buf.chunks(512).enumerate() {
            state.pending.push((self.number, offset + sector * 512, bytes.to_vec()));
        }
        Ok(buf.len())
    }

    fn resize(&self, _len: u64) -> io::Result<()> {
        panic!("a slot keeps its size")
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.storage.0.lock().unwrap();
        state.call()?;
        let number = self.number;
        let (synced, others): (Vec<_>, Vec<_>) =
            state.pending.drain(..).partition(|(device, _, _)| *device == number);
        state.pending = others;
        for (device, offset, bytes) in synced {
            state.durable[device][offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(())
    }
}

/// Runs an installation on storage that ends at some call; returns it, and whether all went well.
fn run(
    new: &Image,
    seed: &[u8],
    [data, hash]: [&[u8]; 2],
    left: u64,
    is_cut: bool,
) -> (Storage, bool) {
    let storage = Storage::new(data, hash, left, is_cut);
    let [data, hash] = storage.devices();
    let destroyed = 0..new.hash.len();
    let data = Judged::new(data, &new.data, 0..0);
    let hash = Judged::new(hash, &new.hash, destroyed);
    let seeds: [&dyn ReadAt; 1] = [&seed];
    let done = install(new, (&new.data, &new.hash), &seeds, (&data, &hash), &settings(1));
    (storage, done.is_ok())
}

#[test]
fn u02_a_cut_at_every_call_leaves_a_slot_that_verifies_as_nothing_and_can_be_gone_on_with() {
    let seed = cases::seed();
    for case in 0..u64::from(cases::cases(500)) / 100 {
        println!("VERITY_TEST_SEED={seed} case {case}");
        let prng = &mut Prng::new(seed ^ case);
        let old = edits::image(prng);
        let new = Image::new(edits::edited(&old, prng), "new", case % 2 == 0);
        // The slot has an image of its own, of the same name and size of blocks.
        let mut before = Image::new(edits::edited(&old, prng), "before", case % 2 == 0);
        before.data.resize(before.data.len().max(new.data.len()), 0);
        before.hash.resize(before.hash.len().max(new.hash.len()), 0);
        let slot = [&before.data[..], &before.hash[..]];
        let (whole, is_done) = run(&new, &old, slot, u64::MAX, true);
        assert!(is_done);
        let calls = whole.0.lock().unwrap().calls;
        for (left, is_cut) in (0..calls).flat_map(|left| [(left, true), (left, false)]) {
            let (storage, is_done) = run(&new, &old, slot, left, is_cut);
            assert!(!is_done, "a call that failed is told: {left} of {calls}");
            let [data, hash] = storage.after_cut(prng);
            let vouching = new.vouching();
            let is_vouched = hash[vouching.clone()] == new.hash[vouching];
            let is_one_block = new.area().hash_blocks() == 0;
            if is_vouched && !is_one_block {
                assert!(new.is_in(&data, &hash), "call {left} of {calls}");
            }
            // The next run goes on, and fetches no more than the first would have.
            let (storage, is_done) = run(&new, &old, [&data, &hash], u64::MAX, true);
            assert!(is_done);
            let [data, hash] = &storage.0.lock().unwrap().durable;
            assert!(data[..new.data.len()] == new.data && hash[..new.hash.len()] == new.hash);
        }
    }
}

/// A source that remembers what was asked of it.
struct Asked<'a> {
    bytes: &'a [u8],
    ranges: Mutex<Vec<Range<u64>>>,
}

impl<'a> Asked<'a> {
    fn new(bytes: &'a [u8]) -> Asked<'a> {
        Asked { bytes, ranges: Mutex::default() }
    }

    fn ranges(self) -> Vec<Range<u64>> {
        self.ranges.into_inner().unwrap()
    }
}

impl ReadAt for Asked<'_> {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.ranges.lock().unwrap().push(offset..offset + buf.len() as u64);
        self.bytes.read_at(buf, offset)
    }
}

/// What ends a run: its process, of which every write stays, or the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Process,
    Power,
}

/// One request is under way at a time, and each write is synced where the power may fail.
#[test]
fn u02_a_run_that_was_cut_off_fetches_again_only_what_was_on_its_way() {
    let data = Prng::new(18).bytes(120 * BLOCK);
    let new = Image::new(data, "new", true);
    let seed: Vec<u8> = new.data.chunks(BLOCK).step_by(3).collect::<Vec<_>>().concat();
    let seeds: [&dyn ReadAt; 1] = [&seed];
    let mut gone_on = 0;
    for end in [End::Process, End::Power] {
        let period = if end == End::Power { Duration::ZERO } else { Duration::MAX };
        let settings = settings(1).sync_every(period);
        let run = |storage: &Storage, source: &Asked<'_>| {
            let [data, hash] = storage.devices();
            let sources: (&dyn ReadAt, &dyn ReadAt) = (source, &new.hash);
            install(&new, sources, &seeds, (&data, &hash), &settings)
        };
        let empty = [vec![0xa5; new.data.len()], vec![0xa5; new.hash.len()]];
        for left in 0.. {
            let (storage, source) =
                (Storage::new(&empty[0], &empty[1], left, true), Asked::new(&new.data));
            if run(&storage, &source).is_ok() {
                break;
            }
            let mut before = source.ranges();
            let has_begun = !before.is_empty();
            before.pop();
            let [data, hash] = {
                let state = storage.0.lock().unwrap();
                if end == End::Power { state.durable.clone() } else { state.now.clone() }
            };
            let (storage, source) =
                (Storage::new(&data, &hash, u64::MAX, true), Asked::new(&new.data));
            let Installed { counts, tree_bytes, .. } = run(&storage, &source).unwrap();
            let is_again = |wanted: &Range<u64>| before.iter().any(|it| wanted.contains(&it.start));
            let after = source.ranges();
            assert!(!after.iter().any(is_again), "{end:?} {left}: {before:?}, then {after:?}");
            if has_begun {
                // The top hash block lets a slot verify: it is not there before the end.
                assert!(tree_bytes <= 1024, "{end:?} {left}");
                assert!(counts.fetched <= 80 - 2 * before.len() as u64);
                gone_on += 1;
            }
        }
    }
    assert!(gone_on > 100, "only {gone_on}");
}

#[test]
fn u03_a_slot_that_is_too_small_by_one_sector_is_refused_before_anything_is_written() {
    let new = Image::new(edits::image(&mut Prng::new(7)), "new", true);
    let short = |bytes: &[u8]| bytes[..bytes.len() - BLOCK].to_vec();
    for (data, hash) in
        [(short(&new.data), new.hash.clone()), (vec![0; new.data.len()], short(&new.hash))]
    {
        let (data, hash) = (Judged::data(&new, data), Judged::hash(&new, hash));
        let sources: (&dyn ReadAt, &dyn ReadAt) = (&new.data, &new.hash);
        let refused = install(&new, sources, &[], (&data, &hash), &settings(1)).unwrap_err();
        assert!(refused.to_string().contains("bytes, but the hash"), "{refused}");
        assert_eq!((data.written(), hash.written()), (0, 0));
    }
}
