//! Clients that do not speak the protocol, or speak it in order to do harm.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use verity::internals::to_len;
use verity::io::ReadAt;
use verity::nbd::{Export, MAX_OPTION_BYTES, MAX_OPTIONS, MAX_REQUEST, SessionError, negotiate};
use verity::{
    BlockSize, Builder, FecArea, FecRepair, HashArea, Params, TrustedParams, VerifiedReader,
};
use verity_testdata::nbd::{self, USUAL_FLAGS};
use verity_testdata::pattern::Prng;

use super::support::{Image, export, serve_bytes};

fn result(input: &[u8]) -> Result<(), SessionError> {
    serve_bytes(&export(Image::new(4)), input).result
}

/// All kinds of messages in one honest session.
fn honest() -> Vec<u8> {
    [
        nbd::hello(USUAL_FLAGS),
        nbd::option(nbd::LIST, &[]),
        nbd::option(nbd::INFO, &nbd::info("image", &[1, 2, 3])),
        nbd::option(nbd::STRUCTURED_REPLY, &[]),
        nbd::option(nbd::GO, &nbd::info("", &[3])),
        nbd::request(0, nbd::READ, 1, 100, 5000),
        nbd::request(0, nbd::WRITE, 2, 0, 10),
        vec![0; 10],
        nbd::request(nbd::DF, nbd::READ, 3, 0, 4096),
        nbd::request(0, nbd::DISC, 4, 0, 0),
    ]
    .concat()
}

#[test]
fn garbage_ends_the_session_with_what_was_found() {
    assert!(matches!(result(b"GET "), Err(SessionError::ClientFlags { flags: 0x4745_5420 })));
    let option = [nbd::hello(3), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()].concat();
    let expected = u64::from_be_bytes(*b"IHAVEOPT");
    let found = u64::from_be_bytes(*b"GET / HT");
    match result(&option) {
        Err(SessionError::Magic { expected: e, found: f }) => assert_eq!((e, f), (expected, found)),
        other => panic!("{other:?}"),
    }
    let request = [nbd::opening(true), vec![0xff; 28]].concat();
    let magic = SessionError::Magic { expected: 0x2560_9513, found: 0xffff_ffff };
    assert_eq!(result(&request).unwrap_err().to_string(), magic.to_string());
}

/// Cut off anywhere: an error inside a message, none between two of them.
#[test]
fn a_session_that_is_cut_off_at_any_byte_ends() {
    let input = honest();
    let whole = serve_bytes(&export(Image::new(4)), &input);
    whole.result.unwrap();
    let mut clean = 0;
    for length in 0..input.len() {
        let ended = serve_bytes(&export(Image::new(4)), &input[..length]);
        assert!(whole.output.starts_with(&ended.output), "{length}");
        match ended.result {
            Ok(()) => clean += 1,
            Err(SessionError::Transport(error)) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}");
            }
            Err(error) => panic!("{length}: {error}"),
        }
    }
    // Before and after the flags, after each option, after each request that is not the last.
    assert_eq!(clean, 2 + 4 + 3);
}

#[test]
fn lengths_beyond_the_limits_are_not_waited_for() {
    let head = |option: u32, length: u32| {
        let mut bytes = nbd::option(option, &[]);
        bytes[12..].copy_from_slice(&length.to_be_bytes());
        [nbd::hello(3), bytes].concat()
    };
    for option in [nbd::EXPORT_NAME, nbd::LIST, nbd::GO, 99] {
        for length in [MAX_OPTION_BYTES + 1, u32::MAX] {
            let error = result(&head(option, length)).unwrap_err();
            assert!(matches!(error, SessionError::OptionLength { length: l } if l == length));
        }
        let short = result(&head(option, MAX_OPTION_BYTES)).unwrap_err();
        assert!(matches!(short, SessionError::Transport(_)), "{short}");
    }
    let write = |length| [nbd::opening(false), nbd::request(0, nbd::WRITE, 1, 0, length)].concat();
    for length in [MAX_REQUEST + 1, u32::MAX] {
        let error = result(&write(length)).unwrap_err();
        assert!(matches!(error, SessionError::WriteLength { length: l } if l == length));
    }
    assert!(matches!(result(&write(MAX_REQUEST)), Err(SessionError::Transport(_))));
}

#[test]
fn an_endless_handshake_ends() {
    let limit = usize::try_from(MAX_OPTIONS).unwrap();
    for option in [nbd::option(nbd::LIST, &[]), nbd::option(99, &vec![7; 16 * 1024])] {
        let flood = |count: usize| [nbd::hello(3), option.repeat(count)].concat();
        assert!(result(&flood(limit - 1)).is_ok());
        assert!(matches!(result(&flood(limit + 1)), Err(SessionError::TooManyOptions)));
    }
}

