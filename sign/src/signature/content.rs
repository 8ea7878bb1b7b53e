//! What exactly is signed.
//!
//! For a root hash it is the text that stands in the device-mapper table: lower-case hex digits, no
//! newline, no terminating zero. The kernel compares the signature with just those bytes (`strlen`
//! of the table's root digest argument), so it covers nothing else of the tree: neither the salt,
//! nor the block sizes, nor the number of blocks. A manifest is for these.

use verity::{Algorithm, RootHash};

/// The text that a root hash signature covers.
///
/// ```
/// let root_hash: verity::RootHash = "AB".repeat(32).parse()?;
/// assert_eq!(verity_sign::root_hash_content(&root_hash), "ab".repeat(32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn root_hash_content(root_hash: &RootHash) -> String {
    hex::encode(root_hash.digest().as_bytes())
}

/// A content that somebody may have signed by mistake, and what a message calls it.
pub(crate) type Mistake = (Vec<u8>, &'static str);

/// The usual wrong contents of a root hash signature.
pub(crate) fn root_hash_mistakes(root_hash: &RootHash) -> Vec<Mistake> {
    let digest = root_hash.digest();
    let text = root_hash_content(root_hash);
    let mut mistakes = newline_mistakes(text.as_bytes());
    let upper = text.to_ascii_uppercase();
    mistakes.push((format!("{upper}\n").into_bytes(), "upper-case hex with a newline"));
    mistakes.push((upper.into_bytes(), "upper-case hex"));
    mistakes.push((digest.as_bytes().to_vec(), "the raw digest, not its hex text"));
    for algorithm in Algorithm::ALL.iter().filter(|one| one.digest_size() == digest.size()) {
        let prefixed = format!("{}:{text}", algorithm.name()).into_bytes();
        mistakes.push((prefixed, "hex with the algorithm's name in front"));
    }
    mistakes
}

/// The usual wrong contents of any text's signature.
pub(crate) fn newline_mistakes(text: &[u8]) -> Vec<Mistake> {
    vec![
        ([text, b"\n"].concat(), "it with a newline at the end"),
        ([text, b"\r\n"].concat(), "it with CR LF at the end"),
    ]
}
