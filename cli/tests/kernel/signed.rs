//! Signatures by `verity sign`, which the kernel checks with the certificates that the firmware
//! gives it. P34.

use verity::table::{KeyDescription, TableOptions};
use verity::{BlockRef, BlockSize, Params};
use verity_testdata::kernel::{
    EACCES, EBADMSG, EKEYREJECTED, EKEYREVOKED, ENOKEY, Expectation, Key, KeyState,
};
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape, invert};
use super::log::Log;
use super::trial::Trial;
use crate::common::Dir;

/// The test keys whose certificates are enrolled, and the digests that they sign. `other` is not
/// enrolled.
pub(crate) const KNOWN: [(&str, &[&str]); 5] = [
    ("rsa2048", &["sha256", "sha384", "sha512"]),
    ("rsa3072", &["sha256", "sha384", "sha512"]),
    ("rsa4096", &["sha256", "sha384", "sha512"]),
    ("p256", &["sha256"]),
    ("p384", &["sha384"]),
];
const DESCRIPTION: &str = "verity:root";

pub(crate) fn trials(prng: &mut Prng) -> Vec<Trial> {
    let signed = Signed::new(prng);
    let good = Expectation::intact(&signed.image.data, signed.image.block_size());
    let mut trials = Vec::new();
    for (key, digests) in KNOWN {
        for digest in digests {
            let signature = signed.signature(&signed.root(), key, &["--digest", digest]);
            let what = format!("good, {key} with {digest}");
            trials.push(signed.trial(&what, Some(signature), good.clone()));
        }
        let embedded = signed.signature(&signed.root(), key, &["--embed-certificate"]);
        let what = format!("good, {key} with its certificate");
        trials.push(signed.trial(&what, Some(embedded), good.clone()));
        let other = signed.signature(&signed.other_root(), key, &[]);
        let what = format!("of another root hash, {key}");
        let refused = signed.trial(&what, Some(other), Expectation::Refused(EKEYREJECTED));
        trials.push(refused.logs(Log::refused("EKEYREJECTED")));
    }
    let by_rsa = signed.signature(&signed.root(), "rsa2048", &[]);
    let unknown = signed.signature(&signed.root(), "other", &[]);
    let embedded = signed.signature(&signed.root(), "other", &["--embed-certificate"]);
    let (no_key, no_message) = (Expectation::Refused(ENOKEY), Expectation::Refused(EBADMSG));
    let short = by_rsa[..by_rsa.len() - 1].to_vec();
    for (what, signature, expected, log) in [
        ("by an unknown key", Some(unknown.clone()), no_key.clone(), Log::refused("ENOKEY")),
        (
            "by an unknown key with its certificate",
            Some(embedded),
            no_key.clone(),
            Log::refused("ENOKEY"),
        ),
        ("none", None, no_key, Log::no_key("ENOKEY")),
        ("cut short", Some(short), no_message, Log::refused("EBADMSG")),
    ] {
        trials.push(signed.trial(what, signature, expected).logs(log));
    }
    trials.push(signed.corrupt(&by_rsa));
    trials.extend(signed.no_longer_there(&by_rsa));
    trials.extend(signed.required(&by_rsa, &unknown));
    trials
}

/// An image, and a directory with all keys.
struct Signed {
    image: Image,
    dir: Dir,
}

impl Signed {
    fn new(prng: &mut Prng) -> Signed {
        let size = BlockSize::new(512).unwrap();
        let builder = Params::builder().data_block_size(size).hash_block_size(size);
        let image = Image::random(&Shape::plain(builder.data_blocks(40).build().unwrap()), prng);
        let dir = Dir::new();
        KNOWN.iter().map(|(name, _)| *name).chain(["other"]).for_each(|name| dir.key(name));
        Signed { image, dir }
    }

    fn root(&self) -> String {
        self.image.root_hash.to_string()
    }

    fn other_root(&self) -> String {
        crate::common::wrong(&self.root())
    }

    fn signature(&self, root_hash: &str, key: &str, options: &[&str]) -> Vec<u8> {
        let line =
            format!("sign {root_hash} --key {key}.key --certificate {key}.cert --output sig");
        let words: Vec<_> = line.split(' ').collect();
        let run = self.dir.run_words([&words[..], options].concat());
        assert_eq!(run.code, 0, "{run:?}");
        self.dir.read("sig")
    }

    /// A table that names the key, and the key if there is a signature.
    fn trial(&self, what: &str, signature: Option<Vec<u8>>, expected: Expectation) -> Trial {
        let options = TableOptions {
            root_hash_sig_key_desc: Some(KeyDescription::new(DESCRIPTION).unwrap()),
            ..TableOptions::default()
        };
        let class = what.split(',').next().unwrap();
        let mut case =
            self.image.case(&format!("signature: {what}"), &self.image.table_with(options));
        case.key = signature.map(|payload| Key {
            description: DESCRIPTION.to_owned(),
            payload,
            state: KeyState::Valid,
        });
        Trial::new(&self.image, &format!("signature: {class}"), case, expected)
    }

    /// A good signature makes no data right.
    fn corrupt(&self, signature: &[u8]) -> Trial {
        let mut image = self.image.clone();
        invert(image.block(BlockRef::Data { block: 7 }));
        let expected = Expectation::without(&image.data, image.block_size(), [7]);
        let corrupt = Signed { image, dir: Dir::new() };
        corrupt.trial("good, corrupt data", Some(signature.to_vec()), expected)
    }

    /// A good signature in a key that the kernel does not give out any more: no lint sees that.
    /// Keys whose time is over are passed over as if they were not there.
    fn no_longer_there(&self, good: &[u8]) -> [Trial; 3] {
        let states = [
            (KeyState::Expired, ENOKEY, "ENOKEY"),
            (KeyState::Revoked, EKEYREVOKED, "EKEYREVOKED"),
            (KeyState::Closed, EACCES, "EACCES"),
        ];
        states.map(|(state, errno, name)| {
            let what = format!("in a key that is not given out, {state:?}");
            let mut trial = self.trial(&what, Some(good.to_vec()), Expectation::Refused(errno));
            trial.case.key.as_mut().unwrap().state = state;
            trial.logs(Log::no_key(name))
        })
    }

    /// Where the module is loaded so that every device needs a signature.
    fn required(&self, good: &[u8], unknown: &[u8]) -> Vec<Trial> {
        let intact = Expectation::intact(&self.image.data, self.image.block_size());
        let no_key = Expectation::Refused(ENOKEY);
        let class = "signature: required";
        let unsigned = self.image.case("signature: required, none", &self.image.table());
        let mut trials = vec![
            Trial::new(&self.image, class, unsigned, no_key.clone()).logs(Log::refused("ENOKEY")),
            self.trial("required, good", Some(good.to_vec()), intact),
            self.trial("required, by an unknown key", Some(unknown.to_vec()), no_key)
                .logs(Log::refused("ENOKEY")),
        ];
        trials.iter_mut().for_each(|trial| trial.case.require_signatures = true);
        trials
    }
}
