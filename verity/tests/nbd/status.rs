//! The status of blocks: how it is agreed on, what is told, and how much work that may be.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use verity::VerifiedReader;
use verity::io::{Extent, ReadAt};
use verity::nbd::{Export, MAX_EXTENTS, SessionError, Traffic, negotiate};
use verity_testdata::nbd::{self, ACK, Client, OptionReply, REPLY_ERROR, REQ_ONE};

use super::support::{EINVAL, Image, export, serve_bytes, with_client};
use crate::adversarial::storage::Sparse;
use crate::adversarial::support as tree;

const HOLE: u32 = 3;
const ZERO: u32 = 2;
const INVALID: u32 = REPLY_ERROR + 3;
const UNKNOWN: u32 = REPLY_ERROR + 6;
const GIB: u64 = 1 << 30;

/// A source that is all zeros, and says what it likes.
struct Telling<F>(u64, F, AtomicU64);

impl<F: Fn(u64) -> Extent + Send + Sync> ReadAt for Telling<F> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0)
    }

    fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        buf.fill(0);
        Ok(buf.len())
    }

    fn extent_at(&self, offset: u64) -> Extent {
        self.2.fetch_add(1, Ordering::Relaxed);
        (self.1)(offset)
    }
}

fn telling<F: Fn(u64) -> Extent + Send + Sync>(size: u64, tell: F) -> Export<Telling<F>> {
    Export::new(Telling(size, tell, AtomicU64::new(0))).unwrap()
}

/// Runs a client that has agreed on `base:allocation`.
fn with_status<R: ReadAt>(
    export: &Export<R>,
    talk: impl FnOnce(&mut Client<UnixStream>),
) -> Traffic {
    let (server, client) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let mut session = negotiate(export, &server, &server).unwrap().unwrap();
            session.serve().unwrap();
            session.traffic()
        });
        let mut client = Client::connect_for_status(client).unwrap();
        talk(&mut client);
        drop(client);
        serving.join().unwrap()
    })
}

/// The replies to options after structured replies were agreed on, or not.
fn replies(structured: bool, options: &[(u32, Vec<u8>)]) -> Vec<OptionReply> {
    let mut input = nbd::hello(nbd::USUAL_FLAGS);
    if structured {
        input.extend(nbd::option(nbd::STRUCTURED_REPLY, &[]));
    }
    input.extend(options.iter().flat_map(|(option, data)| nbd::option(*option, data)));
    let ended = serve_bytes(&export(Image::new(1)), &input);
    ended.result.unwrap();
    let mut output = &ended.output[18..];
    let mut replies = Vec::new();
    while !output.is_empty() {
        replies.push(OptionReply::read(&mut output).unwrap());
    }
    replies.split_off(usize::from(structured))
}

#[test]
fn the_context_is_listed_and_selected_by_its_name() {
    let both = [nbd::LIST_META_CONTEXT, nbd::SET_META_CONTEXT];
    let cases: [(&[&str], [bool; 2]); 6] = [
        (&[], [true, false]),
        (&["base:"], [true, false]),
        (&["base:allocation"], [true, true]),
        (&["qemu:dirty-bitmap:x", "no colon", "base:allocation", "base:allocation"], [true, true]),
        (&["base:other", "base", "x-base:allocation", "base:allocation2"], [false, false]),
        (&[""], [false, false]),
    ];
    for name in ["", "image"] {
        for (queries, found) in cases {
            for (option, found) in both.into_iter().zip(found) {
                let id = u32::from(option == nbd::SET_META_CONTEXT).to_be_bytes();
                let context = [&id[..], b"base:allocation"].concat();
                let mut expected = vec![OptionReply { option, kind: 4, data: context }];
                expected.truncate(usize::from(found));
                expected.push(OptionReply { option, kind: ACK, data: vec![] });
                let told = replies(true, &[(option, nbd::contexts(name, queries))]);
                assert_eq!(told, expected, "{queries:?}");
            }
        }
    }
}

