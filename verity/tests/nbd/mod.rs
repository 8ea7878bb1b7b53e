//! The NBD server against honest and hostile clients, over sockets and in memory. The client is
//! `verity_testdata::nbd`, written from the protocol's document.

mod handshake;
mod hostile;
mod reads;
mod status;
mod support;
