//! Whether certificates lead on from a signer's, by their names alone. No signature is checked:
//! what a chain is worth is the business of `trust`.

use super::Certificate;

/// Checks that each of `others` occurs once and is the issuer, by name, of `signer` or of another
/// one that is. The error is the index of the first that has no place.
pub(crate) fn check_issuers(
    signer: &Certificate,
    others: &[&x509_cert::Certificate],
) -> Result<(), usize> {
    let twice = |index: usize| others[..index].contains(&others[index]);
    if let Some(index) = (0..others.len()).find(|&index| twice(index)) {
        return Err(index);
    }
    let mut reached = vec![signer.parsed()];
    let mut left: Vec<(usize, &x509_cert::Certificate)> =
        others.iter().copied().enumerate().collect();
    loop {
        let (issuers, rest): (Vec<_>, Vec<_>) =
            left.iter().partition(|(_, other)| reached.iter().any(|one| issued_by(one, other)));
        match (issuers.is_empty(), rest.first()) {
            (_, None) => return Ok(()),
            (true, Some((index, _))) => return Err(*index),
            (false, Some(_)) => {}
        }
        reached = issuers.into_iter().map(|(_, other)| other).collect();
        left = rest;
    }
}

fn issued_by(one: &x509_cert::Certificate, other: &x509_cert::Certificate) -> bool {
    one != other && one.tbs_certificate().issuer() == other.tbs_certificate().subject()
}