/// A name as long as the longest option, and one that is not text.
#[test]
fn hostile_names_are_only_unknown() {
    let go = nbd::info(&"n".repeat(16_000), &[]);
    let ended =
        serve_bytes(&export(Image::new(1)), &[nbd::hello(3), nbd::option(nbd::GO, &go)].concat());
    ended.result.unwrap();
    assert_eq!(ended.output.len(), 18 + 20);
    let name = nbd::option(nbd::EXPORT_NAME, b"\xff\xfe\0");
    let error = result(&[nbd::hello(3), name].concat()).unwrap_err();
    assert!(matches!(error, SessionError::UnknownExport));
}

/// A client that takes nothing, and one whose connection breaks.
#[derive(Debug)]
struct Broken(ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

#[test]
fn a_connection_that_fails_ends_the_session_with_its_error() {
    let export = export(Image::new(1));
    for kind in [ErrorKind::WouldBlock, ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
        for error in [
            negotiate(&export, &*honest(), Broken(kind)).unwrap_err(),
            negotiate(&export, Broken(kind), io::sink()).unwrap_err(),
        ] {
            assert!(matches!(error, SessionError::Transport(error) if error.kind() == kind));
        }
    }
}

/// Comes byte by byte, with an interruption before each.
#[derive(Debug)]
struct Drip<'a>(&'a [u8], bool);

impl Read for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(ErrorKind::Interrupted.into());
        }
        let length = buf.len().min(1);
        self.0.read(&mut buf[..length])
    }
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let export = export(Image::new(4));
    let input = honest();
    let mut output = Vec::new();
    negotiate(&export, Drip(&input, false), &mut output).unwrap().unwrap().serve().unwrap();
    assert_eq!(output, serve_bytes(&export, &input).output);
}

#[test]
fn every_bit_flip_of_an_honest_session_ends() {
    let input = honest();
    let export = export(Image::new(4));
    let whole = serve_bytes(&export, &input).output.len();
    for bit in 0..input.len() * 8 {
        let mut input = input.clone();
        input[bit / 8] ^= 1 << (bit % 8);
        let ended = serve_bytes(&export, &input);
        // No flip asks for more than the whole image in place of one of the reads.
        assert!(ended.output.len() <= whole + 4 * 4096 + 1024, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(seed in any::<u64>(), structured in any::<bool>(), phase in 0..3) {
        let noise = Prng::new(seed).bytes(200);
        let start = match phase {
            0 => Vec::new(),
            1 => nbd::hello(USUAL_FLAGS),
            _ => nbd::opening(structured),
        };
        let _ = result(&[start, noise].concat());
    }
}

/// A session that reads `length` bytes from the start on.
fn reading(length: u32) -> Vec<u8> {
    [
        nbd::hello(USUAL_FLAGS),
        nbd::option(nbd::STRUCTURED_REPLY, &[]),
        nbd::option(nbd::GO, &nbd::info("", &[3])),
        nbd::request(0, nbd::READ, 1, 0, length),
    ]
    .concat()
}

/// Counts what is read of the bytes it has.
struct Counted(Vec<u8>, AtomicU64);

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(buf, offset)
    }
}

/// All data is corrupt and parity of no use: what one request may cost is bounded, and so is what
/// all of them cost together.
#[test]
fn a06_a_request_has_a_bounded_number_of_attempts_in_vain() {
    // 64 rounds of 231 blocks.
    let data_blocks = 64 * 231 - 1100;
    let params = Params::builder().data_block_size(BlockSize::MIN).hash_block_size(BlockSize::MIN);
    let params = params.data_blocks(data_blocks).build().unwrap();
    let hash_area = HashArea::new(&params, 0, false).unwrap();
    let blocks = data_blocks + hash_area.hash_blocks();
    let fec_area = FecArea::new(&params, &hash_area, 24, blocks, 0).unwrap();
    let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let good = Prng::new(1).bytes(to_len(params.data_size()));
    let root_hash =
        Builder::new(&params).build_with_fec(&good, &hash, &hash_area, &fec, &fec_area).unwrap();
    let trusted = TrustedParams::pinned(params, root_hash, hash_area).unwrap();
    let bad: Vec<u8> = good.iter().map(|byte| !byte).collect();
    let fec = Arc::new(Counted(Prng::new(2).bytes(to_len(fec_area.size())), AtomicU64::new(0)));
    let (data, hash) = (Arc::new(bad), Arc::new(hash));
    let repair =
        FecRepair::new(trusted.clone(), fec_area, data.clone(), hash.clone(), fec.clone()).unwrap();
    let reader = VerifiedReader::new(trusted, data, hash).unwrap().repair(Arc::new(repair));
    let export = Export::new(reader).unwrap().block_size(BlockSize::MIN);
    // The parity is read at the first look at a round, and at the second.
    let mut tried = Vec::new();
    for _ in 0..6 {
        let before = fec.1.load(Ordering::Relaxed);
        let ended = serve_bytes(&export, &reading(1 << 20));
        assert!(ended.result.is_ok() && ended.traffic.failed == 1, "{ended:?}");
        tried.push(fec.1.load(Ordering::Relaxed) - before);
    }
    assert!(fec_area.rounds() > 48 && fec_area.rounds() <= 64);
    assert_eq!(tried, [32, 32, 32, 2 * (fec_area.rounds() - 48), 0, 0]);
}

