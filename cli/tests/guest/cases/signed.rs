//! Devices whose root hash is signed.

use std::fs;
use std::path::PathBuf;

use crate::image::Image;
use crate::tools::{Guest, Tool, tool};

/// A file with a good signature of the root hash, by the test key for RSA.
pub(super) fn signature(image: &Image) -> PathBuf {
    let [content, signature] = ["content", "signed"].map(|name| image.data.with_file_name(name));
    fs::write(&content, &image.root_hash).unwrap();
    let [input, output] = [&content, &signature].map(|path| path.to_str().unwrap());
    let line = "smime -sign -nocerts -noattr -binary -outform DER -signer /keys/cert \
                -inkey /keys/key -in";
    let mut arguments: Vec<_> = line.split_ascii_whitespace().collect();
    arguments.extend([input, "-out", output]);
    tool("openssl", &arguments);
    signature
}

pub(crate) fn signed(guest: &Guest) {
    let image = Image::new(guest);
    let good = format!("--root-hash-signature={}", signature(&image).display());
    for opener in Tool::ALL {
        opener.silently(&image.line("root", &[&good]));
        image.check_device("root");
        for by in Tool::ALL {
            let said = by.ok(&["status", "root"]);
            assert!(
                said.contains("\n  status:      verified (with signature)\n"),
                "{by:?}: {said}"
            );
        }
        Tool::Ours.silently(&["close", "root"]);
        guest.check_clean();
    }
    // That of another image.
    let other = Image::new(guest);
    let line = other.line("root", &[&good]);
    let (ours, theirs) = (Tool::Ours.run(&line), Tool::Newer.run(&line));
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!((ours.code, first(&ours.stderr)), (theirs.code, first(&theirs.stderr)));
    assert!(ours.stderr.contains("Key was rejected by service"), "{ours:?}");
}
