//! The file of a unix socket: who may connect, what is replaced, what is removed.

use std::os::unix::fs::symlink;

use super::server::Server;
use crate::common::Dir;

#[test]
fn c16_only_its_owner_may_connect_unless_told_otherwise() {
    let dir = Dir::with_data(2);
    let root = dir.format("");
    for (options, mode) in
        [("", 0o600), ("--socket-mode 660", 0o660), ("--socket-mode 0666", 0o666)]
    {
        for umask in ["000", "022", "077"] {
            let script = format!(
                "umask {umask}; exec {} serve data hash {root} --socket s {options}",
                env!("CARGO_BIN_EXE_verity")
            );
            let server = Server::start_shell(&dir, &script);
            assert_eq!(dir.mode("s"), mode, "{options}, umask {umask}");
            assert_eq!(server.stop("TERM").code, 0);
        }
    }
}

#[test]
fn c09_nothing_but_a_stale_socket_is_replaced() {
    let dir = Dir::with_data(2);
    let root = dir.format("");
    let line = format!("serve data hash {root} --socket");
    dir.write("victim", b"precious");
    symlink("victim", dir.path("link")).unwrap();
    symlink("nowhere", dir.path("dangling")).unwrap();
    std::fs::create_dir(dir.path("directory")).unwrap();
    for other in ["victim", "link", "dangling", "directory", "data", "hash"] {
        dir.fails(&format!("{line} {other}"), 2, "something else than a socket");
    }
    assert_eq!(dir.read("victim"), b"precious");
    dir.fails(&format!("{line} missing/s"), 4, "missing/s");
    dir.fails(&format!("{line} {}", "s".repeat(200)), 4, "");

    let server = Server::start(&dir, &format!("{line} s"));
    dir.fails(&format!("{line} s"), 7, "another server listens there");
    symlink("s", dir.path("socket-link")).unwrap();
    dir.fails(&format!("{line} socket-link"), 2, "something else than a socket");
    assert!(server.client(true).read(0, 512).unwrap().is_ok(), "it goes on");
    assert_eq!(server.stop("TERM").code, 0);
}

#[test]
fn a_file_that_took_the_place_of_the_socket_is_not_removed() {
    let dir = Dir::with_data(2);
    let root = dir.format("");
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    std::fs::remove_file(dir.path("s")).unwrap();
    dir.write("s", b"something else");
    assert_eq!(server.stop("TERM").code, 0);
    assert_eq!(dir.read("s"), b"something else");
}

#[test]
fn two_servers_cannot_have_one_port() {
    let dir = Dir::with_data(2);
    let root = dir.format("");
    let server = Server::start(&dir, &format!("serve data hash {root} --listen 127.0.0.1:0"));
    let address = server.uri.trim_start_matches("nbd://").trim_end_matches('/');
    dir.fails(&format!("serve data hash {root} --listen {address}"), 7, address);
    assert!(server.tcp_client().read(0, 512).unwrap().is_ok());
    let again = server.uri.clone();
    assert_eq!(server.stop("TERM").code, 0);
    assert!(!again.ends_with(":0/"), "the port that was taken: {again}");
}
