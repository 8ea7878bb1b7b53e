//! I01, C05: each call of the sources goes wrong once, in each way, under each kind of read.

use std::io::{ErrorKind, Read};

use verity::io::{Cursor, ReadAt};
use verity::{BlockRef, Error, ReadError, VerifiedReader};
use verity_testdata::reference::Scheme;

use super::{UNTOUCHED, assert_right, corrupt, over, read_block, unreadable};
use crate::adversarial::storage::{Fault, Faulty};
use crate::adversarial::support::{Image, small, usize_of};

const ALL: [Fault; 8] = [
    Fault::Error,
    Fault::Short,
    Fault::End,
    Fault::Interrupted,
    Fault::WouldBlock,
    Fault::Stale,
    Fault::OtherPlace,
    Fault::TooMany,
];

type Reader<'a> = VerifiedReader<&'a Faulty<'a>, &'a Faulty<'a>>;

/// Reads in one way; says what it got, from which offset on, and what ended it.
type Way = fn(&Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)>;

/// With the bound of the cache for each, in bytes.
const WAYS: [(Way, u64); 6] = [
    (blocks, 0),
    (whole, u64::MAX),
    (whole, 0),
    (preloaded, u64::MAX),
    (as_a_source, u64::MAX),
    (as_a_cursor, u64::MAX),
];

/// One block at a time.
fn blocks(reader: &Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)> {
    let one = |block| match read_block(reader, block) {
        Ok(bytes) => (block * 512, bytes, None),
        Err(error) => (block * 512, Vec::new(), Some(error)),
    };
    [0, 150, 17, 299].map(one).into()
}

fn whole(reader: &Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)> {
    let mut bytes = vec![UNTOUCHED; 300 * 512];
    match reader.read_at(&mut bytes[..], 100) {
        Ok(size) => {
            assert_eq!(size, 300 * 512 - 100);
            bytes.truncate(size);
            vec![(100, bytes, None)]
        }
        Err(ReadError { verified, error, .. }) => {
            assert!(bytes[verified..].iter().all(|byte| *byte == UNTOUCHED));
            bytes.truncate(verified);
            vec![(100, bytes, Some(error))]
        }
    }
}

fn preloaded(reader: &Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)> {
    let result = reader.preload().err();
    let mut all = vec![(0, Vec::new(), result)];
    all.extend(whole(reader));
    all
}

fn as_a_source(reader: &Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)> {
    let mut bytes = vec![UNTOUCHED; 300 * 512];
    let (mut done, mut ended) = (0, None);
    while done < bytes.len() && ended.is_none() {
        match ReadAt::read_at(reader, &mut bytes[done..], done as u64) {
            Ok(size) => done += size,
            Err(error) => ended = Some(error.downcast::<ReadError>().expect("its own").error),
        }
    }
    assert!(bytes[done..].iter().all(|byte| *byte == UNTOUCHED));
    bytes.truncate(done);
    vec![(0, bytes, ended)]
}

fn as_a_cursor(reader: &Reader<'_>) -> Vec<(u64, Vec<u8>, Option<Error>)> {
    let mut bytes = Vec::new();
    let ended = Cursor::new(reader).read_to_end(&mut bytes).err();
    let ended = ended.map(|error| error.downcast::<ReadError>().expect("its own").error);
    vec![(0, bytes, ended)]
}

/// Right bytes, then nothing or the right error; returns how many errors there were.
fn check(
    image: &Image,
    fault: Fault,
    in_tree: bool,
    reads: &[(u64, Vec<u8>, Option<Error>)],
) -> usize {
    for (offset, bytes, error) in reads {
        let start = usize_of(*offset);
        assert!(image.data[start..][..bytes.len()] == bytes[..], "{fault:?}: wrong bytes");
        let (block, kind) = match error {
            None => continue,
            Some(Error::Read { block, source }) => (*block, Some(source.kind())),
            Some(Error::Corrupt(report)) => (report.corruptions[0].first, None),
            Some(error) => panic!("{fault:?}: {error}"),
        };
        assert_eq!(block.level().is_some(), in_tree, "{fault:?}: {block}");
        let expected = match fault {
            Fault::Error => Some(std::io::Error::from_raw_os_error(5).kind()),
            Fault::End => Some(ErrorKind::UnexpectedEof),
            Fault::WouldBlock => Some(ErrorKind::WouldBlock),
            Fault::TooMany => Some(ErrorKind::InvalidData),
            Fault::Stale | Fault::OtherPlace => None,
            Fault::Short | Fault::Interrupted => panic!("{fault:?}: {block}: {error:?}"),
        };
        assert_eq!(kind, expected, "{fault:?}: {block}: {error:?}");
        // The first block that is not there is the one that is named, or lies under it.
        let next = BlockRef::Data { block: (offset + bytes.len() as u64) / 512 };
        let named = next == block || image.ancestors(next).any(|above| above == block);
        assert!(named || bytes.is_empty(), "{fault:?}: {block}, but {next} is the next one");
    }
    reads.iter().filter(|(_, _, error)| error.is_some()).count()
}

