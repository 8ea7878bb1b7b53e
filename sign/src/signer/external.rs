//! Another program as the signer: a client of a key service, or a script.
//!
//! It gets the raw digest on standard input, and in its environment the names of the digest and the
//! key. It returns the raw signature on standard output. Messages go to standard error, which it
//! shares with this process. It is started directly, not by a shell, and in a process group of its
//! own, so it cannot ask on the terminal: when it takes too long, the whole group is killed. (A
//! program that leaves its group is left alone, and so is the group when this process itself is
//! killed.)

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use verity::internals::to_u64;

use crate::certificate::{PublicKey, ToBeSigned};
use crate::error::SignerError;
use crate::signer::Signer;

/// The environment variable that names the key: `rsa2048`, `rsa3072`, `rsa4096`, `ecdsa-p256`,
/// `ecdsa-p384` or `ecdsa-p521`.
pub const KEY_ALGORITHM_VARIABLE: &str = "VERITY_KEY_ALGORITHM";
/// The environment variable that names the digest: `sha256`, `sha384` or `sha512`.
pub const DIGEST_ALGORITHM_VARIABLE: &str = "VERITY_DIGEST_ALGORITHM";

/// Asks another program for signatures.
///
/// ```no_run
/// use std::time::Duration;
/// use verity_sign::{Certificate, ExternalSigner, Signatory, SignatureBuilder};
///
/// let certificate = Certificate::parse(&std::fs::read("signing.crt")?)?;
/// let signer = ExternalSigner::new("kms-client", certificate.public_key().clone())
///     .args(["--key", "release"])
///     .timeout(Duration::from_secs(20));
/// let signatory = Signatory::new(signer, SignatureBuilder::new(certificate))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ExternalSigner {
    program: OsString,
    args: Vec<OsString>,
    public_key: PublicKey,
    timeout: Duration,
    stop: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl ExternalSigner {
    /// A program that signs with the private half of this key, the key of its certificate. It has a
    /// minute for each signature.
    pub fn new(program: impl Into<OsString>, public_key: PublicKey) -> ExternalSigner {
        ExternalSigner {
            program: program.into(),
            args: Vec::new(),
            public_key,
            timeout: Duration::from_secs(60),
            stop: None,
        }
    }

    /// Starts the program with these arguments. Other users of the machine can see them.
    #[must_use]
    pub fn args<A: Into<OsString>>(self, args: impl IntoIterator<Item = A>) -> ExternalSigner {
        ExternalSigner { args: args.into_iter().map(Into::into).collect(), ..self }
    }

    /// Kills the program after this time.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> ExternalSigner {
        ExternalSigner { timeout, ..self }
    }

    /// Kills the program as soon as `stop` returns true. It is called many times a second.
    #[must_use]
    pub fn stop(self, stop: impl Fn() -> bool + Send + Sync + 'static) -> ExternalSigner {
        ExternalSigner { stop: Some(Box::new(stop)), ..self }
    }

    fn run(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, ExternalSignerError> {
        let patience = Patience { signer: self, deadline: Instant::now() + self.timeout };
        let mut running = Running::start(self.command(to_be_signed))?;
        running.send(&to_be_signed.digest())?;
        let signature = patience.read(&running.read_output())?;
        patience.wait(&mut running)?;
        Ok(signature)
    }

    fn command(&self, to_be_signed: &ToBeSigned) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env(KEY_ALGORITHM_VARIABLE, self.public_key.key_type().name())
            .env(DIGEST_ALGORITHM_VARIABLE, to_be_signed.digest_algorithm().name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0);
        command
    }
}

impl Signer for ExternalSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        Ok(self.run(to_be_signed)?)
    }
}

impl fmt::Debug for ExternalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalSigner({:?}, {})", self.program, self.public_key.key_type())
    }
}

/// Why another program did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalSignerError {
    /// The program ended without success.
    #[error("the signer command failed: {status}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
    },
    /// Writing to the program, reading from it or waiting for it failed.
    #[error("the signer command cannot be talked to")]
    Io(#[source] io::Error),
    /// The program cannot be started.
    #[error("the signer command cannot be started")]
    Start(#[source] io::Error),
    /// The program was killed because the caller wanted to stop.
    #[error("the signer command was stopped")]
    Stopped,
    /// The program was killed because it took too long.
    #[error("the signer command took longer than {} seconds and was killed", .limit.as_secs_f32())]
    Timeout {
        /// The time that it had.
        limit: Duration,
    },
    /// The program wrote more than any signature is long.
    #[error("the signer command wrote more than {limit} bytes, which is no raw signature")]
    TooLong {
        /// The longest output that is read, in bytes.
        limit: usize,
    },
}

/// The output of the program, which another thread reads.
type Output = Receiver<io::Result<Vec<u8>>>;

/// The program and its process group. Unless the program was waited for, dropping this kills them.
struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    fn start(mut command: Command) -> Result<Running, ExternalSignerError> {
        let child = command.spawn().map_err(ExternalSignerError::Start)?;
        Ok(Running { child, ended: false })
    }

    /// Writes the digest. It always fits into the pipe, so this never waits. A program need not
    /// read it.
    fn send(&mut self, digest: &[u8]) -> Result<(), ExternalSignerError> {
        let Some(mut stdin) = self.child.stdin.take() else { return Ok(()) };
        match stdin.write_all(digest) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(ExternalSignerError::Io(error))
            }
            _ => Ok(()),
        }
    }

    fn read_output(&mut self) -> Output {
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = self.child.stdout.take() {
            // Nobody waits for the thread: a process that left the group may hold the pipe open.
            thread::spawn(move || sender.send(read_bounded(stdout)));
        }
        receiver
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // This fails only if the group is empty.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn read_bounded(stdout: ChildStdout) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    stdout.take(to_u64(MAX_RAW_SIGNATURE_BYTES) + 1).read_to_end(&mut output)?;
    Ok(output)
}

/// How long the program may take, and who may stop it.
struct Patience<'a> {
    signer: &'a ExternalSigner,
    deadline: Instant,
}

impl Patience<'_> {
    /// How long to sleep until the next look.
    fn tick(&self) -> Result<Duration, ExternalSignerError> {
        if self.signer.stop.as_ref().is_some_and(|stop| stop()) {
            return Err(ExternalSignerError::Stopped);
        }
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ExternalSignerError::Timeout { limit: self.signer.timeout }),
            left => Ok(left.min(TICK)),
        }
    }

    fn read(&self, output: &Output) -> Result<Vec<u8>, ExternalSignerError> {
        loop {
            match output.recv_timeout(self.tick()?) {
                Ok(Ok(bytes)) if bytes.len() > MAX_RAW_SIGNATURE_BYTES => {
                    return Err(ExternalSignerError::TooLong { limit: MAX_RAW_SIGNATURE_BYTES });
                }
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(error)) => return Err(ExternalSignerError::Io(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            }
        }
    }

    fn wait(&self, running: &mut Running) -> Result<(), ExternalSignerError> {
        loop {
            if let Some(status) = running.child.try_wait().map_err(ExternalSignerError::Io)? {
                running.ended = true;
                return match status.success() {
                    true => Ok(()),
                    false => Err(ExternalSignerError::Failed { status }),
                };
            }
            thread::sleep(self.tick()?.min(Duration::from_millis(2)));
        }
    }
}

/// No raw signature is longer, in bytes: RSA-4096 makes 512.
const MAX_RAW_SIGNATURE_BYTES: usize = 1024;

/// How long the wait for the program goes on before `stop` is asked again.
const TICK: Duration = Duration::from_millis(20);
