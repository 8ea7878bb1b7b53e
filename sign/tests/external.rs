//! Another program as the signer: openssl as one that works, and programs that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{NAMES, OpenSsl, certificate, key, path, root_hash};
use verity_sign::{
    Class, Error, ExternalSigner, ExternalSignerError, PublicKey, Signatory, SignatureBuilder,
    SignatureDigest, Signer, SignerError, SigningError, ToBeSigned, verify_root_hash,
};

fn external(name: &str, program: &str, args: &[&str]) -> ExternalSigner {
    ExternalSigner::new(program, certificate(name).public_key().clone()).args(args)
}

fn shell(script: &str) -> ExternalSigner {
    external("p256", "/bin/sh", &["-c", script])
}

/// What became of a root hash signature by this signer.
fn sign(name: &str, signer: ExternalSigner) -> Result<Vec<u8>, Error> {
    let builder = SignatureBuilder::new(certificate(name));
    Signatory::new(signer, builder).unwrap().sign_root_hash(&root_hash())
}

fn refusal(signer: ExternalSigner) -> ExternalSignerError {
    match sign("p256", signer) {
        Err(Error::Signing(SigningError::Signer(error))) => *error.downcast().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn openssl_signs_every_digest_with_every_key() {
    if OpenSsl::find().is_none() {
        return;
    }
    for name in NAMES {
        for &digest in SignatureDigest::ALL {
            let key_path = path(name, "key");
            let digest_option = format!("digest:{digest}");
            let args = [
                "pkeyutl",
                "-sign",
                "-inkey",
                key_path.to_str().unwrap(),
                "-pkeyopt",
                &digest_option,
            ];
            let builder = SignatureBuilder::new(certificate(name)).with_digest(digest);
            let signatory = Signatory::new(external(name, "openssl", &args), builder.clone());
            let theirs = signatory.unwrap().sign_root_hash(&root_hash()).unwrap();
            verify_root_hash(&theirs, &root_hash(), &[certificate(name)]).unwrap();
            if name.starts_with("rsa") {
                let ours = Signatory::new(key(name), builder).unwrap();
                assert_eq!(ours.sign_root_hash(&root_hash()).unwrap(), theirs);
            }
        }
    }
}

/// The interface that programs rely on: digest on standard input, names in the environment, no
/// shell.
#[test]
fn the_program_is_told_what_to_sign() {
    let dir = tempfile::tempdir().unwrap();
    let script = "cat >\"$1/stdin\"; \
                  printf '%s %s %s' $VERITY_KEY_ALGORITHM $VERITY_DIGEST_ALGORITHM \"$2\" \
                  >\"$1/told\"";
    for (name, algorithm) in [
        ("rsa2048", "rsa2048"),
        ("rsa3072", "rsa3072"),
        ("rsa4096", "rsa4096"),
        ("p256", "ecdsa-p256"),
        ("p384", "ecdsa-p384"),
        ("p521", "ecdsa-p521"),
    ] {
        for &digest in SignatureDigest::ALL {
            let args = ["-c", script, "sh", dir.path().to_str().unwrap(), "$(id); * 'a"];
            let to_be_signed =
                SignatureBuilder::new(certificate(name)).with_digest(digest).prepare(b"content");
            assert_eq!(external(name, "/bin/sh", &args).sign(&to_be_signed).unwrap(), b"");
            let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
            assert_eq!(told, format!("{algorithm} {digest} $(id); * 'a"));
            let stdin = std::fs::read(dir.path().join("stdin")).unwrap();
            assert_eq!(stdin, to_be_signed.digest());
        }
    }
}

#[test]
fn failures_have_words() {
    let error = refusal(shell("exit 3"));
    assert_eq!(error.to_string(), "the signer command failed: exit status: 3");
    let error = refusal(shell("kill -9 $$"));
    assert!(matches!(error, ExternalSignerError::Failed { .. }), "{error}");
    let error = refusal(external("p256", "/nowhere/signer", &[]));
    assert!(matches!(error, ExternalSignerError::Start(_)), "{error}");
    let error = refusal(external("p256", "/", &[]));
    assert!(matches!(error, ExternalSignerError::Start(_)), "{error}");
    let error = refusal(shell("head -c 1025 /dev/zero"));
    assert!(matches!(error, ExternalSignerError::TooLong { limit: 1024 }), "{error}");
    let begun = Instant::now();
    let error = refusal(shell("cat /dev/zero"));
    assert!(matches!(error, ExternalSignerError::TooLong { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30), "killed, not waited for");
}

/// K12: whatever it returns, nothing but a signature by the certificate's key is used.
#[test]
fn k12_what_is_no_signature_is_refused() {
    for (script, bytes) in
        [("cat", 32), ("true", 0), ("cat >/dev/null; head -c 1024 /dev/zero", 1024)]
    {
        let error = sign("p256", shell(script)).unwrap_err();
        let Error::Signing(SigningError::NotByCertificate { actual, .. }) = error else {
            panic!("{script}: {error}")
        };
        assert_eq!(actual, bytes, "{script}");
    }
    if OpenSsl::find().is_none() {
        return;
    }
    // Another key, and another digest.
    let (other, own) = (path("other", "key"), path("rsa2048", "key"));
    let (other, own) = (other.to_str().unwrap(), own.to_str().unwrap());
    for args in [
        ["pkeyutl", "-sign", "-inkey", other, "-pkeyopt", "digest:sha256"],
        ["pkeyutl", "-sign", "-inkey", own, "-pkeyopt", "rsa_padding_mode:pkcs1"],
    ] {
        let error = sign("rsa2048", external("rsa2048", "openssl", &args)).unwrap_err();
        assert_eq!(error.class(), Class::Key);
        assert!(matches!(error, Error::Signing(SigningError::NotByCertificate { .. })), "{error}");
    }
}

/// Whether a process is there and runs.
fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// The script writes the process of its own and that of a child into a file.
fn hanging(dir: &tempfile::TempDir) -> ExternalSigner {
    let file = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $! $$ >{}; wait", file.display());
    shell(&script)
}

fn assert_nobody_is_left(dir: &tempfile::TempDir) {
    let pids = std::fs::read_to_string(dir.path().join("pids")).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        // The child has init as its parent, which may take a moment.
        let begun = Instant::now();
        while is_alive(pid) {
            assert!(begun.elapsed() < Duration::from_secs(30), "process {pid} is left");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    // So long that the script has written its file on a busy machine.
    let error = refusal(hanging(&dir).timeout(Duration::from_secs(3)));
    let ExternalSignerError::Timeout { limit } = error else { panic!("{error}") };
    assert_eq!(limit, Duration::from_secs(3));
    assert_nobody_is_left(&dir);
}

#[test]
fn a_program_is_stopped_when_the_caller_is() {
    let dir = tempfile::tempdir().unwrap();
    let (asked, pids) = (Arc::new(AtomicUsize::new(0)), dir.path().join("pids"));
    let counter = Arc::clone(&asked);
    let signer = hanging(&dir).stop(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n'))
    });
    let error = refusal(signer);
    assert!(matches!(error, ExternalSignerError::Stopped), "{error}");
    assert!(asked.load(Ordering::Relaxed) > 0);
    assert_nobody_is_left(&dir);
}

/// Output that is closed early, standard input that nobody reads, a child that keeps the pipe open.
#[test]
fn odd_programs_do_not_hang() {
    let timeout = Duration::from_secs(2);
    let error = refusal(shell("exec >&-; sleep 1000").timeout(timeout));
    assert!(matches!(error, ExternalSignerError::Timeout { .. }), "{error}");
    let error = refusal(shell("exec <&-; exit 1"));
    assert!(matches!(error, ExternalSignerError::Failed { .. }), "{error}");
    let error = refusal(shell("sleep 1000 & exit 0").timeout(timeout));
    assert!(matches!(error, ExternalSignerError::Timeout { .. }), "{error}");
}

/// A library user's own signer: one method with the digest, one with the content.
struct Service {
    public_key: PublicKey,
    by_digest_info: bool,
}

impl Signer for Service {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, to_be_signed: &ToBeSigned) -> Result<Vec<u8>, SignerError> {
        if to_be_signed.content().is_empty() {
            return Err("nothing to sign".into());
        }
        let openssl = OpenSsl::find().ok_or("no openssl")?;
        let input = match self.by_digest_info {
            true => to_be_signed.digest_info(),
            false => to_be_signed.digest(),
        };
        let input = openssl.file("input", &input);
        // pkeyutl takes nothing that is longer than a digest.
        let args = match self.by_digest_info {
            true => "rsautl -sign -inkey {} -in {}".to_owned(),
            false => {
                let digest = to_be_signed.digest_algorithm();
                format!("pkeyutl -sign -inkey {{}} -in {{}} -pkeyopt digest:{digest}")
            }
        };
        Ok(openssl.ok(&args, &[&path("rsa2048", "key"), &input]))
    }
}

/// Digest and DigestInfo lead to one signature: that of the content.
#[test]
fn digest_and_digest_info_make_the_same_signature() {
    if OpenSsl::find().is_none() {
        return;
    }
    for &digest in SignatureDigest::ALL {
        let builder = SignatureBuilder::new(certificate("rsa2048")).with_digest(digest);
        let ours = Signatory::new(key("rsa2048"), builder.clone()).unwrap();
        let expected = ours.sign_root_hash(&root_hash()).unwrap();
        for by_digest_info in [false, true] {
            let public_key = certificate("rsa2048").public_key().clone();
            let service: Box<dyn Signer> = Box::new(Service { public_key, by_digest_info });
            let signatory = Signatory::new(service, builder.clone()).unwrap();
            assert_eq!(signatory.sign_root_hash(&root_hash()).unwrap(), expected, "{digest}");
            let error = signatory.sign_detached(b"").unwrap_err();
            assert_eq!(error.to_string(), "nothing to sign");
        }
    }
}

/// K06 for any signer: before it is asked for anything.
#[test]
fn k06_a_signer_of_another_key_is_refused() {
    let builder = SignatureBuilder::new(certificate("p384"));
    let error = Signatory::new(shell("exit 0"), builder).unwrap_err();
    assert_eq!(error.class(), Class::Key);
    assert!(error.to_string().contains("does not belong to the certificate"), "{error}");
}
