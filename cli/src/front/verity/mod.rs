//! The command line: what the user typed, read and nothing more.
//!
//! Only types and their spelling; no file is touched here. Options are spelled as veritysetup
//! spells them wherever it has them: `-h` is the hash and `-s` the salt, help is `--help` or `-?`.

mod options;
mod parity;
mod signing;
mod values;
mod words;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use verity::internals::{FecPlatform, Platform};
use verity::{Algorithm, BlockSize, HashType, Salt, Uuid};
use verity_sign::SignatureDigest;

use self::parity::{FecArgs, ImageParityArgs, ParityArgs, TableFecArgs};
use self::signing::{ContentArgs, ShapeArgs, SignatureOutputArgs, SigningArgs};
use self::values::{clients, fec_platform, hash_type, mode, platform, seconds, threads, uuid};
pub(crate) use self::words::{command_first, prints_data, usage_error};
use crate::command::{
    attach_signature, build, check, dump, format, lint, plan, prepare_signature, read, repair,
    serve, sign, table, verify,
};
use crate::context::Context;
use crate::error::CommandError;
use crate::report::Outcome;
use crate::{exit, sizes};

/// Build, sign, verify and describe dm-verity images.
#[derive(Debug, Parser)]
#[command(
    name = "verity",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = exit::HELP
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON object instead of text, also on failure
    #[arg(long, global = true, help_heading = "General")]
    pub(crate) json: bool,

    /// Say more on standard error
    #[arg(short, long, global = true, help_heading = "General")]
    pub(crate) verbose: bool,

    /// Hash by these kernels instead of the fastest ones; for tests
    #[arg(long, global = true, hide = true, value_name = "NAME", value_parser = platform)]
    pub(crate) platform: Option<Platform>,

    /// Make parity by these kernels instead of the fastest ones; for tests
    #[arg(long, global = true, hide = true, value_name = "NAME", value_parser = fec_platform)]
    pub(crate) fec_platform: Option<FecPlatform>,

    /// Print help
    #[arg(short = '?', long, global = true, action = ArgAction::Help, help_heading = "General")]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, help_heading = "General")]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Format(FormatArgs),
    Verify(VerifyArgs),
    Dump(DumpArgs),
    Plan(PlanArgs),
    Read(ReadArgs),
    Repair(RepairArgs),
    Table(TableArgs),
    Build(BuildArgs),
    Check(CheckArgs),
    LintSignature(LintSignatureArgs),
    Sign(SignArgs),
    PrepareSignature(PrepareSignatureArgs),
    AttachSignature(AttachSignatureArgs),
    Serve(ServeArgs),
}

/// Parameters of the hash tree and place of the hash area
#[derive(Args, Debug)]
#[command(next_help_heading = "Parameters")]
struct ParameterArgs {
    /// Hash algorithm [a new tree: sha256]
    #[arg(short = 'h', long = "hash", value_name = "ALG")]
    algorithm: Option<Algorithm>,

    /// Hash type: 1, or 0 as Chrome OS had it (legacy) [a new tree: 1]
    #[arg(long, value_name = "0|1", value_parser = hash_type)]
    format: Option<HashType>,

    /// Size of a data block: a power of two from 512 to 512K [a new tree: 4096]
    #[arg(long, value_name = "BYTES", value_parser = sizes::block_size)]
    data_block_size: Option<BlockSize>,

    /// Size of a hash block: a power of two from 512 to 512K [a new tree: 4096]
    #[arg(long, value_name = "BYTES", value_parser = sizes::block_size)]
    hash_block_size: Option<BlockSize>,

    /// How many data blocks the tree covers [a new tree: all of them]
    #[arg(long, value_name = "BLOCKS", value_parser = sizes::count)]
    data_blocks: Option<u64>,

    /// Salt of up to 256 bytes in hex, or - for none [a new tree: 32 random bytes; no superblock to
    /// read: none]
    #[arg(short, long, value_name = "HEX|-")]
    salt: Option<Salt>,

    /// UUID in the superblock
    #[arg(long, value_parser = uuid)]
    uuid: Option<Uuid>,

    /// Where the hash area begins on the hash device; sizes in bytes take K, M, G and T (powers of
    /// 1024)
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    hash_offset: Option<u64>,

    /// The hash area has no superblock
    #[arg(long)]
    no_superblock: bool,
}

