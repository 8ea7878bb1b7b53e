//! Images that others have signed, with no manifest: `verify --root-hash-signature` and
//! `check --no-manifest`.

use std::fs;

use crate::common::{CHECK, Dir, ROOT, assert_no_leftovers};
use verity_testdata::{oracle, pattern};

const VERIFY: &str = "verify image.raw image.verity --root-hash-file image.roothash \
                      --root-hash-signature image.roothash.p7s";
const BARE_CHECK: &str = "check image.raw --no-manifest --certificate rsa2048.cert";

/// An image as other tools leave it: the tree by veritysetup's defaults, the root hash, and its
/// signature by openssl with these options.
fn by_others(sign: &str) -> Option<Dir> {
    oracle::require("openssl")?;
    let setup = oracle::require("veritysetup")?;
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.key("other");
    dir.write("image.raw", &pattern::sha256_stream(20 * 4096));
    let made = oracle::run_ok(dir.tool(setup).args(["format", "image.raw", "image.verity"]));
    let root = made.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();
    dir.write("image.roothash", root.as_bytes());
    dir.openssl(&format!(
        "{sign} -in image.roothash -inkey rsa2048.key -signer rsa2048.cert -out image.roothash.p7s"
    ));
    Some(dir)
}

/// The command lines of mkosi and of what systemd-repart does, and openssl's other command.
const BY_OTHERS: [&str; 3] = [
    "smime -sign -nocerts -noattr -binary -outform DER",
    "smime -sign -noattr -binary -outform DER",
    "cms -sign -noattr -binary -outform DER -keyid",
];

#[test]
fn signatures_by_others_are_checked_against_a_certificate() {
    for sign in BY_OTHERS {
        let Some(dir) = by_others(sign) else { return };
        for line in [format!("{VERIFY} --certificate rsa2048.cert"), BARE_CHECK.to_owned()] {
            let text = dir.ok(&line);
            let signed = "root hash: signed by CN=verity test rsa2048,O=TEST KEY DO NOT USE";
            assert!(text.contains("geometry: not authenticated (superblock)\n"), "{text}");
            assert!(text.contains(signed), "{text}");
            assert!(text.contains("verified: 20 data blocks"), "{text}");
            let json = dir.run(&format!("{line} --json")).json();
            assert_eq!(json["verified"], true);
            assert!(json["geometry"].as_str().unwrap().starts_with("not authenticated"));
            let subject = json["root_hash_signer"]["subject"].as_str().unwrap();
            assert!(subject.starts_with("CN=verity test"), "{subject}");
            assert_eq!(json["signer"], serde_json::Value::Null, "nobody has signed a manifest");
        }
        let json = dir.run(&format!("{BARE_CHECK} --json")).json();
        for key in ["image_name", "image_version", "not_after", "state"] {
            assert_eq!(json[key], serde_json::Value::Null, "{key}");
        }
        // Another key, another root hash, a changed block.
        for line in [
            format!("{VERIFY} --certificate other.cert"),
            "check image.raw --no-manifest --certificate other.cert".to_owned(),
        ] {
            let run = dir.fails(&line, 5, "untrusted");
            assert!(!run.stdout.contains("verified"), "{run:?}");
        }
        let typed = VERIFY.replace("--root-hash-file image.roothash", ROOT);
        dir.fails(
            &format!("{typed} --certificate rsa2048.cert"),
            5,
            "does not match the root hash",
        );
        dir.patch("image.raw", 5 * 4096, b"x");
        dir.fails(&format!("{VERIFY} --certificate rsa2048.cert"), 1, "data block 5");
        dir.fails(BARE_CHECK, 1, "data block 5");
    }
}

/// The signature is checked before the image is touched.
#[test]
fn nothing_is_read_for_a_bad_signature() {
    let Some(dir) = by_others(BY_OTHERS[0]) else { return };
    for line in [
        format!("{VERIFY} --certificate other.cert"),
        "check image.raw --no-manifest --certificate other.cert".to_owned(),
    ] {
        let Some((run, bytes)) = dir.bytes_read(&line, "image.raw") else { return };
        assert_eq!((run.code, bytes), (5, 0), "{run:?}");
    }
}

/// Who takes the manifest away has not changed what is asked for: it is an error, and only the user
/// can say that there is none.
#[test]
fn p28_a_deleted_manifest_is_no_way_to_a_weaker_check() {
    let dir = Dir::with_signed_set(20);
    dir.ok(&format!("{CHECK} --state state"));
    for name in ["image.manifest.json", "image.manifest.json.p7s"] {
        fs::remove_file(dir.path(name)).unwrap();
    }
    for line in [CHECK.to_owned(), format!("{CHECK} --state state"), format!("{CHECK} --json")] {
        let run = dir.fails(&line, 5, "there is no manifest; --no-manifest checks");
        assert!(!run.stdout.contains("verified\":true") && !run.stdout.contains("verified: "));
    }
    let state = dir.read("state");
    let run = dir.fails(&format!("{BARE_CHECK} --state state"), 2, "--state needs the manifest");
    assert!(!run.stdout.contains("verified: "), "{run:?}");
    assert_eq!(dir.read("state"), state);
    dir.fails(&format!("{BARE_CHECK} --image-name image"), 2, "--image-name needs the manifest");
    dir.ok(BARE_CHECK);
    assert_no_leftovers(&dir);
}