/// A simple reply that is longer than the buffer is read twice; for the second time it has as many
/// attempts as for the first, all pieces together.
#[test]
fn a06_a_long_simple_reply_has_a_bounded_number_of_attempts() {
    let params = Params::builder().data_block_size(BlockSize::MIN).hash_block_size(BlockSize::MIN);
    let params = params.data_blocks(8192).build().unwrap();
    let hash_area = HashArea::new(&params, 0, false).unwrap();
    let blocks = params.data_blocks() + hash_area.hash_blocks();
    let fec_area = FecArea::new(&params, &hash_area, 24, blocks, 0).unwrap();
    let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let good = Prng::new(3).bytes(to_len(params.data_size()));
    let root_hash =
        Builder::new(&params).build_with_fec(&good, &hash, &hash_area, &fec, &fec_area).unwrap();
    let trusted = TrustedParams::pinned(params, root_hash, hash_area).unwrap();
    let (hash, fec) = (Arc::new(hash), Arc::new(fec));
    // Blocks of each of two pieces: together they may take no more attempts than there are.
    for (lost, is_sent) in [(100, true), (150, false)] {
        let mut bad = good.clone();
        for start in [0, 1 << 20] {
            bad[start..start + lost * 512].iter_mut().for_each(|byte| *byte ^= 0xff);
        }
        // 2 MiB are read with eight calls.
        let data = Arc::new(Rotting { good: good.clone(), bad, calls: AtomicU64::new(8) });
        let (trusted, hash, fec) = (trusted.clone(), hash.clone(), fec.clone());
        let repair = FecRepair::new(trusted.clone(), fec_area, data.clone(), hash.clone(), fec);
        let reader = VerifiedReader::new(trusted, data, hash).unwrap();
        let reader = reader.repair(Arc::new(repair.unwrap()));
        let export = Export::new(reader).unwrap().block_size(BlockSize::MIN);
        let go = nbd::option(nbd::GO, &nbd::info("", &[3]));
        let read = nbd::request(0, nbd::READ, 1, 0, 2 << 20);
        let ended = serve_bytes(&export, &[nbd::hello(USUAL_FLAGS), go, read].concat());
        let is_changed = matches!(ended.result, Err(SessionError::Changed(_)));
        assert_eq!((ended.result.is_ok(), is_changed), (is_sent, !is_sent), "{lost}");
        assert_eq!(ended.output.ends_with(&good[..2 << 20]), is_sent);
    }
}

/// Data that is another one after so many calls.
struct Rotting {
    good: Vec<u8>,
    bad: Vec<u8>,
    calls: AtomicU64,
}

impl ReadAt for Rotting {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.good)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let next = |left: u64| left.checked_sub(1);
        let is_good = self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok();
        if is_good { self.good.read_at(buf, offset) } else { self.bad.read_at(buf, offset) }
    }
}

/// Says to stop after some calls.
struct Stopping(AtomicU64);

impl ReadAt for Stopping {
    fn len(&self) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(ErrorKind::InvalidData.into())
    }
}

#[test]
fn a07_a_session_ends_in_the_middle_of_a_request_once_it_is_to_stop() {
    for last in [0, 1, 10] {
        for form in [0, nbd::STRUCTURED_REPLY] {
            let export = Export::new(Stopping(AtomicU64::new(0))).unwrap();
            let stop = || export.source().0.load(Ordering::Relaxed) >= last;
            let option = if form == 0 { Vec::new() } else { nbd::option(form, &[]) };
            let input = [
                nbd::hello(USUAL_FLAGS),
                option,
                nbd::option(nbd::GO, &nbd::info("", &[3])),
                nbd::request(0, nbd::READ, 1, 0, MAX_REQUEST),
                nbd::request(0, nbd::READ, 2, 0, MAX_REQUEST),
                vec![0; 28],
            ]
            .concat();
            let session = negotiate(&export, &input[..], Vec::new()).unwrap().unwrap();
            let result = session.stop_when(&stop).serve();
            // A simple reply is refused at the first failure, so that two requests make two calls.
            let expected = if form == 0 && last == 10 { 2 } else { last };
            assert!(matches!(result, Err(SessionError::Stopped) | Err(SessionError::Magic { .. })));
            assert_eq!(
                result.is_err_and(|it| matches!(it, SessionError::Stopped)),
                expected == last
            );
            assert_eq!(export.source().0.load(Ordering::Relaxed), expected);
        }
    }
}
