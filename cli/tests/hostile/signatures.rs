//! Signatures, root hash files, state files, keys and certificates of other bytes than they should
//! have. One file of each command line is odd.

use std::sync::Arc;

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::case::{Case, Contents, run_all, seed};
use super::line::{Line, Made, line};
use super::oddities::oddities;
use super::set::Set;
use super::signers;

/// Command lines, each with the file that `odd` is where nothing is hostile.
fn lines(root: &str) -> Vec<(&'static str, Line)> {
    [
        attaching_lines(root),
        signing_lines(root),
        building_lines(),
        reading_lines(root),
        trusting_lines(),
        checking_lines(root),
    ]
    .concat()
}

/// A line that makes the signature of the root hash, or what is to be signed, in `out2`.
fn signs(words: impl Into<String>) -> Line {
    line(words.into() + " --output out2").makes("out2", Made::SignatureOf("image.roothash"))
}

/// By a certificate that is almost the right one, or by another key, or of something else.
fn signs_somehow(words: impl Into<String>) -> Line {
    line(words.into() + " --output out2").makes("out2", Made::Something)
}

/// A line that makes a set of files with this name.
fn builds(words: &str, names: [&'static str; 5]) -> Line {
    names.into_iter().fold(line(words), |line, name| line.makes(name, Made::Something))
}

/// What is signed elsewhere.
fn attaching_lines(root: &str) -> Vec<(&'static str, Line)> {
    let attach = format!("attach-signature {root} --raw-signature");
    let prepare = format!("prepare-signature {root}");
    let (digest, manifest) = ("prepare-signature", "image.manifest.json");
    let of_manifest =
        "attach-signature --manifest odd --raw-signature manifestsig --certificate cert";
    let of_file = "attach-signature --root-hash-file odd --raw-signature sig --certificate cert";
    let partition = format!("{attach} sig --certificate odd --signature-partition out");
    let content = "--manifest odd --certificate cert --content-output out";
    vec![
        ("sig", signs(format!("{attach} odd --certificate cert"))),
        ("cert", signs_somehow(format!("{attach} sig --certificate odd"))),
        ("ca", signs_somehow(format!("{attach} leafsig --certificate leaf --chain odd"))),
        ("image.roothash", signs(of_file)),
        (manifest, signs_somehow(of_manifest)),
        ("cert", signs_somehow(partition).makes("out", Made::Something)),
        ("cert", signs_somehow(format!("{prepare} --certificate odd"))),
        (
            "image.roothash",
            signs_somehow(format!("{digest} --root-hash-file odd --certificate cert")),
        ),
        (manifest, signs_somehow(format!("{digest} {content}")).makes("out", Made::CopyOf("odd"))),
    ]
}

/// What is signed here.
fn signing_lines(root: &str) -> Vec<(&'static str, Line)> {
    let sign = format!("sign {root} --certificate cert");
    let signer = "--key key --certificate cert";
    let of_manifest = format!("sign --manifest odd {signer} --output out2");
    let of_file = format!("sign --root-hash-file odd {signer}");
    vec![
        ("key", signs(format!("{sign} --key odd"))),
        ("passphrase", signs(format!("{sign} --key locked --passphrase-file odd"))),
        ("sig", signs(format!("{sign} --signer-command /bin/cat --signer-arg odd"))),
        ("cert", signs_somehow(format!("sign {root} --key key --certificate odd"))),
        ("ca", signs_somehow(format!("sign {root} --key leafkey --certificate leaf --chain odd"))),
        ("image.roothash", signs(of_file.clone())),
        (
            "image.roothash",
            signs_somehow(of_file + " --signature-partition out").makes("out", Made::Something),
        ),
        ("image.manifest.json", line(of_manifest).makes("out2", Made::SignatureOf("odd"))),
    ]
}

fn building_lines() -> Vec<(&'static str, Line)> {
    let set =
        ["w.verity", "w.roothash", "w.roothash.p7s", "w.manifest.json", "w.manifest.json.p7s"];
    let one =
        ["one", "one.roothash", "one.roothash.p7s", "one.manifest.json", "one.manifest.json.p7s"];
    let single = "build image.raw --key key --certificate odd --single-file one";
    let locked = "build w.raw --key locked --passphrase-file odd --certificate cert";
    vec![
        ("key", builds("build w.raw --key odd --certificate cert", set)),
        ("passphrase", builds(locked, set)),
        ("cert", builds("build w.raw --key key --certificate odd", set)),
        (
            "cert",
            builds("build w.raw --key key --certificate odd --block-index index", set)
                .makes("index", Made::Something),
        ),
        ("ca", builds("build w.raw --key leafkey --certificate leaf --chain odd", set)),
        ("cert", builds(single, one)),
    ]
}

/// Those that trust nothing.
fn reading_lines(root: &str) -> Vec<(&'static str, Line)> {
    let lint = "lint-signature image.roothash.p7s";
    let parity = "dump image.verity --fec-device odd --fec-offset 20480";
    let like = line("format image.raw tree --like odd").makes("tree", Made::Something);
    vec![
        ("image.roothash.p7s", line(format!("lint-signature odd {root} --certificate cert"))),
        ("cert", line(format!("{lint} {root} --certificate odd"))),
        ("image.roothash", line(format!("{lint} --root-hash-file odd"))),
        ("image.raw", line("plan --image odd")),
        ("image.raw", line("plan --partition odd")),
        ("image.verity", like),
        ("image.verity", line("dump odd")),
        ("image.verity", line(parity)),
    ]
}

/// Those that check something before they take it: all options of trust, with the file that is odd
/// in each.
fn trusting_lines() -> Vec<(&'static str, Line)> {
    let image = "image.raw image.verity";
    let manifest = "image.manifest.json";
    let mut lines = Vec::new();
    for (honest, trust) in [
        ("image.roothash", "--root-hash-file odd".to_owned()),
        (manifest, "--manifest odd --certificate cert".to_owned()),
        ("cert", format!("--manifest {manifest} --certificate odd")),
        ("ca", "--manifest leaf.manifest.json --ca odd".to_owned()),
    ] {
        let hash = if trust.starts_with("--root") { "image.verity " } else { "" };
        let image = format!("{image} {trust}");
        let parity = "--fec-device image.verity --fec-offset 20480";
        let trusting = [
            line(format!("verify {image}")),
            line(format!("read {image}")),
            line(format!("read {image} --output out")).makes("out", Made::Data),
            line(format!("repair {image} --dry-run {parity}")),
            line(format!("serve {image}")),
            line(format!("open image.raw no-such-device image.verity {trust} --dry-run")),
            line(format!("table {hash}{trust} --data-dev a --hash-dev b")),
        ];
        lines.extend(trusting.map(|line| (honest, line)));
    }
    lines
}

/// Those that check signatures of root hashes, and whole sets.
fn checking_lines(root: &str) -> Vec<(&'static str, Line)> {
    let signed = format!("verify image.raw image.verity {root} --root-hash-signature");
    let state = line("check image.raw --certificate cert --image-name image --state odd");
    let open = format!(
        "open image.raw no-such-device image.verity {root} --dry-run --root-hash-signature"
    );
    let status = "status no-such-device --check";
    vec![
        ("image.roothash.p7s", line(format!("{open} odd --certificate cert"))),
        ("cert", line(format!("{open} image.roothash.p7s --certificate odd"))),
        ("cert", line("open image.raw no-such-device --dry-run --certificate odd")),
        ("image.manifest.json", line(format!("{status} odd --certificate cert")).code(4)),
        ("cert", line(format!("{status} image.manifest.json --certificate odd")).code(4)),
        ("ca", line(format!("{status} leaf.manifest.json --ca odd")).code(4)),
        ("image.roothash.p7s", line(format!("{signed} odd --certificate cert"))),
        ("cert", line(format!("{signed} image.roothash.p7s --certificate odd"))),
        ("leaf.roothash.p7s", line(format!("{signed} odd --ca ca"))),
        ("ca", line(format!("{signed} leaf.roothash.p7s --ca odd"))),
        ("image.roothash.p7s", line("check x.raw --no-manifest --certificate cert")),
        ("image.roothash", line("check y.raw --no-manifest --certificate cert")),
        ("image.verity", line("check z.raw --no-manifest --certificate cert")),
        ("image.verity-sig", line("check v.raw --no-manifest --certificate cert")),
        ("ca", line("check leaf.raw --no-manifest --ca odd")),
        ("cert", line("check image.raw --certificate odd")),
        (
            "ca",
            line("slots leaf.raw activate a --verify --manifest leaf.manifest.json --ca odd")
                .code(3),
        ),
        (
            "image.roothash",
            line("slots image.raw activate a --verify --root-hash-file odd").code(3),
        ),
        ("ca", line("check leaf.raw --ca odd")),
        ("ca", line(format!("install leaf.raw --ca odd {SLOT}"))),
        ("cert", line(format!("install image.raw --certificate odd {SLOT}"))),
        ("state", state.makes("odd", Made::Something)),
    ]
}

/// A slot that is large enough, and not written.
const SLOT: &str = "--data-device slot --hash-device slot2 --dry-run";

/// The set, and all that the lines name beside it.
fn set() -> Set {
    let set = Set::build();
    signers::make_authority(set.place());
    std::fs::write(set.place().join("passphrase"), "test").unwrap();
    for name in ["slot", "slot2"] {
        std::fs::write(set.place().join(name), vec![0; 4 << 20]).unwrap();
    }
    for (key, name, content) in [
        ("key", "sig", "image.roothash"),
        ("key", "manifestsig", "image.manifest.json"),
        ("leafkey", "leafsig", "image.roothash"),
    ] {
        let line = format!("dgst -sha256 -sign {key} -out {name} {content}");
        oracle::run_ok(&mut signers::openssl(set.place(), &line));
    }
    let line = "pkcs8 -topk8 -v2 aes256 -iter 1000 -in key -out locked -passout file:passphrase";
    oracle::run_ok(&mut signers::openssl(set.place(), line));
    set.copy("image.raw", "leaf.raw");
    set.run(
        "build leaf.raw --seed test --image-version 3 --fec-roots 2 --key leafkey \
         --certificate leaf --embed-certificate",
    );
    set.run("check image.raw --certificate cert --image-name image --state state");
    for name in ["x", "y", "z", "v", "w"] {
        set.copy("image.raw", &format!("{name}.raw"));
        for part in ["verity", "roothash", "roothash.p7s"] {
            set.copy(&format!("image.{part}"), &format!("{name}.{part}"));
        }
    }
    set.copy("image.manifest.json.p7s", "odd.p7s");
    set
}

/// What is odd under another name, as `check` finds its files itself.
const ALIASES: [&str; 4] = ["x.roothash.p7s", "y.roothash", "z.verity", "v.verity-sig"];

const FILES: [&str; 41] = [
    "image.raw",
    "image.verity",
    "image.roothash",
    "image.roothash.p7s",
    "image.manifest.json",
    "image.manifest.json.p7s",
    "image.verity-sig",
    "leaf.raw",
    "leaf.verity",
    "leaf.roothash",
    "leaf.roothash.p7s",
    "leaf.manifest.json",
    "leaf.manifest.json.p7s",
    "x.raw",
    "x.verity",
    "x.roothash",
    "y.raw",
    "y.verity",
    "y.roothash.p7s",
    "z.raw",
    "z.roothash",
    "z.roothash.p7s",
    "v.raw",
    "v.verity",
    "v.roothash",
    "v.roothash.p7s",
    "w.raw",
    "odd.p7s",
    "key",
    "cert",
    "locked",
    "passphrase",
    "sig",
    "manifestsig",
    "ca",
    "leaf",
    "leafkey",
    "leafsig",
    "slot",
    "slot2",
    "state",
];

/// A case for each line where nothing is hostile, and one for each oddity.
pub(crate) fn cases(random: &mut Prng) -> Vec<Case> {
    let set = set();
    let files = set.files(&FILES);
    let lines = lines(&set.root);
    let case = |name: String, odd: &Contents, lines: Vec<Line>| Case {
        name,
        is_honest: false,
        files: [&files[..], &[("odd", odd.clone())], &ALIASES.map(|name| (name, odd.clone()))]
            .concat(),
        lines,
        data: Arc::clone(&files[0].1.bytes),
        repaired: Vec::new(),
    };
    let honest = lines.iter().map(|(name, line)| {
        let odd = set.bytes(name).into();
        Case { is_honest: true, ..case(format!("honest {name}"), &odd, vec![line.clone()]) }
    });
    let hostile = oddities(&set, random)
        .into_iter()
        .map(|(name, odd)| case(name, &odd, lines.iter().map(|(_, line)| line.clone()).collect()));
    honest.chain(hostile).collect()
}

#[test]
fn r07_hostile_signatures_keys_and_texts_end_every_command_soon() {
    if oracle::require("openssl").is_some() {
        run_all(&cases(&mut Prng::new(seed())));
    }
}
