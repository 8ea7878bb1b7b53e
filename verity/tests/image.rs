//! An image is made whole: in which order, and what a failure of any step leaves.

use std::io;
use std::ops::Range;
use std::sync::Mutex;

use verity::io::{MemoryFile, ReadAt, WriteAt};
use verity::{
    Builder, BuiltImage, Error, FecArea, HashArea, HashAreaError, ImageBuilder, Params, Plan,
    RootHash, Salt, StreamBuilder, Superblock, TrustedParams, Verifier, uuid_from_seed,
};
use verity_testdata::pattern::painted;

const DATA: usize = 300 * 4096;

/// What a device was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    SetLen(u64),
    Write(Range<u64>),
    Sync,
}

/// A device that keeps account, and fails at the call of a number.
struct Device {
    file: MemoryFile,
    calls: Mutex<Vec<Call>>,
    fails_at: Option<usize>,
}

impl Device {
    fn new(file: MemoryFile, fails_at: Option<usize>) -> Device {
        Device { file, calls: Mutex::default(), fails_at }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn note(&self, call: Call) -> io::Result<()> {
        let mut calls = self.calls.lock().unwrap();
        let number = calls.len();
        calls.push(call);
        match self.fails_at == Some(number) {
            true => Err(io::Error::other("planted")),
            false => Ok(()),
        }
    }
}

impl ReadAt for Device {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.file)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }
}

impl WriteAt for Device {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.note(Call::Write(offset..offset + buf.len() as u64))?;
        self.file.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.note(Call::SetLen(len))?;
        self.file.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.note(Call::Sync)
    }
}

fn plan(seed: &str) -> Plan {
    let params = Params::builder().salt(Salt::from_seed(seed));
    let plan = Plan::for_image(params, DATA as u64, true).unwrap();
    plan.with_uuid(uuid_from_seed(seed))
}

