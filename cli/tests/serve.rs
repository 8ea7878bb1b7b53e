//! `verity serve` with real clients, hostile ones, and signals.

mod corruption;
mod endings;
mod hostile;
mod limits;
mod programs;
pub(crate) mod server;
mod sockets;

use crate::common::{self, Dir};
use server::Server;

#[test]
fn what_was_asked_for_is_counted() {
    let dir = Dir::with_data(300);
    let root = dir.format("");
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s --json"));
    let mut client = server.client(true);
    assert_eq!(client.read(5000, 5000).unwrap().unwrap(), dir.read("data")[5000..10000]);
    assert_eq!(client.read(300 * 4096, 1).unwrap(), Err(22));
    drop(client);
    let run = server.stop("TERM");
    assert_eq!((run.code, &*run.stderr), (0, ""));
    let served = run.json();
    for (key, value) in [("requests", 2), ("failed_requests", 1), ("bytes_sent", 5000)] {
        assert_eq!(served[key], value, "{key} of {served}");
    }
}

#[test]
fn an_unauthenticated_geometry_is_said() {
    let dir = Dir::with_data(10);
    let root = dir.format("");
    let server = Server::start(&dir, &format!("serve data hash {root} --listen 127.0.0.1:0"));
    assert!(server.ready.starts_with("geometry: not authenticated (superblock)\nserving: nbd://"));
    assert!(server.stop("INT").stdout.starts_with("served: 0 clients, 0 requests, 0 bytes;"));
}

/// Nothing is read before a client asks, unless the whole tree is.
#[test]
fn preload_finds_a_bad_tree_before_anything_is_served() {
    let dir = Dir::with_data(300);
    let root = dir.format("");
    let flipped = dir.read("hash")[2 * 4096] ^ 1;
    dir.patch("hash", 2 * 4096, &[flipped]);
    let line = format!("serve data hash {root} --socket s");
    dir.fails(&format!("{line} --preload"), 1, "hash level 0 block 0 is corrupt");
    assert!(!dir.exists("s"));
    assert_eq!(Server::start(&dir, &line).stop("TERM").code, 0);
    let wrong = common::wrong(&root);
    dir.fails(&format!("serve data hash {wrong} --socket s --preload"), 1, "hash level 1 block 0");
}

#[test]
fn c20_options_that_make_no_sense() {
    let dir = Dir::with_data(2);
    let root = dir.format("");
    for options in [
        "",
        "--socket s --listen 127.0.0.1:0",
        "--listen 127.0.0.1",
        "--listen localhost:10809",
        "--listen 127.0.0.1:0 --socket-mode 600",
        "--socket s --socket-mode 8",
        "--socket s --socket-mode 1777",
        "--socket s --socket-mode rw",
        "--socket s --max-clients 0",
        "--socket s --max-clients 4097",
        "--socket s --timeout 0",
        "--socket s --timeout 1.5",
    ] {
        let run = dir.run(&format!("serve data hash {root} {options}"));
        assert_eq!((run.code, &*run.stdout), (2, ""), "{options}: {run:?}");
    }
    let name = "n".repeat(4097);
    dir.fails(&format!("serve data hash {root} --socket s --export-name {name}"), 2, "4096 bytes");
    assert_eq!(dir.names(), ["data", "hash"]);
}
