//! Who signs: the key that tests have, and one whose certificate comes from an authority; and
//! whether a signature is good, which OpenSSL says.

use std::path::Path;
use std::process::Command;

use verity_testdata::{files, oracle};

const KEY: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem";
const CERTIFICATE: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem";

/// The private key, and its certificate.
pub(crate) fn key() -> Vec<u8> {
    files::read(&verity_testdata::path(KEY))
}

pub(crate) fn certificate() -> Vec<u8> {
    files::read(&verity_testdata::path(CERTIFICATE))
}

/// A detached message over these bytes; uses the names `m` and `s` of the place.
pub(crate) fn sign(place: &Path, content: &[u8]) -> Vec<u8> {
    files::write(&place.join("m"), content);
    let line = "cms -sign -binary -noattr -nocerts -md sha256 -outform DER -in m -out s";
    let mut openssl = openssl(place, line);
    openssl.arg("-signer").arg(verity_testdata::path(CERTIFICATE));
    oracle::run_ok(openssl.arg("-inkey").arg(verity_testdata::path(KEY)));
    files::read(&place.join("s"))
}

/// Whether a file in a place is the key's signature of another one there.
pub(crate) fn signs(place: &Path, signature: &str, content: &str) -> bool {
    let line = "cms -verify -binary -inform DER -noverify -out /dev/null";
    let mut openssl = openssl(place, line);
    openssl.args(["-in", signature, "-content", content, "-certfile"]);
    oracle::run(openssl.arg(verity_testdata::path(CERTIFICATE))).status.success()
}

/// Makes the files `ca`, an authority, and `leaf` and `leafkey`, which are for signing code.
pub(crate) fn make_authority(place: &Path) {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650";
    for line in [
        "-keyout cakey -out ca -subj /CN=authority -addext keyUsage=critical,keyCertSign",
        "-CA ca -CAkey cakey -keyout leafkey -out leaf -subj /CN=leaf \
         -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
         -addext extendedKeyUsage=codeSigning",
    ] {
        oracle::run_ok(&mut openssl(place, &format!("{new} {line}")));
    }
}

/// OpenSSL in a directory, with these words.
pub(crate) fn openssl(place: &Path, line: &str) -> Command {
    let mut openssl = Command::new(oracle::require("openssl").unwrap());
    openssl.current_dir(place).args(line.split_whitespace());
    openssl
}
