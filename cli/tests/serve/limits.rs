//! Places and time: nobody has all of them, or all of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use verity_testdata::nbd::{self, Client};

use super::server::{LONG, Server};
use crate::common::Dir;

fn server(dir: &Dir, options: &str) -> Server {
    let root = dir.format("");
    Server::start(dir, &format!("serve data hash {root} {options}"))
}

fn is_hung_up_on(stream: &mut impl Read) -> bool {
    matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))
}

/// Clients that have shaken hands and then say nothing lose their places, and so do those that
/// begin a request now and then and never end it.
#[test]
fn a08_idle_clients_do_not_keep_their_places() {
    let dir = Dir::with_data(50);
    let server = server(&dir, "--socket s --max-clients 2 --idle-timeout 1");
    let mut silent = server.client(true);
    let mut dripping = server.client(true);
    let request = nbd::request(0, nbd::READ, 1, 0, 512);
    let mut bytes = request[..request.len() - 1].iter();
    dripping.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut said = [0];
    // It is hung up on before the request is whole.
    loop {
        match dripping.stream.read(&mut said) {
            Ok(0) => break,
            Ok(_) => panic!("there is no reply to half a request"),
            Err(_) => {}
        }
        let Some(byte) = bytes.next() else { panic!("it keeps its place") };
        if dripping.stream.write_all(&[*byte]).is_err() {
            break;
        }
    }
    assert!(is_hung_up_on(&mut silent.stream));
    // Both places are free again.
    let mut others = [server.client(true), server.client(true)];
    for client in &mut others {
        assert!(client.read(0, 512).unwrap().is_ok());
    }
    assert_eq!(server.stop("TERM").code, 0);
}

/// Without the option a client may be idle: a mounted disk is, for days.
#[test]
fn a08_clients_may_be_idle_unless_told_otherwise() {
    let dir = Dir::with_data(50);
    let server = server(&dir, "--socket s --timeout 1");
    let mut idle = server.client(true);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(idle.read(0, 512).unwrap().is_ok());
    assert_eq!(server.stop("TERM").code, 0);
}

#[test]
fn a08_one_address_does_not_take_all_places() {
    let dir = Dir::with_data(50);
    let server = server(&dir, "--listen 127.0.0.1:0 --max-clients 8 --max-clients-per-address 2");
    let address = server.uri.trim_start_matches("nbd://").trim_end_matches('/').to_owned();
    let mut clients = [server.tcp_client(), server.tcp_client()];
    for _ in 0..3 {
        let mut third = TcpStream::connect(&address).unwrap();
        third.set_read_timeout(Some(LONG)).unwrap();
        assert!(is_hung_up_on(&mut third));
    }
    for client in &mut clients {
        assert!(client.read(0, 512).unwrap().is_ok());
    }
    // A place that is given up is free again.
    let [first, second] = clients;
    drop(first);
    let begun = std::time::Instant::now();
    let mut next = loop {
        match Client::connect(TcpStream::connect(&address).unwrap(), true) {
            Ok(client) => break client,
            Err(_) => assert!(begun.elapsed() < LONG, "no place becomes free"),
        }
    };
    assert!(next.read(0, 512).unwrap().is_ok());
    drop(second);
    let run = server.stop("TERM");
    assert_eq!(run.code, 0, "{run:?}");
    dir.fails("serve data hash 00 --socket s --max-clients-per-address 2", 2, "cannot be used");
}