/// Options of commands that make a hash tree
#[derive(Args, Debug)]
struct SeedArgs {
    /// Derive salt and UUID from this text, so that the same input gives the same output
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["salt", "uuid"])]
    seed: Option<String>,
}

#[derive(Args, Debug)]
struct ThreadArgs {
    /// Threads to hash with [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
}

/// Whom to trust
#[derive(Args, Debug)]
struct TrustArgs {
    /// A certificate that may have signed: the very certificate is trusted, and its dates do not
    /// decide. May be given several times
    #[arg(long, value_name = "CERT", conflicts_with = "ca")]
    certificate: Vec<PathBuf>,

    /// A certificate authority: trusted is who has a certificate for code signing from it, within
    /// its dates; the signature must embed the certificate and those between. May be given several
    /// times
    #[arg(long, value_name = "CERT")]
    ca: Vec<PathBuf>,

    /// Check as at this time, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS", value_parser = sizes::count)]
    at: Option<u64>,
}

/// Which image, and what it is held against
#[derive(Args, Debug)]
struct ImageArgs {
    /// The data: a file or a block device
    data: PathBuf,
    /// The device or file with the hash area
    hash: PathBuf,
    /// The root hash in hex
    root: Option<String>,
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    /// Take everything from this manifest; its signature is in FILE.p7s
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["hash_offset", "no_superblock"]
    )]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    parity: ImageParityArgs,
}

/// How verified bytes are read
#[derive(Args, Debug)]
struct ReadingArgs {
    /// Bound of the cache of verified hash blocks; sizes take K, M, G and T [default: 64M, or with
    /// --preload what the whole tree takes]
    #[arg(long, value_name = "SIZE", value_parser = sizes::bytes)]
    cache_size: Option<u64>,
    /// Read and verify the whole hash tree first
    #[arg(long)]
    preload: bool,
    /// Return zeros for blocks that the tree says are all zeros and do not read them, as the
    /// kernel's option of this name
    #[arg(long)]
    ignore_zero_blocks: bool,
}

/// Make a hash tree over DATA and write it to HASH
///
/// Prints what it has made, with the root hash, in the words of veritysetup. HASH may be new, an
/// existing file (every byte outside the hash area is kept), a block device, or DATA itself with
/// --hash-offset.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct FormatArgs {
    /// The data to protect: a file or a block device, only read
    data: PathBuf,
    /// Where the hash area is written
    hash: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    seed: SeedArgs,
    /// Also write the root hash to this file, in hex
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    fec: FecArgs,
}

/// Check DATA and HASH against a root hash or a signed manifest
///
/// The parameters come from the superblock; nothing authenticates them then, and the result says
/// so. Parameters that are given are pins: they must be what the superblock states. With
/// --no-superblock they are the parameters themselves. With --manifest everything comes from the
/// manifest, whose signature (FILE.p7s) must be by one of the certificates.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// List every corrupt block, not only the first; with --fec-device, compare the parity of an
    /// intact image too
    #[arg(long)]
    all: bool,
    /// Do not read blocks that the tree says are all zeros, as the kernel's option of this name
    #[arg(long)]
    ignore_zero_blocks: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Make a corrupt image right again by its parity, in place or in a copy
///
/// Every corrupt block of DATA and of the hash tree is looked for, from the root hash down, and those that the
/// parity gives back are written once they hash right. Nothing else is written. The parity was made by format
/// --fec-device, or by veritysetup; DATA, HASH, ROOT and the parameters are as for verify.
///
/// In place, a run that was ended can be begun again. A copy appears as a whole, and only if all of
/// it is right.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "target", required = true, multiple = true, args = ["in_place", "output", "dry_run"])]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Write repaired blocks to where they lie on DATA and HASH
    #[arg(long, conflicts_with = "output")]
    in_place: bool,
    /// Write a repaired copy of DATA to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write a repaired copy of HASH to this file
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with = "in_place")]
    hash_output: Option<PathBuf>,
    /// Write nothing, and tell what would be repaired
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Write verified bytes of DATA to standard output or to a file
///
/// Each block is checked against the root hash before its bytes are written; what vouches for the
/// parameters is as with verify. DATA and HASH may also be http:// URLs: only what is needed is
/// fetched.
///
/// Whoever reads from a pipe must look at the exit code: only 0 means that all bytes came. When a
/// block is corrupt, everything before it has been written and nothing after it. A file (--output)
/// is written whole or not at all.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Where to begin, in bytes of the data; takes K, M, G and T
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, default_value = "0")]
    offset: u64,
    /// How many bytes to write; takes K, M, G and T [default: all up to the last data block]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    length: Option<u64>,
    /// Write to this file instead of standard output. With - write to standard output even if it is
    /// a terminal
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Print what the superblock of HASH states
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct DumpArgs {
    /// The device or file with the hash area
    hash: PathBuf,
    /// Where the superblock lies
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    hash_offset: Option<u64>,
}

