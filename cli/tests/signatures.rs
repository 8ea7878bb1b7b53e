//! Signatures that `check` and `verify` refuse, and that nothing else stands in for them: attacks
//! of `docs/ATTACKS.md` on files.

use std::fs;

use crate::common::{self, CHECK, Dir, assert_no_leftovers};
use verity_testdata::{oracle, pattern};

const SIGNATURES: [&str; 2] = ["image.manifest.json.p7s", "image.roothash.p7s"];

fn verify(certificate: &str) -> String {
    format!(
        "verify image.raw image.verity --manifest image.manifest.json --certificate {certificate}"
    )
}

/// P28: neither no signature nor an empty one is ever good enough, for no command that was told
/// whom to trust.
#[test]
fn p28_a_missing_signature_is_a_bad_one() {
    for name in SIGNATURES {
        let dir = Dir::with_signed_set(3);
        let good = dir.read(name);
        let of_manifest = name.contains("manifest");
        let table = "table --manifest image.manifest.json --certificate rsa2048.cert --data-dev a \
                     --hash-dev b";
        let mut lines = vec![CHECK.to_owned(), format!("{CHECK} --state state")];
        if of_manifest {
            lines.extend([verify("rsa2048.cert"), table.to_owned()]);
        }
        let other = if of_manifest { SIGNATURES[1] } else { SIGNATURES[0] };
        for (what, bytes) in [
            ("none", None),
            ("empty", Some(vec![])),
            ("zeros", Some(vec![0; good.len()])),
            ("half", Some(good[..good.len() / 2].to_vec())),
            ("the other one", Some(dir.read(other))),
            ("a certificate", Some(dir.read("rsa2048.cert"))),
        ] {
            fs::remove_file(dir.path(name)).unwrap();
            if let Some(bytes) = &bytes {
                dir.write(name, bytes);
            }
            for line in &lines {
                let run = dir.fails(line, 5, name);
                assert!(!run.stdout.contains("verified"), "{what}: {run:?}");
            }
            dir.write(name, &good);
        }
        assert!(!dir.exists("state"));
        lines.iter().for_each(|line| drop(dir.ok(line)));
        assert_no_leftovers(&dir);
    }
}

/// P29: a good signature by somebody who is not trusted is a refusal, before a block of the image
/// is read; no other way is tried, and nothing that is printed could be taken for an answer of yes.
#[test]
fn p29_an_untrusted_key_has_no_way_around() {
    let dir = Dir::with_signed_set(3);
    dir.key("other");
    dir.key("p384");
    let table =
        "table --manifest image.manifest.json --data-dev a --hash-dev b --certificate other.cert";
    // Embedded certificates do not help.
    for shape in ["", "--embed-certificate", "--embed-certificate --subject-key-identifier"] {
        dir.ok(&format!("{} {shape}", common::SIGNED_BUILD));
        for line in [
            "check image.raw --certificate other.cert".to_owned(),
            "check image.raw --certificate other.cert --certificate p384.cert".to_owned(),
            verify("other.cert"),
            table.to_owned(),
            format!("{} --json", verify("other.cert")),
        ] {
            let run = dir.fails(&line, 5, "untrusted");
            assert!(
                !run.stdout.contains("verified") && !run.stdout.contains(" verity 1 "),
                "{run:?}"
            );
            let Some((run, bytes)) = dir.bytes_read(&line, "image.raw") else { continue };
            assert_eq!((run.code, bytes), (5, 0), "{line}: {run:?}");
        }
    }
}

/// P23: longer than the kernel reads, and no more of it is read than tells so.
#[test]
fn p23_signatures_that_are_too_long() {
    let dir = Dir::with_signed_set(3);
    for name in SIGNATURES {
        let good = dir.read(name);
        for (size, words) in [
            (32_767, "bytes follow the signature"),
            (32_768, "longer than 32767 bytes"),
            (65_535, "longer than 32767 bytes"),
            (65_536, "longer than 32767 bytes"),
            (1 << 30, "longer than 32767 bytes"),
        ] {
            fs::File::options().write(true).open(dir.path(name)).unwrap().set_len(size).unwrap();
            let run = dir.fails(CHECK, 5, words);
            assert!(run.stderr.contains(name), "{run:?}");
            if let Some((run, bytes)) = dir.bytes_read(CHECK, name) {
                assert_eq!(run.code, 5, "{run:?}");
                assert!(bytes <= 32_768, "{size}: {bytes} bytes were read");
            }
        }
        dir.write(name, &good);
    }
    // Manifests have their own limit, and the same answer.
    let manifest = dir.path("image.manifest.json");
    fs::File::options().write(true).open(manifest).unwrap().set_len(1 << 30).unwrap();
    for line in [CHECK.to_owned(), verify("rsa2048.cert")] {
        dir.fails(&line, 5, "longer than");
    }
}

/// P26: what `openssl smime -certfile` makes is refused with its cause and the way out, which then
/// works; the lint says that the kernel takes it.
#[test]
fn p26_certificates_that_openssl_has_not_sorted() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let dir = Dir::new();
    let issue = |name: &str, key: &str, issuer: &str, extensions: &str| {
        dir.write("ext", extensions.as_bytes());
        dir.openssl(&format!("req -new -key {key}.key -subj /CN={name} -out csr"));
        let by = match issuer {
            "" => format!("-signkey {key}.key"),
            issuer => format!("-CA {issuer}.crt -CAkey rsa2048.key"),
        };
        dir.openssl(&format!("x509 -req -in csr {by} -days 30 -extfile ext -out {name}.crt"));
    };
    ["rsa2048", "p384"].iter().for_each(|name| dir.key(name));
    let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";
    issue("root", "rsa2048", "", authority);
    issue("middle", "rsa2048", "root", authority);
    let leaf =
        "keyUsage=digitalSignature\nextendedKeyUsage=codeSigning\nsubjectKeyIdentifier=hash\n";
    issue("leaf", "p384", "middle", leaf);
    dir.write("bundle.crt", &[dir.read("root.crt"), dir.read("middle.crt")].concat());
    let authorities = "check image.raw --ca root.crt";
    let pinned = "check image.raw --certificate leaf.crt";

    dir.write("image.raw", &pattern::sha256_stream(3 * 4096));
    let key = "--key p384.key --certificate leaf.crt --chain middle.crt";
    for by_key in ["", "--subject-key-identifier"] {
        dir.ok(&format!("build image.raw {key} {by_key}"));
        dir.ok(authorities);
        dir.ok(pinned);
    }
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    // The signer's certificate comes last, and is the smallest: never the order of DER.
    let smime = || {
        dir.openssl(
            "smime -sign -binary -noattr -outform DER -in image.roothash -inkey p384.key -signer \
             leaf.crt \
             -certfile bundle.crt -out image.roothash.p7s",
        );
        dir.run(&format!(
            "lint-signature image.roothash.p7s --root-hash {root} --certificate root.crt --json"
        ))
    };
    let lint = smime();
    assert_eq!((lint.code, lint.json()["accepted"].clone()), (0, "yes".into()), "{lint:?}");
    assert!(lint.stdout.contains("not in the order of DER, which the kernel takes"), "{lint:?}");
    for line in [authorities, pinned] {
        let run = dir.fails(
            line,
            5,
            "image.roothash.p7s: the embedded certificates are not in the order of DER",
        );
        assert!(run.stderr.contains("verity sign --chain"), "{run:?}");
    }
    // What the message advises.
    dir.ok(&format!("sign {root} {key} --output image.roothash.p7s"));
    dir.ok(authorities);
    dir.ok(pinned);
}
