//! The padding of an RSA signature that was opened with the public key, for messages: nothing is
//! accepted by what is found out here.

use crate::algorithm::SignatureDigest;

/// What stands in an RSA signature (RFC 8017 9).
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Padded<'a> {
    /// PKCS#1 v1.5: what was signed, which should be a DigestInfo.
    Pkcs1(&'a [u8]),
    Pss,
}

/// Takes the padding of an opened signature, as long as the modulus, apart; `None` if it has none,
/// as one by another key.
pub(super) fn opened(opened: &[u8]) -> Option<Padded<'_>> {
    // Its end is anything, so it is looked for first.
    pkcs1(opened).map(Padded::Pkcs1).or_else(|| {
        let is_pss = SignatureDigest::ALL.iter().any(|digest| is_pss(opened, *digest));
        is_pss.then_some(Padded::Pss)
    })
}

fn pkcs1(opened: &[u8]) -> Option<&[u8]> {
    let padding = opened.strip_prefix(&[0, 1])?;
    let ones = padding.iter().take_while(|&&byte| byte == 0xff).count();
    padding.get(ones..)?.strip_prefix(&[0]).filter(|_| ones >= 8)
}

/// Whether this is EMSA-PSS with this digest, also as the one of its mask, and a salt of any
/// length.
fn is_pss(opened: &[u8], digest: SignatureDigest) -> bool {
    let Some(content) = opened.strip_suffix(&[0xbc]) else { return false };
    let size = digest.hash(&[]).len();
    let Some(start) = content.len().checked_sub(size) else { return false };
    let (masked, hash) = content.split_at(start);
    let mut block = masked.iter().zip(mask(hash, masked.len(), digest)).map(|(a, b)| a ^ b);
    // The modulus begins with a one, and what is signed is a bit shorter.
    let first = block.next().map(|byte| byte & 0x7f);
    first.into_iter().chain(block).find(|&byte| byte != 0) == Some(1)
}

/// MGF1.
fn mask(seed: &[u8], length: usize, digest: SignatureDigest) -> Vec<u8> {
    let blocks = (0_u32..).map(|count| digest.hash(&[seed, &count.to_be_bytes()].concat()));
    blocks.flatten().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkcs1_may_end_as_pss_does() {
        let signed = [7, 7, 0xbc];
        let padded = [&[0, 1][..], &[0xff; 250], &[0], &signed].concat();
        assert_eq!(opened(&padded), Some(Padded::Pkcs1(&signed)));
        let random: Vec<u8> = (1..=255).chain([0xbc]).collect();
        assert_eq!(opened(&random), None);
        for short in [&[][..], &[0xbc], &[0, 1], &[0, 1, 0xbc]] {
            assert_eq!(opened(short), None);
        }
    }
}
