//! `read` and `serve` with parity: right bytes where the storage has wrong ones.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::json;
use verity_testdata::nbd::Client;

use super::image::Image;

fn damaged() -> Image {
    let image = Image::new();
    image.damage_data([0, 131, 299]);
    image.damage_hash(0, 1);
    image
}

#[test]
fn a_read_gives_what_the_parity_gives_back() {
    let image = damaged();
    let dir = &image.dir;
    let plain = format!("read data hash {}", image.root);
    assert_eq!(dir.run_bytes(&plain).0, 1);
    let (code, bytes, said) = dir.run_bytes(&image.line("read --threads 1"));
    assert_eq!(code, 0, "{said}");
    assert!(bytes == image.good[0]);
    assert!(said.contains("; 4 times a block was repaired\n"), "{said}");
    let said = dir.ok(&image.line("read --output out --preload --threads 1 --json"));
    assert!(dir.read("out") == image.good[0]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["repairs"], 4);
    dir.fails(&image.line("read --output fec"), 2, "is the input");
    image.assert_only_damaged();
}

#[test]
fn serve_gives_what_the_parity_gives_back_and_counts_it() {
    let image = damaged();
    let line = image.line("serve --socket s --json");
    let mut command = image.dir.command();
    let command = command.args(line.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let mut client =
        Client::connect(UnixStream::connect(image.dir.path("s")).unwrap(), true).unwrap();
    let bytes = client.read(0, 300 * 4096).unwrap().unwrap();
    assert!(bytes == image.good[0]);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    let json: serde_json::Value = serde_json::from_str(&rest).unwrap();
    assert!(json["repairs"].as_u64().unwrap() >= 4, "{json}");
    assert_eq!(json["failed_requests"], json!(0));
}
