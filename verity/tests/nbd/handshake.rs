//! What client and server tell each other before the first request.

use verity::nbd::{Export, ExportError};
use verity_testdata::nbd::{self, ACK, OptionReply, REPLY_ERROR, USUAL_FLAGS};

use super::support::{Image, export, serve_bytes};

const READ_ONLY: u16 = 0b1_0000_0011;
const READ_ONLY_STRUCTURED: u16 = READ_ONLY | 1 << 7;
const SIZE: u64 = 10 * 4096;

/// The replies to options, after which the client goes.
fn replies(options: &[Vec<u8>]) -> Vec<OptionReply> {
    let input = [nbd::hello(USUAL_FLAGS), options.concat()].concat();
    let ended = serve_bytes(&export(Image::new(10)), &input);
    ended.result.unwrap();
    let mut output = &*ended.output;
    assert_eq!(nbd::read_greeting(&mut output).unwrap(), 3, "fixed newstyle, no zeroes");
    let mut replies = Vec::new();
    while !output.is_empty() {
        replies.push(OptionReply::read(&mut output).unwrap());
    }
    replies
}

fn reply(option: u32, kind: u32, data: &[u8]) -> OptionReply {
    OptionReply { option, kind, data: data.to_vec() }
}

fn export_info(flags: u16) -> Vec<u8> {
    [&[0, 0][..], &SIZE.to_be_bytes(), &flags.to_be_bytes()].concat()
}

#[test]
fn list_names_the_export() {
    let list = nbd::option(nbd::LIST, &[]);
    let expected = [reply(3, 2, b"\0\0\0\x05imagean image"), reply(3, ACK, &[])];
    assert_eq!(replies(&[list]), expected);
}

#[test]
fn info_tells_what_is_asked_for_once() {
    let info = nbd::option(nbd::INFO, &nbd::info("image", &[3, 1, 2, 1, 77]));
    let expected = [
        reply(6, 3, &export_info(READ_ONLY)),
        reply(6, 3, b"\0\x01image"),
        reply(6, 3, b"\0\x02an image"),
        reply(6, 3, b"\0\x03\0\0\0\x01\0\0\x10\0\x02\0\0\0"),
        reply(6, ACK, &[]),
    ];
    assert_eq!(replies(&[info]), expected);
}

#[test]
fn preferred_blocks_are_those_of_the_data_and_not_too_small() {
    for (bytes, preferred) in [(512, 4096_u32), (65536, 65536)] {
        let export = export(Image::new(16)).block_size(verity::BlockSize::new(bytes).unwrap());
        let options = nbd::option(nbd::INFO, &nbd::info("", &[3]));
        let output = serve_bytes(&export, &[nbd::hello(3), options].concat()).output;
        let told = [&[0, 3, 0, 0, 0, 1][..], &preferred.to_be_bytes()[..], &[2, 0, 0, 0]].concat();
        assert!(output.windows(told.len()).any(|bytes| bytes == told), "{bytes}");
    }
}

#[test]
fn dont_fragment_is_offered_with_structured_replies_alone() {
    let go = nbd::option(nbd::GO, &nbd::info("", &[]));
    let structured = nbd::option(nbd::STRUCTURED_REPLY, &[]);
    let go_reply = |flags| [reply(7, 3, &export_info(flags)), reply(7, ACK, &[])];
    assert_eq!(replies(std::slice::from_ref(&go)), go_reply(READ_ONLY));
    let both = replies(&[structured, go]);
    assert_eq!(both[0], reply(8, ACK, &[]));
    assert_eq!(both[1..], go_reply(READ_ONLY_STRUCTURED));
}

#[test]
fn the_old_way_in_has_zeroes_unless_they_are_declined() {
    for (flags, zeroes) in [(1, 124), (3, 0), (0, 124)] {
        let option = nbd::option(nbd::EXPORT_NAME, b"image");
        let ended = serve_bytes(&export(Image::new(10)), &[nbd::hello(flags), option].concat());
        ended.result.unwrap();
        let expected =
            [&SIZE.to_be_bytes()[..], &READ_ONLY.to_be_bytes(), &vec![0; zeroes]].concat();
        assert_eq!(ended.output[18..], expected, "flags {flags}");
    }
}

#[test]
fn an_unknown_name_is_refused_where_that_is_possible_and_ends_the_session_elsewhere() {
    let info = nbd::option(nbd::GO, &nbd::info("other", &[]));
    assert_eq!(replies(&[info]), [reply(7, REPLY_ERROR + 6, &[])]);
    let old = nbd::option(nbd::EXPORT_NAME, b"other");
    let ended = serve_bytes(&export(Image::new(10)), &[nbd::hello(3), old].concat());
    assert!(matches!(ended.result, Err(verity::nbd::SessionError::UnknownExport)));
    assert_eq!(ended.output.len(), 18, "nothing but the greeting");
}

#[test]
fn other_options_are_refused_one_by_one() {
    let cases: [(u32, &[u8], u32); 10] = [
        (nbd::STARTTLS, b"", 2),
        (nbd::STARTTLS, b"x", 3),
        (nbd::LIST, b"x", 3),
        (nbd::STRUCTURED_REPLY, b"x", 3),
        (nbd::INFO, b"", 3),
        (nbd::INFO, b"\0\0\0\x01a\0\x01", 3),
        (nbd::GO, b"\0\0\0\0\0\0x", 3),
        (nbd::GO, b"\xff\xff\xff\xffimage\0\0", 3),
        (11, b"\0\0\0\0\0\0\0\0", 1),
        (u32::MAX, b"anything", 1),
    ];
    let options: Vec<_> =
        cases.iter().map(|(option, data, _)| nbd::option(*option, data)).collect();
    let expected = cases.map(|(option, _, error)| reply(option, REPLY_ERROR + error, &[]));
    assert_eq!(replies(&options), expected);
}

#[test]
fn abort_is_acknowledged_and_nothing_after_it_is_heard() {
    let options = [nbd::option(nbd::ABORT, &[]), nbd::option(nbd::LIST, &[])];
    assert_eq!(replies(&options), [reply(2, ACK, &[])]);
}

#[test]
fn names_that_no_client_could_ask_for_are_refused() {
    let export = || Export::new(vec![0_u8; 4096]).unwrap();
    assert!(matches!(export().name(&"n".repeat(4097)), Err(ExportError::Text)));
    assert!(matches!(export().name("a\0b"), Err(ExportError::Text)));
    assert!(matches!(export().description("a\0b"), Err(ExportError::Text)));
    assert!(export().name(&"n".repeat(4096)).is_ok());
}