/// Tell every size before anything is written
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "what", required = true, multiple = false, args = ["image", "partition"])]
pub(crate) struct PlanArgs {
    /// The hash area of an image of this size, in a file of its own, and the parity with it
    #[arg(long, value_name = "SIZE", value_parser = sizes::bytes)]
    image: Option<u64>,
    /// The largest image that fits a partition of this size together with its hash area, and its
    /// parity, behind it
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = sizes::bytes,
        conflicts_with_all = ["data_blocks", "hash_offset"]
    )]
    partition: Option<u64>,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    parity: ParityArgs,
}

/// Print the device-mapper table that activates an image
///
/// The parameters come from a manifest, or from the superblock of HASH for the root hash ROOT. A
/// manifest without --certificate is not authenticated: it is accepted here alone, with a warning.
/// Parity that the manifest states goes into the table.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct TableArgs {
    /// The device or file with the hash area
    #[arg(required_unless_present = "manifest", conflicts_with = "manifest")]
    hash: Option<PathBuf>,
    /// The root hash in hex
    #[arg(conflicts_with = "manifest")]
    root: Option<String>,
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    root_hash_file: Option<PathBuf>,
    /// Where the superblock lies on HASH
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::bytes,
        conflicts_with = "manifest"
    )]
    hash_offset: Option<u64>,
    /// Take everything from this manifest; its signature is in FILE.p7s
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    /// The data device as the table shall name it
    #[arg(long, value_name = "DEVICE")]
    data_dev: String,
    /// The hash device as the table shall name it
    #[arg(long, value_name = "DEVICE")]
    hash_dev: String,
    /// An optional parameter of the table, such as restart_on_corruption; one with a value is
    /// written NAME=VALUE, such as root_hash_sig_key_desc=KEY. May be given several times
    #[arg(long = "option", value_name = "NAME[=VALUE]")]
    options: Vec<String>,
    /// What to print: the table (dm), the value of dm-mod.create=, or a GRUB command that sets
    /// dm_verity_NAME to that value
    #[arg(long, value_enum, default_value_t = Emit::Dm)]
    emit: Emit,
    /// Name of the device, for dm-mod-create and grub [default: root]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    fec: TableFecArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Emit {
    Dm,
    DmModCreate,
    Grub,
}

/// Make everything that a verified boot of IMAGE needs, and sign it
///
/// Beside IMAGE, or in --output-dir, named as IMAGE less a trailing .raw: the hash area (.verity),
/// the root hash (.roothash) and its signature (.roothash.p7s), a manifest (.manifest.json) and its
/// signature (.manifest.json.p7s). Without a key nothing is signed. With --systemd and a key, also
/// what systemd's signature partition holds (.verity-sig). With --fec-roots parity goes behind the
/// hash tree, into the same file. IMAGE is read once.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct BuildArgs {
    /// The image to protect, only read
    image: PathBuf,
    #[command(flatten)]
    signing: SigningArgs,
    /// Name of the image in the manifest [default: its file name less a trailing .raw]
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
    /// Version of the image in the manifest: a number that orders releases
    #[arg(long, value_name = "N", default_value = "0", value_parser = sizes::count)]
    image_version: u64,
    /// Words about the image in the manifest
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    label: String,
    /// When the manifest ends to be valid, in seconds since 1970 [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = sizes::count)]
    not_after: Option<u64>,
    /// Where the files are written [default: beside IMAGE]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The image is a /usr file system: .usrhash instead of .roothash
    #[arg(long)]
    usr: bool,
    /// Also print the types (for x86-64 and arm64) and UUIDs by which systemd finds the partitions
    /// of the image; with a key, also make what its signature partition holds, and embed the
    /// certificate in signatures
    #[arg(long, conflicts_with_all = ["no_superblock", "hash_offset"])]
    systemd: bool,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    seed: SeedArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    parity: ParityArgs,
}

