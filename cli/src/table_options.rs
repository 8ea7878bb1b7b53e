//! The options of a table as a caller writes them, one by one: `NAME` or `NAME=VALUE`.

use verity::table::{TableError, TableOptions};

use crate::error::{Class, CommandError};

/// Reads options, each `NAME` or `NAME=VALUE`.
pub(crate) fn read(options: &[String]) -> Result<TableOptions, CommandError> {
    let pairs = options.iter().map(|option| match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option.as_str(), None),
    });
    TableOptions::from_pairs(pairs).map_err(unusable_option)
}

/// Places that cannot be are bad geometry, as everywhere; other text is the caller's mistake.
pub(crate) fn unusable(error: impl Into<TableError>) -> CommandError {
    let error = error.into();
    let class = match error {
        TableError::Fec(_) | TableError::HashArea(_) => Class::Metadata,
        _ => Class::Usage,
    };
    CommandError::new(class, error)
}

/// An option that is not known is told by the way in which it was written.
fn unusable_option(error: TableError) -> CommandError {
    let hint = match &error {
        TableError::UnknownOption { name } => other_spelling(name),
        TableError::MissingValue { option } => format!(": --option {option}=VALUE"),
        _ => String::new(),
    };
    unusable(error).adding(&hint)
}

fn other_spelling(name: &str) -> String {
    let known = |name: &str| {
        let name = name.trim_start_matches('-').replace('-', "_").to_lowercase();
        TableOptions::NAMES.iter().find(|known| **known == name)
    };
    let mut parts = name.split([',', ' ', ':']).filter(|part| !part.is_empty());
    match (known(name), parts.next().and_then(known), parts.next()) {
        (Some(known), _, _) => format!("; the kernel spells it {known}"),
        (None, Some(_), Some(_)) => {
            "; each option has an --option of its own, with its value behind a =".to_owned()
        }
        _ => String::new(),
    }
}
