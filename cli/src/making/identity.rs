//! Salt and UUID of a new hash area.

use verity::{Salt, Uuid, uuid_from_seed};

use crate::error::{Class, CommandError};
use crate::parameters::Parameters;

/// The salt and the UUID of a new hash area.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) salt: Salt,
    pub(crate) uuid: Uuid,
}

/// How many bytes a random salt has.
const SALT_SIZE: usize = 32;

impl Identity {
    /// Salt and UUID as given; else derived from the seed; else random.
    pub(crate) fn choose(
        parameters: &Parameters,
        seed: Option<&str>,
    ) -> Result<Identity, CommandError> {
        if let Some(seed) = seed {
            if parameters.salt.is_some() || parameters.uuid.is_some() {
                return Err(CommandError::usage("--seed contradicts --salt and --uuid"));
            }
            if seed.is_empty() {
                // An unset variable of a script: every image would get the same salt.
                return Err(CommandError::usage(
                    "--seed is empty: it takes a text, from which salt and UUID follow",
                ));
            }
            return Ok(Identity { salt: Salt::from_seed(seed), uuid: uuid_from_seed(seed) });
        }
        let salt = match &parameters.salt {
            Some(salt) => salt.clone(),
            None => new_salt(&random::<SALT_SIZE>()?)?,
        };
        let uuid = match parameters.uuid {
            Some(uuid) => uuid,
            None => uuid::Builder::from_random_bytes(random()?).into_uuid(),
        };
        Ok(Identity { salt, uuid })
    }
}

fn new_salt(bytes: &[u8]) -> Result<Salt, CommandError> {
    Salt::new(bytes).map_err(|error| CommandError::new(Class::Usage, error))
}

fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    // Without randomness there is no salt: never a constant one instead.
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::message(Class::Io, format!("no random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_salts_differ_and_have_32_bytes() {
        let choose = || Identity::choose(&Parameters::default(), None).unwrap();
        let (first, second) = (choose(), choose());
        assert_eq!(first.salt.as_bytes().len(), SALT_SIZE);
        assert_ne!(first.salt, second.salt);
        assert_ne!(first.uuid, second.uuid);
    }

    #[test]
    fn a_seed_contradicts_a_salt_and_a_uuid() {
        let salted = Parameters { salt: Some(Salt::empty()), ..Parameters::default() };
        assert!(Identity::choose(&salted, Some("x")).is_err());
        let named = Parameters { uuid: Some(Uuid::nil()), ..Parameters::default() };
        assert!(Identity::choose(&named, Some("x")).is_err());
    }
}
