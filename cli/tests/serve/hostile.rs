//! Clients that speak nonsense, stall, or come in thousands, beside one that only wants to read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use verity_testdata::nbd::{self, Client};
use verity_testdata::pattern;

use super::server::{LONG, Server};
use crate::common::{Dir, root_hash};

fn server(dir: &Dir, options: &str) -> Server {
    let root = dir.format("");
    Server::start(dir, &format!("serve data hash {root} --socket s {options}"))
}

/// Reads until the server hangs up.
fn hung_up(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // With unread bytes of ours it may also be a reset.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn nonsense_is_hung_up_on_and_disturbs_nobody() {
    let dir = Dir::with_data(100);
    let good = dir.read("data");
    let server = server(&dir, "");
    let mut client = server.client(true);
    let open = nbd::opening(true);
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 100_000],
        vec![0; 100_000],
        [nbd::hello(3), vec![0x49; 5000]].concat(),
        [&*open, &[0x25; 5000]].concat(),
        [&*open, &nbd::request(0, nbd::WRITE, 1, 0, u32::MAX)].concat(),
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(&garbage);
        hung_up(stream);
        assert!(client.read(4096, 8192).unwrap().unwrap() == good[4096..12288]);
    }
    drop(client);
    let run = server.stop("TERM");
    assert_eq!((run.code, &*run.stderr), (0, ""), "nobody can fill the log: {run:?}");
}

/// Who begins a handshake and does not end it makes room again. A client that is done with it may
/// be silent.
#[test]
fn a_handshake_has_a_deadline_however_slowly_its_bytes_come() {
    let dir = Dir::with_data(100);
    let server = server(&dir, "--timeout 3");
    let mut idle = server.client(false);
    let silent = server.connect();
    let mut slow = server.connect();
    let option = nbd::option(nbd::LIST, &[]);
    let bytes: Vec<u8> = [nbd::hello(3), option.repeat(60)].concat();
    let dripped = bytes.iter().take_while(|byte| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        slow.write_all(&[**byte]).is_ok()
    });
    assert!(dripped.count() < bytes.len(), "20 seconds of a handshake");
    assert_eq!(hung_up(silent).len(), 18, "the greeting");
    assert!(idle.read(0, 512).unwrap().is_ok(), "silent for longer than the timeout");
    drop(idle);
    assert_eq!(server.stop("TERM").code, 0);
}

/// Who asks and takes nothing of the reply is hung up on, too.
#[test]
fn a_client_that_takes_nothing_makes_room_again() {
    let dir = Dir::with_data(2000);
    let server = server(&dir, "--timeout 3 --max-clients 1");
    let mut deaf = server.client(true);
    for _ in 0..10 {
        deaf.send(0, nbd::READ, 0, 2000 * 4096, &[]).unwrap();
    }
    let begun = std::time::Instant::now();
    loop {
        let mut stream = server.connect();
        if nbd::read_greeting(&mut stream).is_ok() {
            break;
        }
        assert!(begun.elapsed() < LONG, "it never makes room");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(server.stop("TERM").code, 0);
}

#[test]
fn thousands_of_connections_do_not_disturb_who_is_in() {
    let dir = Dir::with_data(100);
    let good = dir.read("data");
    let server = server(&dir, "--max-clients 20 --json");
    let mut client = server.client(true);
    let mut crowd = Vec::new();
    let mut refused = 0;
    for number in 0..2000 {
        // A socket that is full for a moment refuses by itself.
        if let Ok(stream) = UnixStream::connect(&server.socket) {
            stream.set_read_timeout(Some(LONG)).unwrap();
            crowd.push(stream);
        }
        if number % 100 == 0 {
            assert!(client.read(4096, 8192).unwrap().unwrap() == good[4096..12288]);
        }
        if crowd.len() > 100 {
            // Twenty fit, with the one that reads; the others find the door closed.
            refused += crowd.drain(19..).filter(is_closed).count();
        }
    }
    assert!(refused > 1000, "{refused}");
    drop(crowd);
    assert!(client.read(0, 4096).unwrap().unwrap() == good[..4096]);
    drop(client);
    let begun = std::time::Instant::now();
    while Client::connect(server.connect(), true).is_err() {
        assert!(begun.elapsed() < LONG, "there is room again");
    }
    let run = server.stop("TERM");
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert!(run.json()["refused_clients"].as_u64().unwrap() >= 1000, "{run:?}");
}

fn is_closed(stream: &UnixStream) -> bool {
    let mut stream = stream;
    matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))
}

/// All but the end of the data is corrupt, and the parity is of no use: whoever reads that holds up
/// neither the others nor the end.
#[test]
fn a06_a07_a_server_of_nothing_but_corruption_serves_others_and_ends() {
    let dir = Dir::with_data(8192);
    let parity = "--fec-device fec --fec-roots 24";
    let root = root_hash(&dir.ok(&format!("format data hash {parity}")));
    let garbage = pattern::Prng::new(1).bytes(8000 * 4096);
    dir.patch("data", 0, &garbage);
    let len = dir.read("fec").len();
    dir.write("fec", &garbage[..len]);
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s {parity}"));
    let mut greedy: Vec<_> = (0..8).map(|_| server.client(true)).collect();
    for client in &mut greedy {
        client.send(0, nbd::READ, 0, 32 << 20, &[]).unwrap();
        client.send(0, nbd::READ, 0, 32 << 20, &[]).unwrap();
    }
    let mut other = server.client(true);
    for block in 8000..8192 {
        assert!(other.read(block * 4096, 4096).unwrap().is_ok(), "{block}");
    }
    let run = server.stop("TERM");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(dir.names(), ["data", "fec", "hash"]);
}
