//! Keys and certificates for signatures: those of `testdata/keys`, and others that openssl makes
//! anew.

use verity_sign::Certificate;
use verity_sign::lint::EnrolledCertificate;
use verity_testdata::{files, oracle};

use super::signed::KNOWN;
use crate::common::{Dir, Run};

/// Names, what `openssl genpkey` makes, and options for the certificate. All are put into `db`; the
/// kernel does not load all of them.
const MADE: [(&str, &str, &str); 18] = [
    ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", ""),
    ("p192", "-algorithm EC -pkeyopt ec_paramgen_curve:prime192v1", ""),
    ("p224", "-algorithm EC -pkeyopt ec_paramgen_curve:secp224r1", ""),
    ("secp256k1", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", ""),
    ("brainpool", "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1", ""),
    (
        "explicit",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
        "",
    ),
    ("ed25519", "-algorithm ED25519", ""),
    ("rsa1024", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", ""),
    ("rsa1536", "-algorithm RSA -pkeyopt rsa_keygen_bits:1536", ""),
    ("rsa2304", "-algorithm RSA -pkeyopt rsa_keygen_bits:2304", ""),
    ("exponent3", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3", ""),
    ("pss", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", ""),
    ("md5", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-md5"),
    ("sha1", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-sha1"),
    ("sha3", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-sha3-256"),
    ("noski", EC, "-addext subjectKeyIdentifier=none"),
    ("usage", EC, "-addext keyUsage=keyCertSign"),
    ("root", EC, ""),
];
const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

/// Names, who has issued them, and their extensions. None is put into `db`.
const ISSUED: [(&str, &str, &str); 4] = [
    (
        "middle",
        "root",
        "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n\
         authorityKeyIdentifier=keyid\n",
    ),
    ("leaf", "middle", "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"),
    ("direct", "root", "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer:always\n"),
    ("nameless", "root", "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=none\n"),
];

/// A directory with NAME.key and NAME.cert for every name.
pub(crate) struct Keys {
    pub(crate) dir: Dir,
    /// Whether openssl is there, and its keys.
    pub(crate) openssl: bool,
    enrolled: Vec<(&'static str, Vec<u8>)>,
}

impl Keys {
    pub(crate) fn new() -> Keys {
        let dir = Dir::new();
        KNOWN.iter().map(|(name, _)| *name).chain(["other"]).for_each(|name| dir.key(name));
        let known = KNOWN.map(|(name, _)| (name, certificate(name)));
        let openssl = oracle::require("openssl").is_some();
        let mut keys = Keys { dir, openssl, enrolled: known.into() };
        if openssl {
            keys.make();
        }
        keys
    }

    fn make(&mut self) {
        for (name, key, options) in MADE {
            self.openssl(&format!("genpkey {key} -out {name}.key"));
            let subject = format!("-subj /O=verity/CN={name} -days 30");
            self.openssl(&format!(
                "req -x509 -new -key {name}.key {subject} -out {name}.cert {options}"
            ));
            self.enroll(name);
        }
        for (name, issuer, extensions) in ISSUED {
            self.dir.write("extensions", extensions.as_bytes());
            self.openssl(&format!("genpkey {EC} -out {name}.key"));
            self.openssl(&format!(
                "req -new -key {name}.key -subj /O=verity/CN={name} -out request"
            ));
            self.openssl(&format!(
                "x509 -req -in request -CA {issuer}.cert -CAkey {issuer}.key -set_serial 7{} -days \
                 30 -extfile extensions -out {name}.cert",
                name.len()
            ));
        }
        self.make_circle();
        // The name and the number of an enrolled certificate, and another key.
        let config = "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nO=TEST KEY DO NOT USE\n\
                      CN=verity test rsa2048\n";
        self.dir.write("config", config.as_bytes());
        self.dir.write("twin.key", &self.dir.read("other.key"));
        self.openssl(
            "req -x509 -new -set_serial 0x1001 -config config -key twin.key -out twin.cert",
        );
        // The key of rsa2048 in a certificate whose time is over.
        self.dir.write("expired.key", &self.dir.read("rsa2048.key"));
        self.dir.write("expired.cert", &certificate_file("expired"));
        self.enroll("expired");
        for name in self.names() {
            self.dir.set_mode(&format!("{name}.key"), 0o600);
        }
    }

    /// Two that have issued each other's certificate.
    fn make_circle(&self) {
        let ca = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n\
                  authorityKeyIdentifier=keyid\n";
        self.dir.write("extensions", ca.as_bytes());
        for name in ["round", "about"] {
            self.openssl(&format!("genpkey {EC} -out {name}.key"));
            let subject = format!("-key {name}.key -subj /O=verity/CN={name}");
            self.openssl(&format!("req -new {subject} -out {name}.request"));
            self.openssl(&format!("req -x509 -new {subject} -out {name}.cert"));
        }
        for (name, issuer) in [("round", "about"), ("about", "round")] {
            self.openssl(&format!(
                "x509 -req -in {name}.request -CA {issuer}.cert -CAkey {issuer}.key -set_serial \
                 0x55 -days 30 -extfile extensions -out {name}.cert"
            ));
        }
    }

    fn enroll(&mut self, name: &'static str) {
        self.openssl(&format!("x509 -in {name}.cert -outform DER -out {name}.der"));
        self.enrolled.push((name, self.dir.read(&format!("{name}.der"))));
    }

    /// Everyone who can sign.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let enrolled = self.enrolled.iter().map(|(name, _)| *name);
        let others =
            ISSUED.iter().map(|(name, _, _)| *name).chain(["twin"]).filter(|_| self.openssl);
        enrolled.chain(["other"]).chain(others).collect()
    }

    /// What the firmware has in `db`.
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        self.enrolled.iter().map(|(_, der)| der.clone()).collect()
    }

    /// The certificates for the lint.
    pub(crate) fn keyring(&self) -> Vec<EnrolledCertificate> {
        self.certificates().into_iter().map(EnrolledCertificate::from_der).collect()
    }

    /// The certificates for the command: files in the directory.
    pub(crate) fn enrolled_files(&self) -> Vec<String> {
        self.enrolled.iter().map(|(name, _)| format!("{name}.cert")).collect()
    }

    /// `openssl`, which must succeed.
    pub(crate) fn openssl(&self, line: &str) {
        self.try_openssl(line).unwrap_or_else(|run| panic!("openssl {line}: {run:?}"));
    }

    /// `openssl`, which does not make everything.
    pub(crate) fn try_openssl(&self, line: &str) -> Result<(), Run> {
        let run = Run::of(self.dir.tool("openssl").args(line.split_whitespace()).output().unwrap());
        if run.code == 0 { Ok(()) } else { Err(run) }
    }

    /// `openssl cms -sign` or `smime -sign` over any content; none where it makes no such
    /// signature.
    pub(crate) fn signed(
        &self,
        command: &str,
        key: &str,
        content: &[u8],
        options: &str,
    ) -> Option<Vec<u8>> {
        self.dir.write("content", content);
        let signer = format!("-inkey {key}.key -signer {key}.cert");
        let line = format!(
            "{command} -sign -binary -outform DER -in content -out made {signer} {options}"
        );
        self.try_openssl(&line).ok().map(|()| self.dir.read("made"))
    }

    /// `verity sign`.
    pub(crate) fn ours(&self, root_hash: &str, key: &str, options: &str) -> Vec<u8> {
        let signer = format!("--key {key}.key --certificate {key}.cert");
        self.dir.ok(&format!("sign {root_hash} {signer} --output made {options}"));
        self.dir.read("made")
    }
}

/// The certificate of a test key, as the firmware gets it.
pub(crate) fn certificate(name: &str) -> Vec<u8> {
    Certificate::parse(&certificate_file(name)).unwrap().der().to_vec()
}

/// A test key as it lies in the repository, for what is no signature at all.
pub(crate) fn certificate_file(name: &str) -> Vec<u8> {
    files::read(&verity_testdata::path(&format!("keys/TEST_KEY_DO_NOT_USE.{name}.cert.pem")))
}
