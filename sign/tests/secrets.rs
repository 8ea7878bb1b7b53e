//! What is left of a key in memory. K09 in the library: a process with a key is looked through from
//! outside, as a core dump would show it, while it holds the key and after it has dropped it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use common::{OpenSsl, certificate, der_of, key_file, path};
use num_bigint::BigUint;
use verity_sign::{PrivateKey, Signatory, SignatureBuilder};
use verity_testdata::der::Node;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "correct horse 271828";
/// The directory with a key file and its passphrase; only a child has it.
const CHILD: &str = "VERITY_SECRETS_TEST";

/// What a child does: it takes a key into memory, signs, and drops the key. It stops after each.
fn child(dir: &Path) {
    let name = fs::read_to_string(dir.join("name")).unwrap();
    let mut stop = {
        let mut lines = io::stdin().lines();
        move |word: &str| {
            println!("{word}");
            io::stdout().flush().unwrap();
            lines.next();
        }
    };
    let open = |file: &str| File::open(dir.join(file)).unwrap();
    let key = match dir.join("passphrase").exists() {
        true => {
            let mut passphrase = Zeroizing::new(vec![0; PASSPHRASE.len()]);
            open("passphrase").read_exact(&mut passphrase).unwrap();
            PrivateKey::read_encrypted(open("key"), &passphrase).unwrap()
        }
        false => PrivateKey::read(open("key")).unwrap(),
    };
    stop("read");
    let signatory = Signatory::new(key, SignatureBuilder::new(certificate(&name))).unwrap();
    signatory.sign_detached(b"content").unwrap();
    stop("used");
    drop(signatory);
    stop("dropped");
}

/// A child, from outside.
struct Watched {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Watched {
    fn start(test: &str, dir: &Path) -> Watched {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]).env(CHILD, dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Watched { child, stdin, stdout }
    }

    /// Waits until the child has said this.
    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.ends_with(&format!("{word}\n")) {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the child ended");
        }
    }

    fn go_on(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
    }

    /// Everything that can be written in its memory: what a core dump has of it.
    fn memory(&self) -> Vec<(String, Vec<u8>)> {
        let proc = format!("/proc/{}", self.child.id());
        let mut mem = File::open(format!("{proc}/mem")).unwrap();
        let maps = fs::read_to_string(format!("{proc}/maps")).unwrap();
        let mut areas = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            let length = number(end) - number(start);
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            mem.seek(SeekFrom::Start(number(start))).unwrap();
            mem.read_exact(&mut bytes).unwrap();
            areas.push((line.to_owned(), bytes));
        }
        areas
    }

    /// Which of these are in its memory, and where. A part of a secret is enough to be found.
    fn finds(&self, needles: &[Needle]) -> Vec<String> {
        let memory = self.memory();
        assert!(memory.iter().any(|(area, _)| area.ends_with("[stack]")));
        let parts: HashMap<&[u8], &str> = needles
            .iter()
            .flat_map(|needle| needle.bytes.chunks_exact(PART).map(|part| (part, &*needle.name)))
            .collect();
        let mut found = Vec::new();
        for (area, bytes) in &memory {
            for (at, window) in bytes.windows(PART).enumerate() {
                // Most of memory is zeros.
                if window[0] == 0 && window[1] == 0 {
                    continue;
                }
                if let Some(name) = parts.get(window) {
                    found.push(format!("{name} at {at:x} of {area}"));
                }
            }
        }
        found
    }

    fn end(mut self) {
        self.go_on();
        assert!(self.child.wait().unwrap().success());
    }
}

/// How many bytes of a secret are one find.
const PART: usize = 16;

/// Bytes that should be nowhere.
struct Needle {
    name: String,
    bytes: Vec<u8>,
}

/// The bytes, and the same as limbs of a machine have them.
fn needles(name: &str, bytes: &[u8]) -> [Needle; 2] {
    let reversed = bytes.iter().rev().copied().collect();
    let name = name.to_owned();
    [
        Needle { name: format!("{name}, as limbs"), bytes: reversed },
        Needle { name, bytes: bytes.to_vec() },
    ]
}

