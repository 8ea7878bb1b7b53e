//! The NBD server against honest and hostile clients, over sockets and in memory. The client is
//! `verity_testdata::nbd`, written from the protocol's document.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod handshake;
mod hostile;
mod reads;
mod support;
