//! Signatures of every kind, for which the kernel must do what the lint predicts.
//!
//! The lint knows the certificates in the firmware's `db` as its keyring. All signatures are put
//! before one image of a few blocks: what is judged is whether its table is taken.

use verity::table::{KeyDescription, TableOptions};
use verity::{BlockSize, Params};
use verity_sign::lint::{Accepted, EnrolledCertificate, KernelError, Lint, Point};
use verity_testdata::kernel::{
    EBADMSG, EINVAL, EKEYREJECTED, ENOKEY, ENOPKG, Expectation, Key, KeyState,
};
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape};
use super::keys::Keys;
use super::log::{self, Log};
use super::trial::Trial;
use super::{by_hand, made, messages, mutation};

const DESCRIPTION: &str = "verity:variant";
/// The command is asked for one in so many.
const BY_THE_COMMAND: usize = 40;

/// What every run has at least, whatever the seed, where openssl is. What is made is the same in
/// every run, but for what another openssl does not make.
pub(crate) const CLASSES: [(&str, usize); 35] = [
    ("lint: mutation", 330),
    ("lint: made", 700),
    ("lint: made: accepted", 200),
    ("lint: made: EBADMSG", 80),
    ("lint: made: EINVAL", 80),
    ("lint: made: EKEYREJECTED", 130),
    ("lint: made: ENOKEY", 55),
    ("lint: made: ENOPKG", 110),
    ("lint: made: log: PKCS#7 signature with non-detached data", 10),
    ("lint: made: log: PKCS7: Authenticode AuthAttrs only allowed with Authenticode", 4),
    ("lint: made: log: PKCS7: Authenticode requires AuthAttrs", 2),
    ("lint: made: log: PKCS7: Inconsistently supplied authAttrs", 2),
    ("lint: made: log: PKCS7: Invalid unspecified sig (not pkcs7-data)", 2),
    ("lint: made: log: PKCS7: Message signed outside of X.509 validity window", 1),
    ("lint: made: log: PKCS7: Mismatch between global data type", 2),
    ("lint: made: log: PKCS7: Missing required AuthAttr", 4),
    ("lint: made: log: PKCS7: Only support pkcs7_signedData type", 2),
    ("lint: made: log: PKCS7: Repeated/multivalue AuthAttrs not permitted", 6),
    ("lint: made: log: PKCS7: S/MIME Caps only allowed with Authenticode", 10),
    ("lint: made: log: PKCS7: Sig 1: Invalid digest size", 1),
    ("lint: made: log: PKCS7: Sig 1: Message digest doesn't match", 2),
    ("lint: made: log: PKCS7: Sig 1: X.509 chain contains auth-skid nonmatch", 1),
    ("lint: made: log: PKCS7: Sig 2: Invalid digest size", 1),
    ("lint: made: log: PKCS7: Sig 2: Message digest doesn't match", 1),
    ("lint: made: log: PKCS7: SignedData-SignerInfo version mismatch", 4),
    ("lint: made: log: PKCS7: Unsupported SignedData version", 20),
    ("lint: made: log: PKCS7: Unsupported SignerInfo version", 10),
    ("lint: made: log: PKCS7: Unsupported data type", 2),
    ("lint: made: log: Unsupported digest algo", 20),
    ("lint: made: log: Unsupported pkey algo", 20),
    ("lint: made: log: X.509: Couldn't decode AuthKeyIdentifier", 2),
    ("lint: made: log: X.509: signatureAlgorithm", 1),
    ("lint: made: log: PKCS7: Sig 1: X.509 chain contains loop", 2),
    ("lint: made: log: PKCS7: Data already supplied", 10),
    ("lint: made: log: refused without a word", 100),
];

/// A signature, or what is put in its place.
pub(crate) struct Variant {
    class: String,
    name: String,
    signature: Vec<u8>,
    upper: bool,
}

impl Variant {
    pub(crate) fn new(class: &str, name: &str, signature: Vec<u8>) -> Variant {
        Variant { class: class.to_owned(), name: name.to_owned(), signature, upper: false }
    }

    /// This signature beside a table that writes the root hash in upper case.
    pub(crate) fn upper(self) -> Variant {
        Variant { upper: true, ..self }
    }
}

pub(crate) fn trials(keys: &Keys, prng: &mut Prng) -> Vec<Trial> {
    let size = BlockSize::new(512).unwrap();
    let builder = Params::builder().data_block_size(size).hash_block_size(size);
    let image = Image::random(&Shape::plain(builder.data_blocks(3).build().unwrap()), prng);
    let root = image.root_hash.to_string();
    let mut variants = made::ours(keys, &root, &crate::common::wrong(&root));
    variants.extend(by_hand::variants(keys, &root));
    variants.extend(made::odd(keys, &root, prng));
    variants.extend(mutation::variants(keys, &root, prng));
    if keys.openssl {
        variants.extend(made::by_openssl(keys, &root));
        variants.extend(made::upper_case(keys, &root));
        variants.extend(messages::variants(keys, &root));
    }
    let keyring = keys.keyring();
    let trial = |(number, variant)| trial(number, variant, &image, keys, &keyring);
    variants.into_iter().enumerate().map(trial).collect()
}

