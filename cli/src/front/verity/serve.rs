//! The command line of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::image::{ImageArgs, ReadingArgs};
use super::values::{clients, mode, seconds};
use crate::command::serve;
use crate::exit;
use crate::server::{Address, Limits};

/// Serve DATA as a read-only block device over NBD, every byte verified when it is read
///
/// HASH, ROOT and the parameters are as for verify. Prints the address once clients can connect,
/// and serves until a signal comes (SIGINT, SIGTERM or SIGHUP), with which it ends well: exit code
/// 0. A corrupt block is an input/output error for who reads it, and a warning here; all other
/// blocks are served.
///
/// NBD has no authentication and no encryption: who can connect can read, and what is between
/// server and client can change what was verified. Use a unix socket, or a TCP address of the own
/// machine or of a trusted network.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "where", required = true, multiple = false, args = ["socket", "listen"])]
pub(super) struct ServeArgs {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Listen on a unix socket, which is made, and removed at the end; one that nobody listens on
    /// is replaced
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Who may connect to the socket, as an octal mode
    #[arg(
        long,
        value_name = "MODE",
        value_parser = mode,
        default_value = "600",
        conflicts_with = "listen"
    )]
    socket_mode: u32,
    /// Listen on a TCP address, such as 127.0.0.1:10809; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Name of the export; clients may always ask for the one without a name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    export_name: String,
    /// How many clients may be connected at a time; others are hung up on
    #[arg(long, value_name = "N", value_parser = clients, default_value = "64")]
    max_clients: usize,
    /// How many of them may come from one address of the network, so that one machine cannot take
    /// all places; clients behind one router have one address, and in IPv6 addresses with the same
    /// first 64 bits count as one [default: no limit of its own]
    #[arg(long, value_name = "N", value_parser = clients, conflicts_with = "socket")]
    max_clients_per_address: Option<usize>,
    /// How long a client may take for its handshake, or take nothing of what it is sent
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    timeout: Duration,
    /// Hang up on clients that have asked for nothing for so long; a mounted disk may be idle for
    /// days, and most clients do not connect again by themselves [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,
}

impl From<ServeArgs> for serve::Options {
    fn from(args: ServeArgs) -> Self {
        let address = match (args.listen, args.socket) {
            (Some(address), _) => Address::Tcp(address),
            (None, path) => {
                Address::Unix { path: path.unwrap_or_default(), mode: args.socket_mode }
            }
        };
        serve::Options {
            image: args.image.into(),
            reading: args.reading.into(),
            address,
            export_name: args.export_name,
            limits: Limits {
                clients: args.max_clients,
                clients_per_address: args.max_clients_per_address,
                patience: args.timeout,
                idle: args.idle_timeout,
            },
        }
    }
}
