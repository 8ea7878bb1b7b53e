//! Requests and replies: the right bytes, or an error for just what cannot be had.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use verity::nbd::{BUFFER_SIZE, SessionError};
use verity_testdata::nbd::{self, DF, Piece};

use super::support::{BLOCK, EINVAL, EIO, Image, export, serve_bytes, with_client};

const EPERM: u32 = 1;
const EOVERFLOW: u32 = 75;
const MIB: u32 = 1 << 20;

fn data(image: &Image, offset: u64, length: u32) -> Piece {
    Piece::Data { offset, bytes: image.at(offset, length).to_vec() }
}

fn error(offset: u64) -> Piece {
    Piece::Error { error: EIO, offset: Some(offset) }
}

#[test]
fn every_byte_can_be_read_alone_and_with_any_other() {
    let export = export(Image::new(2));
    for structured in [false, true] {
        with_client(&export, structured, |client| {
            for (offset, length) in [(0, 1), (0, 8192), (4095, 2), (8191, 1), (1, 8191), (8192, 0)]
            {
                let bytes = client.read(offset, length).unwrap().unwrap();
                assert_eq!(bytes, export.source().at(offset, length));
            }
        });
    }
}

#[test]
fn a_long_read_arrives_in_pieces_or_whole() {
    let image = Image::new(9 * 256);
    let length = 8 * MIB + 77;
    let export = export(image);
    for structured in [false, true] {
        let (bytes, ended) =
            with_client(&export, structured, |client| client.read(100, length).unwrap().unwrap());
        assert!(bytes == export.source().at(100, length));
        assert_eq!((ended.traffic.requests, ended.traffic.failed), (1, 0));
        assert_eq!(ended.traffic.bytes, u64::from(length));
    }
}

#[test]
fn a_simple_reply_with_a_corrupt_block_has_no_data() {
    let export = export(Image::corrupt(2000, &[1500]));
    let ((), ended) = with_client(&export, false, |client| {
        // In one piece, and in several of which the first are good.
        for (offset, length) in [(1500 * BLOCK, 1), (1499 * BLOCK, 8192), (0, 2000 * 4096)] {
            assert_eq!(client.read(offset, length).unwrap(), Err(EIO));
        }
        for block in [1499, 1501] {
            let bytes = client.read(block * BLOCK, 4096).unwrap().unwrap();
            assert_eq!(bytes, export.source().at(block * BLOCK, 4096));
        }
    });
    assert_eq!((ended.traffic.requests, ended.traffic.failed), (5, 3));
    assert_eq!(ended.traffic.bytes, 2 * BLOCK);
}

#[test]
fn a_structured_reply_has_all_but_the_corrupt_blocks() {
    let export = export(Image::corrupt(16, &[3, 4, 9, 15]));
    let image = export.source();
    let (pieces, ended) =
        with_client(&export, true, |client| client.read_pieces(0, 100, 16 * 4096 - 100).unwrap());
    let expected = [
        data(image, 100, 3 * 4096 - 100),
        error(3 * BLOCK),
        data(image, 5 * BLOCK, 4096),
        data(image, 6 * BLOCK, 8192),
        data(image, 8 * BLOCK, 4096),
        error(9 * BLOCK),
        data(image, 10 * BLOCK, 4096),
        data(image, 11 * BLOCK, 8192),
        data(image, 13 * BLOCK, 8192),
        error(15 * BLOCK),
    ];
    assert_eq!(pieces, expected);
    assert_eq!((ended.traffic.requests, ended.traffic.failed), (1, 1));
}

/// A source that fails as a whole is not asked for what lies behind.
#[test]
fn a06_a_source_that_fails_as_a_whole_ends_the_request() {
    let export = export(Image { is_gone: true, ..Image::corrupt(64, &[3, 5]) });
    with_client(&export, true, |client| {
        let pieces = client.read_pieces(0, 0, 64 * 4096).unwrap();
        assert_eq!(pieces, [data(export.source(), 0, 3 * 4096), error(3 * BLOCK)]);
        assert_eq!(export.source().calls.load(Ordering::Relaxed), 2);
        client.read(4 * BLOCK, 4096).unwrap().unwrap();
    });
}

#[test]
fn a_read_that_begins_in_a_corrupt_block_goes_on_behind_it() {
    let export = export(Image::corrupt(4, &[1]));
    with_client(&export, true, |client| {
        let pieces = client.read_pieces(0, BLOCK + 5, 5000).unwrap();
        assert_eq!(pieces, [error(BLOCK + 5), data(export.source(), 2 * BLOCK, 909)]);
        let pieces = client.read_pieces(0, BLOCK + 5, 5).unwrap();
        assert_eq!(pieces, [error(BLOCK + 5)]);
    });
}

/// One error tells of any number of corrupt blocks in a row, and they are not read again and again.
#[test]
fn a_wholly_corrupt_image_costs_one_read_a_block() {
    let blocks = 8192;
    let image = Image { good_calls: Some(0), ..Image::new(blocks) };
    let export = export(image);
    with_client(&export, true, |client| {
        assert_eq!(client.read_pieces(0, 0, 32 * MIB).unwrap(), [error(0)]);
    });
    assert_eq!(export.source().calls.load(Ordering::Relaxed), u64::try_from(blocks).unwrap());
}

