//! Signals: the server ends, whatever its clients do, and leaves nothing behind.

use std::io::{Read, Write};

use verity_testdata::nbd;

use super::server::Server;
use crate::common::Dir;

fn started(dir: &Dir) -> Server {
    let root = dir.format("");
    Server::start(dir, &format!("serve data hash {root} --socket s"))
}

#[test]
fn c02_signals_end_it_well_and_leave_no_socket() {
    for signal in ["TERM", "INT", "HUP"] {
        let dir = Dir::with_data(50);
        let server = started(&dir);
        let (idle, mut silent) = (server.client(true), server.connect());
        // With the greeting it has surely been let in.
        nbd::read_greeting(&mut silent).unwrap();
        let run = server.stop(signal);
        assert_eq!((run.code, &*run.stderr), (0, ""), "SIG{signal}: {run:?}");
        assert!(run.stdout.starts_with("served: 2 clients"), "{run:?}");
        assert_eq!(dir.names(), ["data", "hash"]);
        for mut stream in [idle.stream, silent] {
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "hung up on");
        }
    }
}

#[test]
fn clients_get_the_replies_to_what_they_had_asked_for() {
    let dir = Dir::with_data(2000);
    let server = started(&dir);
    let mut client = server.client(true);
    let cookie = client.send(0, nbd::READ, 0, 2000 * 4096, &[]).unwrap();
    server.signal("TERM");
    let pieces = nbd::read_structured(&mut client.stream, cookie).unwrap();
    assert!(!pieces.is_empty());
    assert_eq!(server.wait().code, 0);
}

/// Neither who takes nothing of what was sent nor who never ends its handshake keeps it.
#[test]
fn clients_that_stall_do_not_hold_up_the_end() {
    let dir = Dir::with_data(2000);
    let server = started(&dir);
    let mut deaf = server.client(true);
    for _ in 0..20 {
        deaf.send(0, nbd::READ, 0, 2000 * 4096, &[]).unwrap();
    }
    let mut slow = server.connect();
    slow.write_all(&nbd::hello(3)).unwrap();
    let run = server.stop("TERM");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(dir.names(), ["data", "hash"]);
}

/// A server that was killed leaves its socket; the next one takes its place.
#[test]
fn c17_the_socket_of_a_killed_server_is_replaced() {
    let dir = Dir::with_data(50);
    let server = started(&dir);
    assert_eq!(server.stop("KILL").code, 137);
    assert_eq!(dir.names(), ["data", "hash", "s"]);
    let server = started(&dir);
    assert!(server.client(true).read(0, 512).unwrap().is_ok());
    assert_eq!(server.stop("TERM").code, 0);
    assert_eq!(dir.names(), ["data", "hash"]);
}