fn trial(
    number: usize,
    variant: Variant,
    image: &Image,
    keys: &Keys,
    keyring: &[EnrolledCertificate],
) -> Trial {
    let lower = image.root_hash.to_string();
    let root_hash = if variant.upper { lower.to_ascii_uppercase() } else { lower.clone() };
    let lint = Lint::new().root_hash(&root_hash).platform_keyring(keyring);
    let report = lint.run(&variant.signature);
    let verdict = report.error().map_or("accepted", KernelError::name);
    assert_ne!(report.accepted(), Accepted::Unknown, "{}: everything is told", variant.name);
    if number.is_multiple_of(BY_THE_COMMAND) {
        // The command is not told which keyring it is: what rests on that it says is unknown.
        let untold = Lint::new().root_hash(&root_hash).keyring(keyring).run(&variant.signature);
        let word = by_the_command(&variant.signature, &root_hash, keys);
        let error = untold.error().map(|error| error.to_string());
        assert_eq!(word, (untold.accepted().to_string(), error), "{}", variant.name);
        assert!(untold.accepted() == Accepted::Unknown || untold.error() == report.error());
    }
    let expected = match report.error() {
        None => Expectation::intact(&image.data, image.block_size()),
        Some(error) => Expectation::Refused(errno(error)),
    };
    let options = TableOptions {
        root_hash_sig_key_desc: Some(KeyDescription::new(DESCRIPTION).unwrap()),
        ..TableOptions::default()
    };
    let table = image.table_with(options).to_string().replace(&lower, &root_hash);
    let mut case = image.case(&format!("lint: {}: {}", variant.class, variant.name), &table);
    let log = Log::predicted(&root_hash, keyring, &variant.signature);
    case.key = Some(Key {
        description: DESCRIPTION.to_owned(),
        payload: variant.signature,
        state: KeyState::Valid,
    });
    let mutated = variant.class.starts_with("mutation");
    let how = if mutated { "mutation" } else { "made" };
    let mut classes = vec![format!("lint: {how}"), format!("lint: {how}: {verdict}")];
    classes.extend(log.classes().map(|class| format!("lint: {how}: log: {class}")));
    let class = format!("lint: {}", variant.class);
    Trial::new(image, &class, case, expected).also(classes).logs(log)
}

/// What `verity lint-signature` says: whether it is accepted, and the error.
fn by_the_command(signature: &[u8], root_hash: &str, keys: &Keys) -> (String, Option<String>) {
    keys.dir.write("variant", signature);
    let certificates: String =
        keys.enrolled_files().iter().map(|file| format!(" --certificate {file}")).collect();
    let line = format!("lint-signature variant --root-hash {root_hash} --json{certificates}");
    let run = keys.dir.run(&line);
    let json = run.json();
    let [accepted, error] =
        [&json["accepted"], &json["error"]].map(|value| value.as_str().map(str::to_owned));
    assert_eq!(run.code, if error.is_some() { 5 } else { 0 }, "{run:?}");
    (accepted.expect("a verdict"), error)
}

/// How the kernel's lines about the certificates in `db` should begin.
pub(crate) fn loading(keys: &Keys) -> Vec<String> {
    // The lint loads a keyring for a message that it can read.
    let message = keys.ours(&"00".repeat(32), "rsa2048", "");
    let refused = |enrolled: &EnrolledCertificate| {
        let report = Lint::new().keyring(std::slice::from_ref(enrolled)).run(&message);
        let is_refusal =
            |point: &&Point| point.explanation().contains("is not taken into the keyring");
        let refusal = report.points().iter().find(is_refusal)?.explanation();
        let is_it = |error: &KernelError| refusal.contains(&format!("({error})"));
        Some(ERRORS.into_iter().find(is_it).map_or_else(|| panic!("{refusal}"), errno))
    };
    keys.keyring().iter().map(|enrolled| log::of_certificate(refused(enrolled))).collect()
}

/// All that the lint knows.
const ERRORS: [KernelError; 5] = [
    KernelError::Badmsg,
    KernelError::Inval,
    KernelError::Keyrejected,
    KernelError::Nokey,
    KernelError::Nopkg,
];

fn errno(error: KernelError) -> i32 {
    match error {
        KernelError::Badmsg => EBADMSG,
        KernelError::Inval => EINVAL,
        KernelError::Keyrejected => EKEYREJECTED,
        KernelError::Nokey => ENOKEY,
        KernelError::Nopkg => ENOPKG,
        other => panic!("no number for {other}"),
    }
}
