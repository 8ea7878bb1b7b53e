//! A running server.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use verity_testdata::nbd::Client;

use crate::common::{Dir, Run};

/// No test waits longer than that for something that must come.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has printed before it serves.
    pub(crate) ready: String,
    /// How clients name it.
    pub(crate) uri: String,
    pub(crate) socket: PathBuf,
}

impl Server {
    /// Starts a command line, split at blanks, and waits until it serves. A unix socket is called
    /// `s`.
    #[track_caller]
    pub(crate) fn start(dir: &Dir, line: &str) -> Server {
        let mut command = dir.command();
        command.args(line.split_whitespace());
        Server::spawn(dir, &mut command)
    }

    /// Starts a script of the shell, which must become the server.
    #[track_caller]
    pub(crate) fn start_shell(dir: &Dir, script: &str) -> Server {
        Server::spawn(dir, dir.tool("sh").args(["-c", script]))
    }

    #[track_caller]
    fn spawn(dir: &Dir, command: &mut Command) -> Server {
        Server::try_spawn(dir, command).unwrap_or_else(|run| panic!("it does not serve: {run:?}"))
    }

    /// Starts a command and waits until it serves, or until it has ended without.
    pub(crate) fn try_spawn(dir: &Dir, command: &mut Command) -> Result<Server, Run> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut ready, mut uri) = (String::new(), None);
        while uri.is_none() {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let run = Run::of(child.wait_with_output().unwrap());
                return Err(Run { stdout: ready, ..run });
            }
            uri = uri_in(&line);
            ready.push_str(&line);
        }
        Ok(Server { child, stdout, ready, uri: uri.unwrap(), socket: dir.path("s") })
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    /// A client in the transmission phase, on the unix socket.
    pub(crate) fn client(&self, structured: bool) -> Client<UnixStream> {
        Client::connect(self.connect(), structured).unwrap()
    }

    /// A client in the transmission phase, on TCP.
    pub(crate) fn tcp_client(&self) -> Client<TcpStream> {
        let address = self.uri.trim_start_matches("nbd://").trim_end_matches('/');
        Client::connect(TcpStream::connect(address).unwrap(), true).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Ends it; what it printed after it began to serve.
    pub(crate) fn stop(self, signal: &str) -> Run {
        self.signal(signal);
        self.wait()
    }

    /// Waits until it has ended, but not for ever.
    pub(crate) fn wait(mut self) -> Run {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() < LONG => thread::sleep(Duration::from_millis(5)),
                None => panic!("it goes on serving"),
            }
        };
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        Run { code, stdout, stderr }
    }
}

impl Drop for Server {
    /// A test that panics leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URI in a line of text or of JSON.
fn uri_in(line: &str) -> Option<String> {
    let start = line.find("nbd")?;
    let end = line[start..].find(['"', '\n'])?;
    Some(line[start..start + end].to_owned())
}