#[test]
fn i01_c05_every_fault_of_every_call_gives_right_bytes_or_the_right_error() {
    let image = Image::new(&Scheme { salt: vec![1; 3], ..small() }, 300);
    let never = |bytes| Faulty::new(bytes, 16 * 1024, usize::MAX, Fault::Error);
    for (number, (way, bound)) in WAYS.into_iter().enumerate() {
        let (data, hash) = (never(&image.data), never(&image.hash));
        let all = way(&over(&image, &data, &hash).cache_size(bound));
        assert_eq!(check(&image, Fault::Short, false, &all), 0);
        for fault in ALL {
            for (in_tree, calls) in [(false, data.calls()), (true, hash.calls())] {
                let mut failed = 0;
                for at in 0..calls {
                    let bytes = if in_tree { &image.hash } else { &image.data };
                    let faulty = Faulty::new(bytes, 16 * 1024, at, fault);
                    let (data, hash) = (never(&image.data), never(&image.hash));
                    let reader = match in_tree {
                        true => over(&image, &data, &faulty),
                        false => over(&image, &faulty, &hash),
                    };
                    let reader = reader.cache_size(bound);
                    failed += check(&image, fault, in_tree, &way(&reader)).min(1);
                    // The fault has passed, and left nothing behind.
                    assert_eq!(
                        check(&image, fault, in_tree, &way(&reader)),
                        0,
                        "{fault:?} at {at}"
                    );
                }
                let harmless = matches!(fault, Fault::Short | Fault::Interrupted | Fault::Stale);
                // A block that is read by itself is read once. Those of a run are tried again, one
                // by one, and so is what comes after a short read.
                let once = number == 0 || (in_tree && number < 3);
                match (harmless, once) {
                    (false, true) => assert_eq!(failed, calls, "{fault:?}, way {number}"),
                    (true, _) if fault != Fault::Stale => assert_eq!(failed, 0, "{fault:?}"),
                    (false, false) => assert!(failed > 0 || !in_tree || number == 3),
                    _ => {}
                }
            }
        }
    }
}

/// A buffer that nobody wrote to, in a thread that has read nothing before.
#[test]
fn i01_a_read_that_gives_nothing_and_says_it_did() {
    let image = Image::new(&small(), 300);
    for (data_at, hash_at) in [(0, usize::MAX), (usize::MAX, 0), (usize::MAX, 1), (usize::MAX, 2)] {
        let data = Faulty::new(&image.data, usize::MAX, data_at, Fault::Stale);
        let hash = Faulty::new(&image.hash, usize::MAX, hash_at, Fault::Stale);
        let reader = over(&image, &data, &hash);
        let read = || corrupt(read_block(&reader, 299));
        let found = std::thread::scope(|scope| scope.spawn(read).join().unwrap());
        assert_eq!(found.level().is_some(), data_at > 0);
        assert_right(&image, 299, read_block(&reader, 299));
    }
}

struct Length<'a>(&'a [u8], Option<u64>);

impl ReadAt for Length<'_> {
    fn len(&self) -> std::io::Result<u64> {
        self.1.ok_or_else(|| std::io::Error::from_raw_os_error(5))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }
}

#[test]
fn i01_lengths_that_fail_or_lie_under_a_reader() {
    let image = Image::new(&small(), 300);
    let (data, hash) = (&image.data[..], &image.hash[..]);
    let new = |data, hash| VerifiedReader::new(image.pinned(), data, hash);
    let whole = |bytes| Length(bytes, Some(u64::MAX));
    assert!(matches!(new(Length(data, None), whole(hash)), Err(Error::Io(_))));
    assert!(matches!(new(whole(data), Length(hash, None)), Err(Error::Io(_))));
    let less = |bytes: &[u8]| Some(bytes.len() as u64 - 1);
    let result = new(Length(data, less(data)), whole(hash));
    assert!(matches!(result, Err(Error::ShortData { .. })), "{result:?}");
    let result = new(whole(data), Length(hash, less(hash)));
    assert!(matches!(result, Err(Error::ShortHashArea { .. })), "{result:?}");

    let reader = new(whole(&data[..data.len() - 1]), whole(hash)).unwrap();
    assert_eq!(unreadable(read_block(&reader, 299)), BlockRef::Data { block: 299 });
    assert_right(&image, 298, read_block(&reader, 298));
    assert_eq!(ReadAt::len(&reader).unwrap(), 300 * 512);
    let reader = new(whole(data), whole(&hash[..hash.len() - 1])).unwrap();
    let last = BlockRef::Hash { level: 0, block: 18 };
    assert_eq!(unreadable(read_block(&reader, 299)), last);
    assert_eq!(unreadable(reader.preload()), last);
    assert_right(&image, 287, read_block(&reader, 287));
}
