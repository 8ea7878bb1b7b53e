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
    let image = "image.raw image.verity";
    let signer = "--key key --certificate cert";
    let leaf = "--key leafkey --certificate leaf";
    let set = |line: Line| {
        let names = ["w.verity", "w.roothash", "w.roothash.p7s", "w.manifest.json"];
        let names = names.into_iter().chain(["w.manifest.json.p7s"]);
        names.fold(line, |line, name| line.makes(name, Made::Something))
    };
    let single_file = |line: Line| {
        let names = ["one", "one.roothash", "one.roothash.p7s", "one.manifest.json"];
        let names = names.into_iter().chain(["one.manifest.json.p7s"]);
        names.fold(line, |line, name| line.makes(name, Made::Something))
    };
    let signs = |words: String| {
        line(format!("{words} --output out2")).makes("out2", Made::SignatureOf("image.roothash"))
    };
    // By a certificate that is almost the right one, or by another key.
    let signs_somehow =
        |words: String| line(format!("{words} --output out2")).makes("out2", Made::Something);
    let mut lines = vec![
        ("image.roothash.p7s", line(format!("lint-signature odd {root} --certificate cert"))),
        ("cert", line(format!("lint-signature image.roothash.p7s {root} --certificate odd"))),
        ("image.roothash", line("lint-signature image.roothash.p7s --root-hash-file odd")),
        ("sig", signs(format!("attach-signature {root} --raw-signature odd --certificate cert"))),
        (
            "cert",
            signs_somehow(format!("attach-signature {root} --raw-signature sig --certificate odd")),
        ),
        (
            "ca",
            signs_somehow(format!(
                "attach-signature {root} --raw-signature leafsig --certificate leaf --chain odd"
            )),
        ),
        (
            "image.roothash",
            signs(format!(
                "attach-signature --root-hash-file odd --raw-signature sig --certificate cert"
            )),
        ),
        (
            "image.manifest.json",
            signs_somehow(
                "attach-signature --manifest odd --raw-signature manifestsig --certificate cert"
                    .to_owned(),
            ),
        ),
        ("cert", signs_somehow(format!("prepare-signature {root} --certificate odd"))),
        (
            "image.roothash",
            signs_somehow("prepare-signature --root-hash-file odd --certificate cert".to_owned()),
        ),
        (
            "image.manifest.json",
            signs_somehow(
                "prepare-signature --manifest odd --certificate cert --content-output out"
                    .to_owned(),
            )
            .makes("out", Made::CopyOf("odd")),
        ),
        (
            "cert",
            signs_somehow(format!(
                "attach-signature {root} --raw-signature sig --certificate odd \
                 --signature-partition out"
            ))
            .makes("out", Made::Something),
        ),
        ("key", signs(format!("sign {root} --key odd --certificate cert"))),
        ("cert", signs_somehow(format!("sign {root} --key key --certificate odd"))),
        ("ca", signs_somehow(format!("sign {root} {leaf} --chain odd"))),
        (
            "passphrase",
            signs(format!("sign {root} --key locked --passphrase-file odd --certificate cert")),
        ),
        ("image.roothash", signs(format!("sign --root-hash-file odd {signer}"))),
        (
            "image.roothash",
            signs_somehow(format!("sign --root-hash-file odd {signer} --signature-partition out"))
                .makes("out", Made::Something),
        ),
        (
            "image.manifest.json",
            line(format!("sign --manifest odd {signer} --output out2"))
                .makes("out2", Made::SignatureOf("odd")),
        ),
        (
            "sig",
            signs(format!(
                "sign {root} --certificate cert --signer-command /bin/cat --signer-arg odd"
            )),
        ),
        ("key", set(line("build w.raw --key odd --certificate cert"))),
        (
            "passphrase",
            set(line("build w.raw --key locked --passphrase-file odd --certificate cert")),
        ),
        ("cert", set(line("build w.raw --key key --certificate odd"))),
        (
            "cert",
            single_file(line("build image.raw --key key --certificate odd --single-file one")),
        ),
        ("ca", set(line(format!("build w.raw {leaf} --chain odd")))),
        ("image.raw", line("plan --image odd")),
        ("image.raw", line("plan --partition odd")),
        ("image.verity", line("format image.raw tree --like odd").makes("tree", Made::Something)),
        ("image.verity", line("dump odd")),
        ("image.verity", line("dump image.verity --fec-device odd --fec-offset 20480")),
    ];
    lines.extend(trusting_lines(root, image));
    lines
}

/// Those that check something before they take it.
fn trusting_lines(root: &str, image: &str) -> Vec<(&'static str, Line)> {
    let mut lines = Vec::new();
    let manifest = "image.manifest.json";
    let table = "--data-dev a --hash-dev b";
    // The options of trust, with the file that is odd in each.
    for (honest, trust) in [
        ("image.roothash", "--root-hash-file odd".to_owned()),
        (manifest, "--manifest odd --certificate cert".to_owned()),
        ("cert", format!("--manifest {manifest} --certificate odd")),
        ("ca", "--manifest leaf.manifest.json --ca odd".to_owned()),
    ] {
        lines.extend([
            (honest, line(format!("verify {image} {trust}"))),
            (honest, line(format!("read {image} {trust}"))),
            (honest, line(format!("read {image} {trust} --output out")).makes("out", Made::Data)),
            (
                honest,
                line(format!(
                    "repair {image} {trust} --dry-run --fec-device image.verity --fec-offset 20480"
                )),
            ),
            (honest, line(format!("serve {image} {trust}"))),
        ]);
        let hash = if trust.starts_with("--root") { "image.verity" } else { "" };
        lines.push((honest, line(format!("table {hash} {trust} {table}"))));
    }
    let signed = format!("verify {image} {root} --root-hash-signature");
    lines.extend([
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
        ("ca", line("check leaf.raw --ca odd")),
        (
            "state",
            line("check image.raw --certificate cert --image-name image --state odd")
                .makes("odd", Made::Something),
        ),
    ]);
    lines
}

/// The set, and all that the lines name beside it.
fn set() -> Set {
    let set = Set::build();
    signers::make_authority(set.place());
    std::fs::write(set.place().join("passphrase"), "test").unwrap();
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

const FILES: [&str; 39] = [
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
