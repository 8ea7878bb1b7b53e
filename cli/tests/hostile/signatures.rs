//! Signatures, root hash files, state files, keys and certificates of other bytes than they should
//! have.

use verity_testdata::files;
use verity_testdata::pattern::{self, Prng};

use super::case::{Case, Contents, run_all, seed};
use super::image::Image;

/// DER that says more than there is, and what is cheap to write and dear to read.
fn oddities() -> Vec<(&'static str, Contents)> {
    vec![
        ("nothing", Vec::new().into()),
        ("one byte", vec![0x30].into()),
        ("a sequence of 4 GiB", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff].into()),
        ("a sequence of 2^64", [vec![0x30, 0x88], vec![0xff; 8]].concat().into()),
        ("no definite length", [vec![0x30, 0x80], vec![0; 9]].concat().into()),
        ("deep sequences", [0x30, 0x80].repeat(50_000).into()),
        ("deep definite sequences", deep(2000).into()),
        ("long text", vec![b'a'; 3 << 20].into()),
        ("PEM without an end", b"-----BEGIN PKCS7-----\n".to_vec().into()),
        ("many PEM objects", b"-----BEGIN A-----\nAAAA\n-----END A-----\n".repeat(20_000).into()),
        ("a huge hole", Contents { bytes: vec![0x30, 0x82], size: 1 << 62 }),
        ("noise", pattern::sha256_stream(4096).into()),
    ]
}

/// Sequences in sequences, each as long as what is in it.
fn deep(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..levels {
        let mut outer = vec![0x30, 0x83];
        outer.extend(&u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..]);
        outer.append(&mut bytes);
        bytes = outer;
    }
    bytes
}

fn lines(root: &str) -> Vec<String> {
    let lines = [
        format!("lint-signature odd --root-hash {root} --certificate cert"),
        "lint-signature odd --certificate odd".to_owned(),
        format!("attach-signature {root} --raw-signature odd --certificate cert --output out2"),
        format!("attach-signature {root} --raw-signature sig --certificate odd --output out2"),
        format!("prepare-signature {root} --certificate odd --output out2"),
        "prepare-signature --root-hash-file odd --certificate cert --output out2".to_owned(),
        format!("sign {root} --key odd --certificate cert --output out2"),
        format!("sign {root} --key key --certificate odd --output out2"),
        format!("sign {root} --key key --passphrase-file odd --certificate cert --output out2"),
        "sign --root-hash-file odd --key key --certificate cert --output out2".to_owned(),
        "sign --manifest odd --key key --certificate cert --output out2".to_owned(),
        "verify data hash --root-hash-file odd".to_owned(),
        "verify data hash --manifest odd --certificate cert".to_owned(),
        "read data hash --manifest odd --ca odd".to_owned(),
        "check data --certificate cert --state odd".to_owned(),
        "dump odd".to_owned(),
    ];
    lines.to_vec()
}

pub(crate) fn cases(random: &mut Prng) -> Vec<Case> {
    let image = Image::new();
    let part = |name: &str| {
        files::read(&verity_testdata::path(&format!("keys/TEST_KEY_DO_NOT_USE.rsa2048.{name}.pem")))
    };
    let mut odd = oddities();
    // Keys and certificates with a few other bytes.
    for (name, bytes) in [("almost a key", part("key")), ("almost a certificate", part("cert"))] {
        for _ in 0..12 {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(4) {
                let at = random.index(bytes.len());
                bytes[at] = *random.pick(b"A/+=z-\n\x00\xff");
            }
            odd.push((name, bytes.into()));
        }
    }
    let case = |(name, contents): (&str, Contents)| Case {
        name: name.to_owned(),
        files: vec![
            ("data", image.data.to_vec().into()),
            ("hash", image.hash.clone().into()),
            ("odd", contents),
            ("sig", vec![7; 256].into()),
            ("key", part("key").into()),
            ("cert", part("cert").into()),
        ],
        lines: lines(&image.root),
        servers: vec!["serve data hash --root-hash-file odd".to_owned()],
        data: image.data.to_vec(),
    };
    odd.into_iter().map(case).collect()
}

#[test]
fn r07_hostile_signatures_keys_and_texts_end_every_command_soon() {
    run_all(&cases(&mut Prng::new(seed())));
}