fn file_of(bytes: &[u8]) -> MemoryFile {
    let file = MemoryFile::new();
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// One thread, so that calls come in one order.
fn build(plan: &Plan, data: &[u8], hash: &Device) -> Result<BuiltImage, Error> {
    let builder = ImageBuilder::new(plan).with(|builder| builder.threads(1.try_into().unwrap()));
    builder.build(data, hash)
}

/// Root hash and hash device, made by single steps.
fn by_hand(plan: &Plan, data: &[u8]) -> (RootHash, Vec<u8>) {
    let (hash, area) = (MemoryFile::new(), plan.hash_area());
    let builder = Builder::new(plan.params());
    let root_hash = match plan.fec_area() {
        Some(fec) => builder.build_with_fec(data, &hash, &area, &hash, &fec).unwrap(),
        None => builder.build(data, &hash, &area).unwrap(),
    };
    let superblock = Superblock::new(plan.params().clone(), plan.uuid());
    hash.write_all_at(&superblock.to_bytes(), area.offset()).unwrap();
    (root_hash, hash.into_bytes())
}

#[test]
fn an_image_is_what_its_steps_make() {
    let data = painted(DATA);
    for plan in [plan("a"), plan("a").with_fec(2).unwrap()] {
        let hash = MemoryFile::new();
        let image = ImageBuilder::new(&plan).build(&data, &hash).unwrap();
        assert_eq!((image.root_hash(), hash.into_bytes()), by_hand(&plan, &data));
        assert_eq!(image.plan(), &plan);
    }
}

#[test]
fn the_superblock_comes_when_the_rest_has_reached_the_storage() {
    let hash = Device::new(MemoryFile::new(), None);
    build(&plan("a").with_fec(2).unwrap(), &painted(DATA), &hash).unwrap();
    let calls = hash.calls();
    let writes_superblock = |call: &Call| matches!(call, Call::Write(range) if range.start == 0);
    assert_eq!(calls.iter().filter(|call| writes_superblock(call)).count(), 1);
    assert_eq!(calls[0], Call::SetLen(9 * 4096));
    assert_eq!(calls[calls.len() - 3..], [Call::Sync, Call::Write(0..4096), Call::Sync]);

    // Where there was one, it is gone for good before the first block is written.
    let hash = Device::new(hash.file, None);
    build(&plan("b"), &painted(DATA), &hash).unwrap();
    assert_eq!(hash.calls()[..2], [Call::Write(0..512), Call::Sync]);
}

#[test]
fn a_failure_of_any_step_leaves_the_old_image_or_none() {
    let data = painted(DATA);
    let (_, old) = by_hand(&plan("old"), &data);
    let whole = Device::new(file_of(&old), None);
    let made = build(&plan("new"), &data, &whole).unwrap();
    let steps = whole.calls().len();
    assert!(steps > 5, "{steps}");
    for step in 0..steps {
        let hash = Device::new(file_of(&old), Some(step));
        let error = build(&plan("new"), &data, &hash).unwrap_err();
        assert_eq!(error.storage_error().unwrap().to_string(), "planted", "{step}");
        let left = hash.file.to_bytes();
        match Superblock::read(&hash.file, 0) {
            Ok(_) if left == old => assert_eq!(step, 0),
            // The last sync: all is written.
            Ok(_) => assert_eq!((step, &left), (steps - 1, &whole.file.to_bytes())),
            Err(_) => {}
        }
    }
    let (params, area) = (made.plan().params().clone(), made.plan().hash_area());
    let trusted = TrustedParams::pinned(params, made.root_hash(), area).unwrap();
    Verifier::new(trusted).verify(&data, &whole.file).unwrap();
}

#[test]
fn what_lies_behind_stays_and_what_lies_between_is_the_callers_to_say() {
    let (data, area) = (painted(DATA), plan("a").hash_area());
    let noise = vec![0xee; 10 * 4096];
    let end = usize::try_from(area.end()).unwrap();
    for keeps in [false, true] {
        let hash = file_of(&noise);
        let plan = plan("a");
        let builder = ImageBuilder::new(&plan);
        let builder = if keeps { builder.keep_padding() } else { builder };
        builder.build(&data, &hash).unwrap();
        let bytes = hash.into_bytes();
        assert_eq!(bytes[end..], noise[end..]);
        let padding = if keeps { 0xee } else { 0 };
        assert!(bytes[512..4096].iter().all(|byte| *byte == padding), "{keeps}");
    }
}

#[test]
fn one_file_holds_all_of_it_and_two_devices_hold_the_parity_apart() {
    let data = painted(DATA);
    let params = plan("a").params().clone();
    let one = Plan::behind_data(params.clone(), true).unwrap().with_fec(2).unwrap();
    let file = file_of(&data);
    let image = ImageBuilder::new(&one).build_behind_data(&file).unwrap();
    assert_eq!(file.to_bytes().len() as u64, one.end());
    assert_eq!(file.to_bytes()[..DATA], data);

    let fec_area = FecArea::new(&params, &one.hash_area(), 2, 304, 0).unwrap();
    let apart = Plan::new(params, one.hash_area()).unwrap().with_fec_area(fec_area).unwrap();
    let (file, fec) = (file_of(&data), Device::new(MemoryFile::new(), None));
    let other = ImageBuilder::new(&apart).build_with_fec_device(&data, &file, &fec).unwrap();
    assert_eq!(other.root_hash(), image.root_hash());
    assert_eq!(fec.calls().last(), Some(&Call::Sync));
    assert_eq!(fec.file.to_bytes().len() as u64, fec_area.range().end);
}

#[test]
fn what_does_not_belong_together_is_refused_before_anything_is_written() {
    let (data, other) = (painted(DATA), plan("other"));
    let hash = Device::new(MemoryFile::new(), None);
    let planned = plan("a");
    let builder = ImageBuilder::new(&planned).with(|_| Builder::new(other.params()));
    let refused = builder.build(&data, &hash);
    assert!(matches!(refused, Err(Error::HashArea(HashAreaError::OtherParams))), "{refused:?}");
    let file = Device::new(file_of(&data), None);
    let refused = ImageBuilder::new(&planned).build_behind_data(&file);
    let overlaps = matches!(refused, Err(Error::HashArea(HashAreaError::OverlapsData { .. })));
    assert!(overlaps, "{refused:?}");
    assert_eq!((hash.calls(), file.calls()), (vec![], vec![]));
    let small = Params::builder().data_blocks(2).build().unwrap();
    assert!(Plan::new(small, HashArea::new(planned.params(), 0, true).unwrap()).is_err());
}

#[test]
fn pushed_data_becomes_the_same_image() {
    let data = painted(DATA);
    let hash = MemoryFile::new();
    let params = Params::builder().salt(Salt::from_seed("a"));
    let mut stream = StreamBuilder::with_unknown_length(params, &hash, 0, true).unwrap();
    stream.push(&data).unwrap();
    let streamed = stream.finish().unwrap();
    let wanted = plan("a").with_fec(2).unwrap();
    let plan = streamed.plan().unwrap().with_uuid(wanted.uuid()).with_fec(2).unwrap();
    assert_eq!(plan, wanted);
    let fec_area = plan.fec_area().unwrap();
    streamed.build_fec(&Builder::new(plan.params()), &data, &hash, &hash, &fec_area).unwrap();
    let image = ImageBuilder::new(&plan).finish(&streamed, &hash).unwrap();
    assert_eq!((image.root_hash(), hash.to_bytes()), by_hand(&wanted, &data));
    let other = self::plan("other");
    let refused = ImageBuilder::new(&other).finish(&streamed, &hash);
    assert!(matches!(refused, Err(Error::HashArea(HashAreaError::OtherParams))), "{refused:?}");
}

/// A device of which nothing can be read.
struct Unreadable(Device);

impl ReadAt for Unreadable {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::Error::other("planted"))
    }
}

impl WriteAt for Unreadable {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.0.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[test]
fn what_cannot_be_read_is_taken_for_a_superblock_and_zeros_are_left() {
    let hash = Device::new(file_of(&[0; 1024]), None);
    Superblock::erase(&hash, 512).unwrap();
    assert_eq!(hash.calls(), []);
    let hash = Unreadable(hash);
    Superblock::erase(&hash, 512).unwrap();
    assert_eq!(hash.0.calls(), [Call::Write(512..1024), Call::Sync]);
}
