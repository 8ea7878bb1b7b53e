//! Images on a web server: read and verified as those that lie here.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use crate::common::web::{GOOD, WebServer};
use crate::common::{Dir, assert_no_leftovers};
use crate::serve::server::Server;
use verity_testdata::files;
use verity_testdata::nginx::Nginx;

const BLOCKS: usize = 1500;
const SIZE: u64 = BLOCKS as u64 * 4096;

/// An image of several pieces: `data`, `hash`, and the root hash.
fn formatted() -> (Dir, String) {
    let dir = Dir::with_data(BLOCKS);
    let root = dir.format("--salt 00");
    (dir, root)
}

#[test]
fn an_image_on_a_web_server_is_read_and_verified_as_one_here() {
    let Some(nginx) = Nginx::start() else { return };
    let (dir, root) = formatted();
    let data = dir.read("data");
    let publish = || {
        files::write(&nginx.file("data"), &data);
        files::write(&nginx.file("hash"), &dir.read("hash"));
    };
    publish();
    let (data_url, hash_url) = (nginx.url("data"), nginx.url("hash"));
    let line = |command: &str| format!("{command} {data_url} {hash_url} {root}");
    let (code, bytes, said) = dir.run_bytes(&line("read"));
    assert!(code == 0 && bytes == data, "{said}");
    assert!(said.contains("; fetched ") && said.contains(" requests\n"), "{said}");
    let said = dir.ok(&format!("{} --offset 5M --length 10 --output out --json", line("read")));
    assert_eq!(dir.read("out"), data[5 << 20..(5 << 20) + 10]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    // One byte and the superblock, then the path.
    assert_eq!(json["fetched_bytes"], 2 + 512 + 3 * 4096, "{said}");
    assert_eq!(json["requests"], 2 + 1 + 3, "{said}");
    assert!(dir.ok(&line("verify")).contains("verified: 1500 data blocks"));
    dir.ok(&format!("dump {hash_url}"));
    // The hash area here, the data there.
    assert!(dir.run_bytes(&format!("read {data_url} hash {root}")).1 == data);

    files::flip_bit(&nginx.file("data"), 700 * 4096, 0);
    let (code, bytes, said) = dir.run_bytes(&line("read"));
    assert!(code == 1 && bytes == data[..700 * 4096], "{said}");
    assert!(
        said.contains(&format!(
            "verity: {data_url}: only 2867200 bytes were written: data block 700"
        )),
        "{said}"
    );
    assert_eq!(dir.run_bytes(&line("verify")).0, 1);

    let (code, bytes, said) =
        dir.run_bytes(&format!("read {} {hash_url} {root}", nginx.url("none")));
    assert!(code == 4 && bytes.is_empty() && said.contains("status 404"), "{said}");
    for (url, word) in [("https://", "not a usable URL"), ("http://", "not a usable URL")] {
        dir.fails(&format!("verify {url} hash {root}"), 2, word);
    }
    assert_no_leftovers(&dir);
}

/// What a server says of one range is about the blocks there: parity gives them, as it does where a
/// disk cannot read them.
#[test]
fn blocks_that_a_server_fails_over_come_from_parity() {
    let dir = Dir::with_data(BLOCKS);
    let root = dir.format("--salt 00 --fec-device fec --fec-roots 2");
    let data = dir.read("data");
    let server = WebServer::with_bad_byte(vec![("data", data.clone())], 700 * 4096 + 5);
    let line = |command: &str| {
        format!("{command} {} hash {root} --fec-device fec --fec-roots 2", server.url("data"))
    };
    let run = dir.run(&line("verify"));
    assert!(run.code == 6 && run.stderr.contains("1 corrupt block"), "{run:?}");
    let (code, bytes, said) = dir.run_bytes(&line("read"));
    assert!(code == 0 && bytes == data, "{code} {said}");
    dir.ok(&line("repair --output out"));
    assert!(dir.read("out") == data);
    // Without parity the block is what it is.
    let run = dir.run(&format!("verify {} hash {root} --all", server.url("data")));
    assert!(run.code == 4 && run.stderr.contains("data block 700 cannot be read"), "{run:?}");
    assert_no_leftovers(&dir);
}

/// A file that is gone is gone for every block: nothing else is asked for.
#[test]
fn a_file_that_vanishes_from_its_server_ends_the_run() {
    let dir = Dir::with_data(BLOCKS);
    let root = dir.format("--salt 00 --fec-device fec --fec-roots 2");
    let gone: fn(usize) -> String = |number| match number {
        0 | 1 => GOOD.to_owned(),
        _ => "404 Not Found".to_owned(),
    };
    for command in ["verify", "verify --all", "read --output out", "repair --dry-run"] {
        let server = WebServer::with_status(vec![("data", dir.read("data"))], usize::MAX, gone);
        let run = dir.run(&format!(
            "{command} {} hash {root} --fec-device fec --fec-roots 2 --threads 1",
            server.url("data")
        ));
        assert!(run.code == 4 && run.stderr.contains("status 404"), "{command}: {run:?}");
        assert!(server.asked() <= 4, "{command}: {}", server.asked());
    }
}

/// A file that is replaced between two reads of a run.
#[test]
fn x06_a_file_on_a_server_that_changes_during_the_run_fails_it() {
    let Some(nginx) = Nginx::start() else { return };
    let (dir, root) = formatted();
    let data = dir.read("data");
    files::write(&nginx.file("data"), &data);
    let mut command = dir.command();
    command.args(["read", &nginx.url("data"), "hash", &root, "--threads", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut bytes = vec![0; 1000];
    stdout.read_exact(&mut bytes).unwrap();
    File::options().write(true).open(nginx.file("data")).unwrap().set_len(SIZE - 1).unwrap();
    stdout.read_to_end(&mut bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(bytes.len() < data.len() && data.starts_with(&bytes));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has changed"), "{output:?}");
}

/// What was found stays true where the parity cannot be had.
#[test]
fn a_corrupt_block_is_told_although_the_parity_cannot_be_had() {
    let dir = Dir::with_data(BLOCKS);
    let root = dir.format("--salt 00 --fec-device fec");
    dir.patch("data", 700 * 4096, b"corrupt");
    // It is there when it is opened, and never again.
    let status: fn(usize) -> String = |number| match number {
        0 => GOOD.to_owned(),
        _ => "404 Not Found".to_owned(),
    };
    let server = || WebServer::with_status(vec![("fec", dir.read("fec"))], usize::MAX, status);
    for options in ["", "--all"] {
        let url = server().url("fec");
        let line = format!("verify data hash {root} --fec-device {url} {options} --json");
        let run = dir.fails(&line, 1, "data block 700");
        let words = format!("; parity could not be asked: {url}: ");
        assert!(run.stderr.contains(&words), "{run:?}");
        let json = run.json();
        assert_eq!((&json["class"], &json["path"]), (&"not-verified".into(), &"data".into()));
        assert_eq!(json["corruptions"][0]["block"], 700);
    }
    let url = server().url("fec");
    let (code, bytes, said) = dir.run_bytes(&format!("read data hash {root} --fec-device {url}"));
    // Once the server answers again, the block may be read after all.
    assert!(code == 4 && said.contains("data block 700 is not right"), "{code}: {said}");
    assert_eq!(bytes.len(), 700 * 4096);
}

/// Whatever a server says, it does not steer the terminal: neither in a failure nor in a warning.
#[test]
fn a11_a_server_cannot_steer_the_terminal() {
    const HOSTILE: &str = "\u{202e}moc.elpmaxe\u{2028}verity: verified\u{9b}2J";
    let (dir, root) = formatted();
    let files = || vec![("data", dir.read("data")), ("hash", dir.read("hash"))];
    let statuses: [fn(usize) -> String; 4] = [
        |number| format!("{GOOD}\r\nETag: \"{number}{HOSTILE}\""),
        |_| format!("302 Found\r\nLocation: {HOSTILE}"),
        |_| format!("{GOOD}\r\nContent-Encoding: {HOSTILE}"),
        |_| format!("{GOOD}\r\nContent-Range: {HOSTILE}"),
    ];
    for status in statuses {
        let server = WebServer::with_status(files(), usize::MAX, status);
        let url = server.url("data");
        for line in [format!("read {url} hash {root}"), format!("verify {url} hash {root} --json")]
        {
            let run = dir.run(&line);
            assert_ne!(run.code, 0, "{run:?}");
            for text in [&run.stdout, &run.stderr] {
                let steers =
                    |c: char| c != '\n' && (c.is_control() || HOSTILE.contains(c) && !c.is_ascii());
                assert!(!text.contains(steers), "{run:?}");
            }
        }
    }
}

/// The file on the server changes while it is served: the warning is one line.
#[test]
fn a11_warnings_of_a_server_stay_on_one_line() {
    let (dir, root) = formatted();
    // Up to the first block everything is the same file.
    let status: fn(usize) -> String = |number| match number {
        0 => format!("{GOOD}\r\nETag: \"a\""),
        _ => format!("{GOOD}\r\nETag: \"\u{202e}b\u{2028}\""),
    };
    let server = WebServer::with_status(vec![("data", dir.read("data"))], usize::MAX, status);
    let serving =
        Server::start(&dir, &format!("serve {} hash {root} --socket s", server.url("data")));
    assert!(serving.client(true).read(0, 512).unwrap().is_err());
    let run = serving.stop("TERM");
    assert!(run.stderr.contains("warning: ") && run.stderr.contains("\\u{202e}"), "{run:?}");
    assert!(!run.stderr.contains(['\u{202e}', '\u{2028}']), "{run:?}");
}