/// A manifest that lies there is left out aloud.
#[test]
fn a_manifest_that_is_not_looked_at_is_named() {
    let dir = Dir::with_signed_set(20);
    let run = dir.run(BARE_CHECK);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("image.manifest.json: the manifest is not looked at"), "{run:?}");
    assert!(run.stdout.contains("geometry: not authenticated"), "{run:?}");
}

/// Every part must be there, and be what it should be.
#[test]
fn p28_without_a_manifest_the_rest_is_still_needed() {
    let Some(dir) = by_others(BY_OTHERS[0]) else { return };
    for (name, codes) in
        [("image.roothash.p7s", [5, 5]), ("image.roothash", [4, 2]), ("image.verity", [4, 3])]
    {
        let good = dir.read(name);
        fs::remove_file(dir.path(name)).unwrap();
        dir.fails(BARE_CHECK, codes[0], name);
        for bytes in [&b""[..], b"x"] {
            dir.write(name, bytes);
            let run = dir.fails(BARE_CHECK, codes[1], name);
            assert!(!run.stdout.contains("verified: "), "{run:?}");
        }
        dir.write(name, &good);
    }
    dir.fails("check image.raw --no-manifest", 2, "--certificate CERT or --ca CERT");
    dir.fails(VERIFY, 2, "--certificate CERT or --ca CERT");
    let unsigned = VERIFY.replace("--root-hash-signature image.roothash.p7s", "");
    dir.fails(&format!("{unsigned} --certificate rsa2048.cert"), 2, "--root-hash-signature");
    dir.ok(BARE_CHECK);
}

/// With the manifest the signature is asked for all the same.
#[test]
fn a_root_hash_signature_goes_with_a_manifest_too() {
    let dir = Dir::with_signed_set(20);
    dir.key("other");
    let line = "verify image.raw image.verity --manifest image.manifest.json --certificate \
                rsa2048.cert --root-hash-signature";
    let text = dir.ok(&format!("{line} image.roothash.p7s"));
    assert!(text.contains("geometry: manifest\n"), "{text}");
    assert!(text.contains("\nroot hash: signed by CN=verity test rsa2048"), "{text}");
    dir.fails(&format!("{line} image.manifest.json.p7s"), 5, "does not match the root hash");
    dir.fails(&format!("{line} missing"), 5, "there is no signature");
}

/// By an authority: the signature embeds the certificates that lead to it.
#[test]
fn signatures_by_others_are_checked_against_an_authority() {
    let Some(dir) = by_others(BY_OTHERS[1]) else { return };
    let leaf = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n\
                extendedKeyUsage=codeSigning\n";
    dir.write("ext", leaf.as_bytes());
    dir.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca");
    dir.openssl("req -new -key rsa2048.key -subj /CN=leaf -out csr");
    dir.openssl(
        "x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out leaf.crt",
    );
    dir.openssl(
        "smime -sign -noattr -binary -outform DER -in image.roothash -inkey rsa2048.key -signer \
         leaf.crt -out image.roothash.p7s",
    );
    for line in [VERIFY, "check image.raw --no-manifest"] {
        let text = dir.ok(&format!("{line} --ca ca.crt"));
        assert!(text.contains("root hash: signed by CN=leaf"), "{text}");
        assert!(text.contains("under CN=ca"), "{text}");
        dir.fails(&format!("{line} --ca ca.crt --at 1971-01-01"), 5, "not valid");
        dir.fails(&format!("{line} --ca other.cert"), 5, "no authority");
    }
}

/// Other shapes are refused with their cause, and never taken for a missing signature.
#[test]
fn other_forms_of_a_signature_are_named() {
    for (sign, words) in [
        ("smime -sign -nocerts -noattr -binary", "is S/MIME text"),
        ("smime -sign -nocerts -noattr -binary -outform PEM", "is PEM text"),
        ("smime -sign -nocerts -binary -outform DER", "S/MIME capabilities"),
        ("cms -sign -nosmimecap -nocerts -binary -outform DER", "signed attributes"),
        ("smime -sign -noattr -nodetach -nocerts -binary -outform DER", "must be detached"),
        ("cms -sign -noattr -nocerts -binary -outform DER -md sha1", "unsupported algorithm"),
    ] {
        let Some(dir) = by_others(sign) else { return };
        for line in [format!("{VERIFY} --certificate rsa2048.cert"), BARE_CHECK.to_owned()] {
            let run = dir.fails(&line, 5, words);
            assert!(!run.stdout.contains("verified: "), "{run:?}");
        }
    }
    // The commands in the errors convert what can be converted.
    let Some(dir) = by_others("smime -sign -nocerts -noattr -binary") else { return };
    dir.openssl("smime -pk7out -in image.roothash.p7s -out pem");
    dir.openssl("pkcs7 -in pem -outform DER -out image.roothash.p7s");
    dir.ok(BARE_CHECK);
}