/// The scalar of an EC key, plain and in Montgomery's form.
fn scalar(name: &str) -> Vec<Needle> {
    let sec1 = Node::parse(&der_of(&key_file(name))).at(&[2]).bytes();
    let scalar = Node::parse(&sec1).at(&[1]).bytes();
    let order = match name {
        "p256" => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "p384" => {
            "ffffffffffffffffffffffffffffffffffffffffffffffff\
             c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
        }
        _ => {
            "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
             51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"
        }
    };
    let order = BigUint::parse_bytes(order.as_bytes(), 16).unwrap();
    // In whole limbs.
    let bits = (8 * scalar.len()).next_multiple_of(64);
    let montgomery = (BigUint::from_bytes_be(&scalar) << bits) % order;
    let mut all = Vec::from(needles("the scalar", &scalar));
    all.extend(needles("the scalar in Montgomery's form", &montgomery.to_bytes_be()));
    all
}

/// The secret numbers of an RSA key. ring has them as limbs for as long as it has the key, and
/// wipes nothing.
fn numbers(name: &str) -> Vec<Needle> {
    let pkcs1 = Node::parse(&der_of(&key_file(name))).at(&[2]).bytes();
    let number = |(index, name)| {
        let number = Node::parse(&pkcs1).at(&[3 + index]).bytes();
        let number = number.strip_prefix(&[0]).unwrap_or(&number).to_vec();
        Needle { name: format!("{name} in DER"), bytes: number }
    };
    ["d", "p", "q", "dP", "dQ", "qInv"].into_iter().enumerate().map(number).collect()
}

/// The key that the passphrase becomes, by PBKDF2 as the file says.
fn derived(openssl: &OpenSsl, file: &[u8]) -> [Needle; 2] {
    let mut tree = Node::parse(file);
    let salt = hex::encode(tree.at(&[0, 1, 0, 1, 0]).bytes());
    let rounds = tree.at(&[0, 1, 0, 1, 1]).bytes();
    let rounds = rounds.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    let words = format!(
        "kdf -keylen 32 -binary -kdfopt digest:SHA256 -kdfopt hexpass:{} -kdfopt hexsalt:{salt} \
         -kdfopt iter:{rounds} PBKDF2",
        hex::encode(PASSPHRASE)
    );
    needles("the passphrase's AES key", &openssl.ok(&words, &[]))
}

fn watch(test: &str, name: &str, way: &str) {
    let Some(openssl) = OpenSsl::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("name"), name).unwrap();
    let mut wanted = vec![];
    if way.is_empty() {
        fs::copy(path(name, "key"), file("key")).unwrap();
    } else {
        fs::write(file("passphrase"), PASSPHRASE).unwrap();
        openssl.file("passphrase", PASSPHRASE.as_bytes());
        let line =
            format!("pkcs8 -topk8 -in {{}} {way} -passout file:passphrase -outform DER -out {{}}");
        openssl.ok(&line, &[&path(name, "key"), &file("key")]);
        wanted.extend(needles("the passphrase", PASSPHRASE.as_bytes()));
        if !way.contains("scrypt") {
            wanted.extend(derived(&openssl, &fs::read(file("key")).unwrap()));
        }
    }
    let pem = String::from_utf8(key_file(name)).unwrap();
    wanted.extend(needles("PEM", pem.lines().nth(2).unwrap().as_bytes()));
    let is_rsa = name.starts_with("rsa");
    wanted.extend(if is_rsa { numbers(name) } else { scalar(name) });

    let mut watched = Watched::start(test, dir.path());
    if File::open(format!("/proc/{}/mem", watched.child.id())).is_err() {
        watched.child.kill().unwrap();
        watched.child.wait().unwrap();
        return verity_testdata::oracle::skip("to look into the memory of its own child");
    }
    for stage in ["read", "used"] {
        watched.wait_for(stage);
        let found = watched.finds(&wanted);
        // The key itself must be somewhere, which shows that this would find it; and nothing else
        // of it.
        let (key, others): (Vec<_>, Vec<_>) =
            found.iter().partition(|find| find.starts_with("the scalar"));
        assert!(others.is_empty(), "{name} {way} {stage}: {others:#?}");
        assert_eq!(key.is_empty(), is_rsa, "{name} {way} {stage}");
        watched.go_on();
    }
    watched.wait_for("dropped");
    let found = watched.finds(&wanted);
    assert!(found.is_empty(), "{name} {way}: {found:#?}");
    watched.end();
}

const WAYS: [&str; 3] = ["", "-v2 aes-256-cbc", "-scrypt"];

#[test]
fn k09_nothing_is_left_of_a_dropped_key() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return child(Path::new(&dir));
    }
    for name in ["p256", "p384", "p521", "rsa2048"] {
        for way in WAYS {
            watch("k09_nothing_is_left_of_a_dropped_key", name, way);
        }
    }
}