#[test]
fn contexts_are_refused_where_they_make_no_sense() {
    let good = nbd::contexts("", &["base:allocation"]);
    let long = "q".repeat(4097);
    for option in [nbd::LIST_META_CONTEXT, nbd::SET_META_CONTEXT] {
        let refused = |structured, data: &[u8]| {
            let replies = replies(structured, &[(option, data.to_vec())]);
            assert_eq!(replies.len(), 1, "{replies:?}");
            replies[0].kind
        };
        assert_eq!(refused(false, &good), INVALID, "without structured replies");
        assert_eq!(refused(true, &nbd::contexts("other", &[])), UNKNOWN);
        assert_eq!(refused(true, &nbd::contexts("", &[&long])), INVALID);
        assert_eq!(refused(true, &[]), INVALID);
        for length in 0..good.len() {
            assert_eq!(refused(true, &good[..length]), INVALID, "cut off at {length}");
        }
        assert_eq!(refused(true, &[&good[..], &[0]].concat()), INVALID);
        assert_eq!(refused(true, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), INVALID, "more queries");
    }
}

/// What was selected before counts no more, even if nothing new is.
#[test]
fn the_last_selection_counts() {
    let good = nbd::contexts("", &["base:allocation"]);
    for last in [nbd::contexts("", &[]), nbd::contexts("other", &["base:allocation"]), vec![1]] {
        let mut input = nbd::hello(nbd::USUAL_FLAGS);
        input.extend(nbd::option(nbd::STRUCTURED_REPLY, &[]));
        input.extend(nbd::option(nbd::SET_META_CONTEXT, &good));
        input.extend(nbd::option(nbd::SET_META_CONTEXT, &last));
        input.extend(nbd::option(nbd::GO, &nbd::info("", &[])));
        input.extend(nbd::request(0, nbd::BLOCK_STATUS, 7, 0, 4096));
        let ended = serve_bytes(&export(Image::new(1)), &input);
        ended.result.unwrap();
        let error = &ended.output[ended.output.len() - 80..];
        assert!(error.windows(4).any(|bytes| bytes == EINVAL.to_be_bytes()), "{error:?}");
        assert_eq!((ended.traffic.requests, ended.traffic.failed), (1, 1));
    }
}

#[test]
fn what_makes_no_sense_is_an_error_and_the_session_goes_on() {
    for structured in [false, true] {
        with_client(&export(Image::new(2)), structured, |client| {
            assert_eq!(client.command(0, nbd::BLOCK_STATUS, 0, 512, &[]).unwrap(), EINVAL);
            client.read(0, 8192).unwrap().unwrap();
        });
    }
    let traffic = with_status(&export(Image::new(2)), |client| {
        for (flags, offset, length) in
            [(0, 0, 8193), (0, 8192, 1), (0, u64::MAX, 2), (0, 0, 0), (1, 0, 512), (4, 0, 512)]
        {
            let refused = client.status(flags, offset, length).unwrap();
            assert_eq!(refused, Err(EINVAL), "{flags} {offset} {length}");
        }
        assert_eq!(client.status(0, 8191, 1).unwrap().unwrap(), [(1, 0)]);
        assert_eq!(client.read(0, 8192).unwrap().unwrap().len(), 8192);
    });
    assert_eq!((traffic.requests, traffic.failed, traffic.bytes), (8, 6, 8192));
}

#[test]
fn extents_are_told_as_they_are_and_as_far_as_was_asked() {
    let export = telling(6 * GIB, |offset| match offset {
        0..1000 => Extent::Hole { end: 1000 },
        1000..3000 => Extent::Data { end: 3000 },
        3000..5000 => Extent::Data { end: 5000 },
        5000..9000 => Extent::Zero { end: 9000 },
        _ => Extent::Hole { end: u64::MAX },
    });
    let rest = u32::MAX - 9000;
    with_status(&export, |client| {
        let status = |client: &mut Client<_>, flags, offset, length| {
            client.status(flags, offset, length).unwrap().unwrap()
        };
        let all = [(1000, HOLE), (4000, 0), (4000, ZERO), (rest, HOLE)];
        assert_eq!(status(client, 0, 0, u32::MAX), all);
        assert_eq!(status(client, REQ_ONE, 0, u32::MAX), [(1000, HOLE)]);
        assert_eq!(status(client, REQ_ONE, 1000, u32::MAX), [(4000, 0)]);
        assert_eq!(status(client, 0, 500, 501), [(500, HOLE), (1, 0)]);
        assert_eq!(status(client, 0, 8999, 2), [(1, ZERO), (1, HOLE)]);
        assert_eq!(status(client, REQ_ONE, 8998, 1), [(1, ZERO)]);
    });
}