/// Check everything that build has made: both signatures, the manifest, the whole image
///
/// And what systemd's signature partition holds, if that lies there too.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct CheckArgs {
    /// The image
    image: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Refuse an image that is older than the newest one of its name that was accepted with this
    /// file, and remember this one in it if all is good; the file is made at first use
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where the files lie that build has made [default: beside IMAGE]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The image is a /usr file system: .usrhash instead of .roothash
    #[arg(long)]
    usr: bool,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Tell whether a Linux kernel would take the root hash signature FILE, and if not why
///
/// A prediction, point by point, with the kernel's own errors. It vouches for nothing: use check or
/// verify for that. Without --root-hash or --certificate the verdict may depend on what was not
/// told: unknown. Exit code 5 if the kernel refuses it, else 0.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct LintSignatureArgs {
    /// The signature, as it is given to the kernel in a user key
    #[arg(value_name = "FILE")]
    signature: PathBuf,
    /// The root hash in hex, exactly as the device-mapper table writes it
    #[arg(long, value_name = "HEX")]
    root_hash: Option<String>,
    /// A certificate in the kernel's keyring; may be given several times
    #[arg(long, value_name = "CERT")]
    certificate: Vec<PathBuf>,
    /// Tell of certificates that are not valid at this time, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS", value_parser = sizes::count)]
    at: Option<u64>,
}

/// Sign a root hash, in the form the kernel takes, or a manifest
///
/// The key is in a file, on a token, or behind another program. What the key returns is checked
/// with the certificate before it is written.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "with", required = true, args = ["key", "signer_command"])]
pub(crate) struct SignArgs {
    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    output: SignatureOutputArgs,
}

/// Say what is to be signed, for a key on another machine
///
/// The first of two steps; the second is attach-signature. The digest of the root hash's text, or
/// of the manifest, is printed, and written as raw bytes: what a token or a key service signs. RSA
/// signs it with PKCS#1 v1.5.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct PrepareSignatureArgs {
    #[command(flatten)]
    content: ContentArgs,
    /// Certificate of the key that will sign
    #[arg(long, value_name = "CERT")]
    certificate: PathBuf,
    /// Digest of the signature [default: sha256; sha384 for P-384]
    #[arg(long, value_name = "sha256|sha384|sha512")]
    digest: Option<SignatureDigest>,
    /// Where the digest is written, as raw bytes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also write the bytes that were hashed to this file, for signers that hash them themselves
    #[arg(long, value_name = "FILE")]
    content_output: Option<PathBuf>,
}

/// Make a signature of what a key on another machine has signed
///
/// The second of two steps; the first is prepare-signature. What is signed, the certificate and the
/// digest are as there. The raw signature is checked before anything is written.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct AttachSignatureArgs {
    #[command(flatten)]
    content: ContentArgs,
    /// The raw signature: PKCS#1 v1.5 of RSA, or DER of ECDSA's two numbers
    #[arg(long, value_name = "FILE")]
    raw_signature: PathBuf,
    /// Certificate of the key that has signed
    #[arg(long, value_name = "CERT")]
    certificate: PathBuf,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    output: SignatureOutputArgs,
}

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
pub(crate) struct ServeArgs {
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
    /// How long a client may take for its handshake, or take nothing of what it is sent
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    timeout: Duration,
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self, context: &Context) -> Result<Outcome, CommandError> {
        match self {
            Command::Format(args) => format::run(&args.into(), context),
            Command::Verify(args) => verify::run(&args.into(), context),
            Command::Dump(args) => dump::run(&args.into(), context),
            Command::Plan(args) => plan::run(&args.into(), context),
            Command::Read(args) => read::run(&args.into(), context),
            Command::Repair(args) => repair::run(&args.into(), context),
            Command::Table(args) => table::run(&args.into(), context),
            Command::Build(args) => build::run(&args.into(), context),
            Command::Check(args) => check::run(&args.into(), context),
            Command::LintSignature(args) => lint::run(&args.into(), context),
            Command::Sign(args) => sign::run(&args.into(), context),
            Command::PrepareSignature(args) => prepare_signature::run(&args.into()),
            Command::AttachSignature(args) => attach_signature::run(&args.into()),
            Command::Serve(args) => serve::run(&args.into(), context),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flag_table_is_consistent() {
        Cli::command().debug_assert();
    }
}
