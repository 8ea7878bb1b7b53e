//! A server over a hostile input, and one client that reads every block.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use verity_testdata::nbd::{self, Client, OptionReply};

use super::limits::{Ended, limited, patience, text, wait};

const BLOCK: u64 = 4096;

/// Serves, reads, and ends the server. Returns what is wrong. From an honest image all of the data
/// must come.
pub(crate) fn serve(place: &Path, line: &str, data: &[u8], is_honest: bool) -> Option<String> {
    drive(limited(place, &format!("{line} --socket s")), place, data, is_honest)
}

/// Does so with a server of any command line, whose socket is `s`.
pub(crate) fn drive(
    mut command: Command,
    place: &Path,
    data: &[u8],
    is_honest: bool,
) -> Option<String> {
    let mut said = tempfile::tempfile_in("/dev/shm").unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let mut has_served = false;
    let fault = match wait_until_ready(&mut child) {
        Ready::Serves => {
            has_served = true;
            let fault = read_all(place, data, is_honest).err();
            let id = child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
            fault
        }
        Ready::Ended if is_honest => Some("it does not serve".to_owned()),
        Ready::Ended => None,
        Ready::Silent => Some("it does not begin to serve".to_owned()),
    };
    let code = wait(&mut child);
    let ended = Ended { code, stderr: text(&mut said), stdout: Vec::new() };
    let fault = fault.or_else(|| ended.fault());
    let fault = fault.or_else(|| {
        // A signal is how a server ends well.
        let is_other = has_served && code != Some(0);
        is_other.then(|| "it was told to end".to_owned())
    });
    let fault = fault.or_else(|| place.join("s").exists().then(|| "its socket is left".to_owned()));
    fault.map(|fault| format!("{fault}: {ended:?}"))
}

enum Ready {
    Serves,
    Ended,
    Silent,
}

fn wait_until_ready(child: &mut Child) -> Ready {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // What is said later is read, so that nobody waits for room in the pipe.
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send(line.contains("nbd+unix"));
        }
    });
    loop {
        match receiver.recv_timeout(patience()) {
            Ok(true) => return Ready::Serves,
            Ok(false) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ready::Ended,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                return Ready::Silent;
            }
        }
    }
}

/// Reads every block of the data that there is, and some of those that are only claimed. Each is
/// the data's or an error; of an honest image, there is no error.
fn read_all(place: &Path, data: &[u8], is_honest: bool) -> Result<(), String> {
    let words = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => format!("the connection ends: {error}"),
    };
    let size = size(place).map_err(words)?;
    if is_honest && size != u64::try_from(data.len()).unwrap() {
        return Err(format!("an export of {size} bytes"));
    }
    let mut client = Client::connect_for_status(connect(place).map_err(words)?).map_err(words)?;
    for offset in places(size) {
        let length = u32::try_from(BLOCK.min(size - offset)).unwrap();
        let bytes = match client.read(offset, length).map_err(words)? {
            Ok(bytes) => bytes,
            Err(5) if !is_honest => continue,
            Err(error) => return Err(format!("error {error} at byte {offset}")),
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let expected = data.get(start..).and_then(|rest| rest.get(..bytes.len()));
        if expected != Some(&bytes) {
            return Err(format!("bytes at {offset} that are not the data's"));
        }
    }
    // The longest read there is, in one request.
    let length = u32::try_from(size.min(32 << 20)).unwrap();
    if let Ok(bytes) = client.read(0, length).map_err(words)?
        && !data.starts_with(&bytes)
    {
        return Err("a long read that is not the data's".to_owned());
    }
    let length = u32::try_from(size).unwrap_or(u32::MAX);
    match client.status(0, 0, length).map_err(words)? {
        Err(error) if length > 0 => Err(format!("error {error} instead of a status")),
        _ => Ok(()),
    }
}

/// Where a client reads: everywhere in a small export, at its start and at its end in a larger one,
/// and at every power of two.
fn places(size: u64) -> Vec<u64> {
    let blocks = size.div_ceil(BLOCK);
    let powers = (9..52).map(|power| 1 << power).take_while(|block| *block < blocks);
    let ends = (0..blocks.min(320)).chain(powers).chain(blocks.saturating_sub(4)..blocks);
    ends.map(|block| block * BLOCK).collect()
}

fn connect(place: &Path) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(place.join("s"))?;
    stream.set_read_timeout(Some(patience()))?;
    stream.set_write_timeout(Some(patience()))?;
    Ok(stream)
}

/// The size of the export.
fn size(place: &Path) -> std::io::Result<u64> {
    let mut stream = connect(place)?;
    nbd::read_greeting(&mut stream)?;
    stream.write_all(&nbd::hello(nbd::USUAL_FLAGS))?;
    stream.write_all(&nbd::option(nbd::INFO, &nbd::info("", &[])))?;
    let replies = OptionReply::read_all(&mut stream)?;
    Ok(u64::from_be_bytes(replies[0].data[2..10].try_into().unwrap()))
}
