//! Corrupt blocks and many clients: who reads a good block gets it, whatever the others do.

use std::collections::BTreeSet;
use std::thread;

use verity_testdata::nbd::{self, Piece};

use super::server::Server;
use crate::common::Dir;

const EIO: u32 = 5;

/// Flips a bit of a file.
fn flip(dir: &Dir, name: &str, byte: usize) {
    let flipped = dir.read(name)[byte] ^ 0x10;
    dir.patch(name, byte, &[flipped]);
}

#[test]
fn each_block_fails_or_is_right_by_itself() {
    let dir = Dir::with_data(600);
    let root = dir.format("");
    let good = dir.read("data");
    for block in [0, 130, 599] {
        flip(&dir, "data", block * 4096 + 9);
    }
    // Superblock, level 1, then level 0, of which this is the third block.
    flip(&dir, "hash", (2 + 2) * 4096);
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s --json"));
    let bad = |block: usize| [0, 130, 599].contains(&block) || (256..384).contains(&block);
    for structured in [false, true] {
        let mut client = server.client(structured);
        for block in 0..600 {
            let read = client.read(u64::try_from(block * 4096).unwrap(), 4096).unwrap();
            if bad(block) {
                assert_eq!(read, Err(EIO), "block {block}");
            } else {
                assert!(read.unwrap() == good[block * 4096..][..4096], "block {block}");
            }
        }
    }
    // All at once: all good blocks, and an error for each run of bad ones.
    let mut errors = BTreeSet::new();
    let mut sent = 0;
    for piece in server.client(true).read_pieces(0, 0, 600 * 4096).unwrap() {
        match piece {
            Piece::Data { offset, bytes } => {
                let offset = usize::try_from(offset).unwrap();
                assert!(bytes == good[offset..offset + bytes.len()], "at {offset}");
                sent += bytes.len();
            }
            Piece::Error { error, offset } => {
                assert_eq!(error, EIO);
                errors.insert(offset.unwrap() / 4096);
            }
            Piece::Status { .. } => panic!("a status"),
        }
    }
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), [0, 130, 256, 599]);
    assert_eq!(sent, (600 - 131) * 4096);

    let run = server.stop("TERM");
    assert_eq!(run.code, 0);
    let corruptions = run.json()["corruptions"].as_u64().unwrap();
    assert!(corruptions >= 2 * 131, "{corruptions}");
    // Each corrupt block is named once, however often it was met.
    let lines: Vec<_> = run.stderr.lines().collect();
    for name in ["data: data block 0 ", "data: data block 130 ", "data: data block 599 "] {
        assert!(lines.iter().any(|line| line.contains(name)), "{name}: {lines:?}");
    }
    assert!(lines.iter().any(|line| line.contains("hash: hash level 0 block 2 is corrupt")));
    assert_eq!(lines.len(), 4, "{lines:?}");
}

/// A log is not filled by who reads a broken image on and on.
#[test]
fn warnings_end_at_a_hundred_blocks() {
    let dir = Dir::with_data(300);
    let root = dir.format("");
    dir.write("data", &vec![0xee; 300 * 4096]);
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    let mut client = server.client(true);
    for block in 0..300 {
        assert_eq!(client.read(block * 4096, 4096).unwrap(), Err(EIO));
    }
    drop(client);
    let run = server.stop("TERM");
    assert_eq!(run.stderr.lines().count(), 101);
    assert!(run.stderr.lines().last().unwrap().contains("not named"), "{run:?}");
}

#[test]
fn x03_eight_clients_at_once_read_the_same_image() {
    let dir = Dir::with_data(2000);
    let root = dir.format("");
    let good = dir.read("data");
    let server =
        Server::start(&dir, &format!("serve data hash {root} --socket s --cache-size 20K"));
    thread::scope(|scope| {
        for number in 0..8_usize {
            let (server, good) = (&server, &good);
            scope.spawn(move || {
                let mut client = server.client(number % 2 == 0);
                for step in 0..500 {
                    let offset = (step * 7919 + number * 1021) * 997 % (good.len() - 70_000);
                    let length = 1 + step * 131 % 70_000;
                    let read = client
                        .read(u64::try_from(offset).unwrap(), u32::try_from(length).unwrap())
                        .unwrap();
                    assert!(read.unwrap() == good[offset..offset + length], "{offset} {length}");
                }
            });
        }
    });
    let run = server.stop("TERM");
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert!(run.stdout.starts_with("served: 8 clients, 4000 requests, "), "{run:?}");
}

/// The image becomes another one while it is served: the old bytes or an error, never the new ones.
#[test]
fn x06_what_changes_under_the_server_is_found_out() {
    let dir = Dir::with_data(50);
    let root = dir.format("");
    let good = dir.read("data");
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s --preload"));
    let mut client = server.client(true);
    assert!(client.read(0, 50 * 4096).unwrap().unwrap() == good);
    dir.patch("data", 7 * 4096, b"changed");
    assert_eq!(client.read(7 * 4096, 4096).unwrap(), Err(EIO));
    assert_eq!(client.read(8 * 4096, 4096).unwrap().unwrap(), good[8 * 4096..9 * 4096]);
    std::fs::File::options()
        .write(true)
        .open(dir.path("data"))
        .unwrap()
        .set_len(20 * 4096)
        .unwrap();
    assert_eq!(client.read(30 * 4096, 4096).unwrap(), Err(EIO), "truncated");
    assert_eq!(client.read(9 * 4096, 4096).unwrap().unwrap(), good[9 * 4096..10 * 4096]);
    drop(client);
    let run = server.stop("TERM");
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("data: cannot read data block 30"), "{run:?}");
}

#[test]
fn writes_are_refused_by_the_server_too() {
    let dir = Dir::with_data(50);
    let root = dir.format("");
    let before = dir.read("data");
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    let mut client = server.client(true);
    assert_eq!(client.command(0, nbd::WRITE, 0, 4096, &[7; 4096]).unwrap(), 1);
    assert_eq!(client.read(0, 4096).unwrap().unwrap(), before[..4096]);
    drop(client);
    assert_eq!(server.stop("TERM").code, 0);
    assert!(dir.read("data") == before);
}