#[test]
fn unfragmented_reads_are_one_piece_or_none() {
    let export = export(Image::corrupt(600, &[3]));
    let image = export.source();
    with_client(&export, true, |client| {
        assert_eq!(client.read_pieces(DF, 7, 5000).unwrap(), [data(image, 7, 5000)]);
        assert_eq!(client.read_pieces(DF, 0, 16384).unwrap(), [error(3 * BLOCK)]);
        assert_eq!(client.read_pieces(DF, 4 * BLOCK, MIB).unwrap(), [data(image, 4 * BLOCK, MIB)]);
        let too_long = client.read_pieces(DF, 0, MIB + 1).unwrap();
        assert_eq!(too_long, [Piece::Error { error: EOVERFLOW, offset: None }]);
        assert_eq!(client.read_pieces(DF, 0, 0).unwrap(), []);
    });
}

#[test]
fn reads_that_make_no_sense_are_refused_and_the_next_is_served() {
    let export = export(Image::new(2));
    for structured in [false, true] {
        let ((), ended) = with_client(&export, structured, |client| {
            for (flags, offset, length) in [
                (0, 8192, 1),
                (0, 8000, 193),
                (0, u64::MAX, 1),
                (0, u64::MAX, u32::MAX),
                (0, 0, u32::MAX),
                (0, 0, 32 * MIB + 1),
                (1, 0, 512),
                (0x8000, 0, 512),
            ] {
                assert_eq!(client.command(flags, nbd::READ, offset, length, &[]).unwrap(), EINVAL);
            }
            if !structured {
                assert_eq!(client.command(DF, nbd::READ, 0, 512, &[]).unwrap(), EINVAL);
            }
            assert_eq!(client.read(0, 8192).unwrap().unwrap(), export.source().bytes);
        });
        ended.result.unwrap();
    }
}

#[test]
fn writes_are_refused_and_their_data_is_skipped() {
    let export = export(Image::new(2));
    for structured in [false, true] {
        let ((), ended) = with_client(&export, structured, |client| {
            let payload = vec![0x25; 5 << 20];
            assert_eq!(client.command(0, nbd::WRITE, 0, 5 * MIB, &payload).unwrap(), EPERM);
            for trim_or_write_zeroes in [4, 6] {
                assert_eq!(client.command(0, trim_or_write_zeroes, 0, 4096, &[]).unwrap(), EPERM);
            }
            for flush_cache_status_resize_or_unknown in [3, 5, 7, 8, 0xffff] {
                let command = flush_cache_status_resize_or_unknown;
                assert_eq!(client.command(0, command, 0, 0, &[]).unwrap(), EINVAL);
            }
            assert_eq!(client.read(0, 8192).unwrap().unwrap(), export.source().bytes);
        });
        assert_eq!((ended.traffic.requests, ended.traffic.failed), (9, 8));
    }
}

/// What is too long for the buffer is read twice for a simple reply: good once is not good for
/// ever.
#[test]
fn a_source_that_fails_after_the_promise_ends_the_session_and_sends_nothing_of_it() {
    let pieces = 4;
    let length = pieces * MIB;
    let image = Image { good_calls: Some(u64::from(pieces) + 2), ..Image::new(2048) };
    let export = export(image);
    let input = [nbd::opening(false), nbd::request(0, nbd::READ, 1, 0, length)].concat();
    let before = serve_bytes(&export, &nbd::opening(false)).output.len();
    let ended = serve_bytes(&export, &input);
    assert!(matches!(ended.result, Err(SessionError::Changed(_))), "{:?}", ended.result);
    let sent = &ended.output[before + 16..];
    assert!(sent == &export.source().bytes[..2 * BUFFER_SIZE], "{} bytes", sent.len());
}

#[test]
fn a_client_may_leave_with_or_without_a_word() {
    let export = export(Image::new(2));
    for farewell in [nbd::request(0, nbd::DISC, 1, 0, 0), Vec::new()] {
        let ended = serve_bytes(&export, &[nbd::opening(true), farewell].concat());
        ended.result.unwrap();
        assert_eq!(ended.traffic.requests, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is corrupt and whatever is asked for: all good blocks, no bad one, nothing twice.
    #[test]
    fn pieces_and_errors_cover_a_request(
        corrupt in prop::collection::vec(0..40_u64, 0..12),
        offset in 0..40 * BLOCK,
        length in 1..40 * 4096_u32,
    ) {
        let length = length.min(u32::try_from(40 * BLOCK - offset).unwrap());
        let export = export(Image::corrupt(40, &corrupt));
        let image = export.source();
        let input =
            [nbd::opening(true), nbd::request(0, nbd::READ, 9, offset, length)].concat();
        let before = serve_bytes(&export, &nbd::opening(true)).output.len();
        let ended = serve_bytes(&export, &input);
        ended.result.unwrap();
        let mut output = &ended.output[before..];
        let mut got = std::collections::BTreeSet::new();
        let mut failed = false;
        for piece in nbd::read_structured(&mut output, 9).unwrap() {
            match piece {
                Piece::Data { offset: at, bytes } => {
                    prop_assert_eq!(&*bytes, image.at(at, u32::try_from(bytes.len()).unwrap()));
                    let end = at + u64::try_from(bytes.len()).unwrap();
                    prop_assert!((at..end).all(|byte| got.insert(byte)), "a byte twice");
                }
                Piece::Error { error, offset: Some(at) } => {
                    prop_assert!(error == EIO && corrupt.contains(&(at / BLOCK)));
                    failed = true;
                }
                piece => prop_assert!(false, "{piece:?}"),
            }
        }
        prop_assert!(output.is_empty());
        let is_good = |byte: &u64| !corrupt.contains(&(byte / BLOCK));
        let good = (offset..offset + u64::from(length)).filter(is_good);
        prop_assert!(got.into_iter().eq(good));
        prop_assert_eq!(u64::from(failed), ended.traffic.failed);
    }
}