/// Whatever a source says and a client asks, the source is asked so often and no more.
#[test]
fn r06_the_status_of_4_gib_is_bounded_work() {
    let calls = u64::from(MAX_EXTENTS);
    let export = telling(6 * GIB, |offset| match offset % 2 {
        0 => Extent::Data { end: offset + 1 },
        _ => Extent::Hole { end: offset + 1 },
    });
    with_status(&export, |client| {
        let extents = client.status(0, 0, u32::MAX).unwrap().unwrap();
        assert_eq!(extents.len() as u64, calls);
    });
    assert_eq!(export.source().2.load(Ordering::Relaxed), calls);
    // Alike, so that they are one extent.
    let export = telling(6 * GIB, |offset| Extent::Zero { end: offset + 3 });
    with_status(&export, |client| {
        for flags in [0, REQ_ONE] {
            let extents = client.status(flags, 0, u32::MAX).unwrap().unwrap();
            assert_eq!(extents, [(3 * MAX_EXTENTS, ZERO)]);
        }
    });
    assert_eq!(export.source().2.load(Ordering::Relaxed), 2 * calls);
    // Ends that lie before the start.
    let export = telling(6 * GIB, |_| Extent::Hole { end: 0 });
    with_status(&export, |client| {
        assert_eq!(client.status(0, 5, 100).unwrap().unwrap(), [(100, 0)]);
    });
}

/// Between two questions to the source.
#[test]
fn a07_a_session_ends_in_the_middle_of_a_status_once_it_is_to_stop() {
    let export = telling(6 * GIB, |offset| Extent::Data { end: offset + 1 });
    let stop = || export.source().2.load(Ordering::Relaxed) >= 5;
    let input = [
        nbd::hello(nbd::USUAL_FLAGS),
        nbd::option(nbd::STRUCTURED_REPLY, &[]),
        nbd::option(nbd::SET_META_CONTEXT, &nbd::contexts("", &["base:allocation"])),
        nbd::option(nbd::GO, &nbd::info("", &[])),
        nbd::request(0, nbd::BLOCK_STATUS, 7, 0, 1 << 30),
    ]
    .concat();
    let session = negotiate(&export, &input[..], Vec::new()).unwrap().unwrap();
    let result = session.stop_when(&stop).serve();
    assert!(matches!(result, Err(SessionError::Stopped)), "{result:?}");
    assert_eq!(export.source().2.load(Ordering::Relaxed), 5);
}

/// Where the tree cannot be had at all, nothing is asked for again.
#[test]
fn a06_the_status_of_a_source_that_fails_as_a_whole_costs_one_failure() {
    struct Gone(u64, AtomicU64);
    impl ReadAt for Gone {
        fn len(&self) -> io::Result<u64> {
            Ok(self.0)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::Relaxed);
            // ENODEV
            Err(io::Error::from_raw_os_error(19))
        }
    }
    let image = tree::Image::new(&tree::small(), 2000);
    let hash = Gone(image.hash.len() as u64, AtomicU64::new(0));
    let reader = VerifiedReader::new(image.pinned(), &image.data[..], &hash).unwrap();
    let size = u32::try_from(image.data.len()).unwrap();
    with_status(&Export::new(&reader).unwrap(), |client| {
        assert_eq!(client.status(0, 0, size).unwrap().unwrap(), [(size, 0)]);
    });
    assert_eq!(hash.1.into_inner(), 1);
}

/// The storage says that all is a hole. Only what the tree says is zero is told to be one.
#[test]
fn d13_a_client_is_told_of_zeros_that_are_proved_and_of_no_others() {
    let mut data = tree::Image::new(&tree::small(), 200).data;
    data[40 * 512..90 * 512].fill(0);
    data[199 * 512..].fill(0);
    let image = tree::Image::of(&tree::small(), data);
    let size = image.data.len() as u64;
    let expected = [40 * 512, 50 * 512, 109 * 512, 512];
    for (holes, flags) in [(vec![0..size], HOLE), (vec![], ZERO)] {
        let source = Sparse::new(&image.data, holes);
        let reader = VerifiedReader::new(image.pinned(), &source, &image.hash[..]).unwrap();
        with_status(&Export::new(&reader).unwrap(), |client| {
            let extents = client.status(0, 0, size.try_into().unwrap()).unwrap().unwrap();
            let flags = [0, flags, 0, flags];
            assert!(extents.into_iter().eq(expected.into_iter().zip(flags)));
        });
    }
}
