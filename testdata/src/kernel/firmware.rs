//! Certificates for the kernel's keyring `.platform`: it loads those in the firmware's variable
//! `db`.
//!
//! The firmware is OVMF, whose variables are a file. Source: the UEFI specification (signature
//! lists) and EDK II's `VariableFormat.h` (the store). Secure Boot stays off, as no platform key is
//! enrolled.

use std::path::Path;

use crate::oracle;

/// OVMF's code, by the name that the list of packages has for it.
pub const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// OVMF's store of variables, which is empty.
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Where the header of the volume states its length. The header of the store follows it.
const VOLUME_HEADER_SIZE: usize = 48;
const STORE_HEADER_SIZE: usize = 28;
/// The bytes of `EFI_CERT_X509_GUID`.
const X509: &str = "a159c0a5e494a74a87b5ab155c2bf072";
/// The bytes of `EFI_IMAGE_SECURITY_DATABASE_GUID`.
const IMAGE_SECURITY_DATABASE: &str = "cbb219d73a3d9645a3bcdad00e67656f";
/// The owner of the entries.
const OWNER: [u8; 16] = [0x5a; 16];
/// Attributes: non-volatile, visible at boot and run time, written only with authentication by
/// time.
const ATTRIBUTES: u32 = 0x27;

/// The firmware's variables with these certificates (DER) in `db`; `None` without OVMF, by the rule
/// of [`oracle::require`].
///
/// # Panics
/// If OVMF's variables are not an empty store.
#[must_use]
pub fn variables(certificates: &[Vec<u8>]) -> Option<Vec<u8>> {
    oracle::require(CODE)?;
    let mut store = crate::files::read(Path::new(VARIABLES));
    if certificates.is_empty() {
        return Some(store);
    }
    let header = u16::from_le_bytes([store[VOLUME_HEADER_SIZE], store[VOLUME_HEADER_SIZE + 1]]);
    let start = usize::from(header) + STORE_HEADER_SIZE;
    let variable =
        variable("db", &certificates.iter().flat_map(|der| list(der)).collect::<Vec<_>>());
    let place = &mut store[start..start + variable.len()];
    assert!(place.iter().all(|byte| *byte == 0xff), "OVMF's variables are not empty");
    place.copy_from_slice(&variable);
    Some(store)
}

/// An `EFI_SIGNATURE_LIST` of one certificate.
fn list(der: &[u8]) -> Vec<u8> {
    let entry = OWNER.len() + der.len();
    let sizes = [28 + entry, 0, entry].map(size);
    [&identifier(X509), sizes.as_flattened(), &OWNER, der].concat()
}

/// A variable of the authenticated store.
fn variable(name: &str, data: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    // A mark, the state "added", the attributes; no count, time or key.
    let mut bytes = vec![0xaa, 0x55, 0x3f, 0];
    bytes.extend(ATTRIBUTES.to_le_bytes());
    bytes.extend([0; 28]);
    bytes.extend(size(name.len()));
    bytes.extend(size(data.len()));
    bytes.extend(identifier(IMAGE_SECURITY_DATABASE));
    [&bytes, &name, data].concat()
}

fn identifier(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("hexadecimal")
}

fn size(size: usize) -> [u8; 4] {
    u32::try_from(size).expect("a small size").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The commands by which docs/SIGNING.md enrols a certificate make the list that the kernel
    /// gets here.
    #[test]
    fn efitools_make_the_same_list() {
        let tools = ["cert-to-efi-sig-list", "sign-efi-sig-list", "openssl"];
        let [Some(to_list), Some(sign_list), Some(openssl)] = tools.map(oracle::require) else {
            return;
        };
        let dir = crate::files::tempdir();
        let in_dir = |program: &Path, line: &str| {
            oracle::run_ok(Command::new(program).args(line.split(' ')).current_dir(dir.path()))
        };
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys");
        let certificate = keys.join("TEST_KEY_DO_NOT_USE.rsa2048.cert.pem");
        std::fs::copy(certificate, dir.path().join("signing.crt")).expect("a copy");
        in_dir(&openssl, "x509 -in signing.crt -outform DER -out signing.der");
        let owner = "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a";
        in_dir(&to_list, &format!("-g {owner} signing.crt db.esl"));
        let read = |name: &str| crate::files::read(&dir.path().join(name));
        assert!(read("db.esl") == list(&read("signing.der")));

        let kek = "-subj /CN=kek -days 3 -keyout KEK.key -out KEK.crt";
        in_dir(&openssl, &format!("req -x509 -newkey rsa:2048 -noenc {kek}"));
        in_dir(&sign_list, "-a -k KEK.key -c KEK.crt db db.esl db.auth");
        assert!(read("db.auth").ends_with(&read("db.esl")));
    }
}
