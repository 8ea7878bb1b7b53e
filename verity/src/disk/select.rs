//! How a partition is named: by number, by UUID, by label, by what it is for.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::slots::{Scheme, slot_letter};
use super::types::{Architecture, Content, MountPoint, PartitionType};
use super::{Partition, Table};

/// The name of a partition, as text.
///
/// `3` is the partition with that number; `PARTUUID=…` and `PARTLABEL=…` name its UUID and its
/// label. Any other text is a label, in capitals or not; else a type such as `root`,
/// `usr-verity-sig` or `root-arm64`; else, on disks of Bottlerocket, a set's partition such as
/// `root-a`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// A number, counted from 1.
    Number(u32),
    /// `PARTUUID=`, of that partition alone.
    Uuid(Uuid),
    /// `PARTLABEL=`, to the letter.
    Label(String),
    /// A label or a type.
    Name(String),
}

impl FromStr for Selector {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Selector, Infallible> {
        let number = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
        Ok(if let Some(Some(number)) = number() {
            Selector::Number(number)
        } else if let Some(Ok(uuid)) = text.strip_prefix("PARTUUID=").map(str::parse) {
            Selector::Uuid(uuid)
        } else if let Some(label) = text.strip_prefix("PARTLABEL=") {
            Selector::Label(label.to_owned())
        } else {
            Selector::Name(text.to_owned())
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Number(number) => write!(f, "{number}"),
            Selector::Uuid(uuid) => write!(f, "PARTUUID={uuid}"),
            Selector::Label(label) => write!(f, "PARTLABEL={label}"),
            Selector::Name(name) => f.write_str(name),
        }
    }
}

/// Not one partition, but none or several.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} partition is {selector}", if matches.is_empty() { "no" } else { "more than one" })]
pub struct SelectError {
    /// What was looked for.
    pub selector: Selector,
    /// Those that match.
    pub matches: Vec<Partition>,
}

impl Table {
    /// The one partition of that name.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn select(&self, selector: &Selector) -> Result<Partition, SelectError> {
        let mut matches = match selector {
            Selector::Number(number) => self.matching(|found| found.number() == *number),
            Selector::Uuid(uuid) => self.matching(|found| found.uuid() == *uuid),
            Selector::Label(label) => self.matching(|found| found.label().to_string() == *label),
            Selector::Name(name) => self.named(name),
        };
        match (matches.pop(), matches.is_empty()) {
            (Some(partition), true) => Ok(partition),
            (last, _) => {
                matches.extend(last);
                Err(SelectError { selector: selector.clone(), matches })
            }
        }
    }

    fn named(&self, name: &str) -> Vec<Partition> {
        let ways: [&dyn Fn() -> Vec<Partition>; 4] = [
            &|| self.matching(|found| found.label().to_string() == name),
            &|| self.matching(|found| found.label().to_string().eq_ignore_ascii_case(name)),
            &|| {
                let types = types_named(name);
                self.matching(|found| types.contains(&found.type_guid()))
            },
            &|| self.of_set(name).into_iter().collect(),
        ];
        ways.into_iter().map(|way| way()).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn matching(&self, is_meant: impl Fn(&Partition) -> bool) -> Vec<Partition> {
        self.partitions().filter(is_meant).collect()
    }

    /// The partition of a set of Bottlerocket, such as `hash-b`.
    fn of_set(&self, name: &str) -> Option<Partition> {
        let name = name.to_ascii_lowercase();
        let (kind, letter) = name.rsplit_once('-')?;
        let guid = Scheme::BOTTLEROCKET_TYPES.iter().find(|(known, _)| *known == kind)?.1;
        let mut of_kind = self.partitions().filter(|found| found.type_guid().as_u128() == guid);
        let set = (0..).take(26).find(|set| slot_letter(*set).to_string() == letter)?;
        of_kind.nth(set)
    }
}

/// The types of that name: with an architecture one, without it that of each architecture.
fn types_named(name: &str) -> Vec<Uuid> {
    let mut types = Vec::new();
    for (mount_point, content) in [MountPoint::Root, MountPoint::Usr]
        .into_iter()
        .flat_map(|mount_point| Content::ALL.map(|content| (mount_point, content)))
    {
        for architecture in Architecture::ALL {
            let found = PartitionType::new(mount_point, *architecture, content);
            let full = found.to_string();
            let short = full.replacen(&format!("-{architecture}"), "", 1);
            if name == full || name == short {
                types.push(found.guid());
            }
        }
    }
    match name {
        "esp" => types.push(super::types::ESP),
        "xbootldr" => types.push(super::types::XBOOTLDR),
        _ => {}
    }
    types
}
