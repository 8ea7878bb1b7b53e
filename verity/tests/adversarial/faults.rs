//! Attacks `i` of `docs/ATTACKS.md`: each read of a verification goes wrong once, in each way.

use verity::{BlockRef, Error, Verifier};
use verity_testdata::reference::Scheme;

use super::storage::{Fault, Faulty};
use super::support::{Image, small, threads};

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

/// What a verification may say when one read went wrong.
fn check(fault: Fault, at: usize, level: bool, result: Result<verity::Verified, Error>) {
    match (fault, result) {
        (Fault::Short | Fault::Interrupted, Ok(_)) => {}
        (
            Fault::Error | Fault::End | Fault::WouldBlock | Fault::TooMany,
            Err(Error::Read { block, .. }),
        ) => {
            assert_eq!(block.level().is_some(), level, "{fault:?} at {at}: {block}");
        }
        // A search for all findings goes on.
        (Fault::Error | Fault::WouldBlock | Fault::TooMany, Err(Error::Unreadable(report))) => {
            let first: BlockRef = report.corruptions[0].first;
            assert_eq!(first.level().is_some(), level, "{fault:?} at {at}: {first}");
            assert_eq!(report.corrupt_blocks, report.unreadable_blocks);
        }
        (Fault::Stale | Fault::OtherPlace, Err(Error::Corrupt(report))) => {
            let first: BlockRef = report.corruptions[0].first;
            assert_eq!(first.level().is_some(), level, "{fault:?} at {at}: {first}");
        }
        (fault, result) => panic!("{fault:?} at {at}: {result:?}"),
    }
}

fn run(
    verifier: &Verifier<'_>,
    all: bool,
    data: &Faulty<'_>,
    hash: &Faulty<'_>,
) -> Result<verity::Verified, Error> {
    if all { verifier.verify_all(data, hash) } else { verifier.verify(data, hash) }
}

#[test]
fn i01_every_fault_of_every_read_is_an_error_a_finding_or_makes_no_difference() {
    // 3000 blocks in reads of at most 16 KiB: some ninety reads of data and eight of the tree.
    let image = Image::new(&Scheme { salt: vec![1; 3], ..small() }, 3000);
    let most = 16 * 1024;
    let verifier = Verifier::new(image.pinned()).threads(threads(1));
    let never = |bytes| Faulty::new(bytes, most, usize::MAX, Fault::Error);
    for all in [false, true] {
        let (data, hash) = (never(&image.data), never(&image.hash));
        run(&verifier, all, &data, &hash).unwrap();
        assert!(data.calls() > 90 && hash.calls() >= 8, "{} {}", data.calls(), hash.calls());
        for fault in ALL {
            for at in 0..data.calls() {
                let faulty = Faulty::new(&image.data, most, at, fault);
                check(fault, at, false, run(&verifier, all, &faulty, &never(&image.hash)));
            }
            for at in 0..hash.calls() {
                let faulty = Faulty::new(&image.hash, most, at, fault);
                check(fault, at, true, run(&verifier, all, &never(&image.data), &faulty));
            }
        }
    }
}

/// A length that cannot be told is an error, and a length that is a lie is found out.
#[test]
fn i01_lengths_that_fail_or_lie() {
    struct Length<'a>(&'a [u8], Option<u64>);

    impl verity::io::ReadAt for Length<'_> {
        fn len(&self) -> std::io::Result<u64> {
            self.1.ok_or_else(|| std::io::Error::from_raw_os_error(5))
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            self.0.read_at(buf, offset)
        }
    }

    let image = Image::new(&small(), 300);
    let verifier = Verifier::new(image.pinned());
    let (data, hash) = (&image.data[..], &image.hash[..]);
    for result in
        [verifier.verify(&Length(data, None), hash), verifier.verify(data, &Length(hash, None))]
    {
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    }
    let result = verifier.verify(&Length(&data[..data.len() - 1], Some(u64::MAX)), hash);
    assert!(matches!(result, Err(Error::Read { block: BlockRef::Data { .. }, .. })), "{result:?}");
    let result = verifier.verify(data, &Length(&hash[..hash.len() - 1], Some(u64::MAX)));
    assert!(matches!(result, Err(Error::Read { block: BlockRef::Hash { .. }, .. })), "{result:?}");
}
