//! What a disk image must have and must not have, in the words of systemd's image policy.
//!
//! `root=signed+absent:usr=verity+signed:=ignore`: each rule names a partition by what it is for,
//! and what it may be; a rule without a name is for all others, `ignore` unless there is one.
//! Source: `systemd.image-policy(7)`.

use std::fmt;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use verity::disk::types::{Content, ESP, MountPoint, PartitionType, XBOOTLDR};
use verity::disk::{Attributes, Partition};

/// A policy, as it was written and as it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImagePolicy {
    text: String,
    rules: Vec<(&'static str, Rule)>,
    others: Rule,
}

/// What a partition may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rule {
    protections: Protections,
    /// Whether it must be read-only, or must not.
    read_only: Option<bool>,
    /// Whether its file system must be grown when it is mounted, or must not.
    grow: Option<bool>,
}

/// A set of [`Protection`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Protections(u8);

/// How a partition is protected, or what it is instead. Each has a bit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    Unprotected = 1,
    Encrypted = 2,
    Verity = 4,
    Signed = 8,
    Unused = 16,
    Absent = 32,
}

use Protection::{Absent, Encrypted, Signed, Unprotected, Unused, Verity};

/// All of them, by name.
const PROTECTIONS: [(&str, Protection); 6] = [
    ("verity", Verity),
    ("signed", Signed),
    ("encrypted", Encrypted),
    ("unprotected", Unprotected),
    ("unused", Unused),
    ("absent", Absent),
];

/// What partitions are for, in the words of a policy.
const DESIGNATORS: [&str; 13] = [
    "root",
    "usr",
    "home",
    "srv",
    "esp",
    "xbootldr",
    "swap",
    "root-verity",
    "root-verity-sig",
    "usr-verity",
    "usr-verity-sig",
    "tmp",
    "var",
];

/// Types of the specification that need nothing of an image.
const OTHER_TYPES: [(&str, u128); 5] = [
    ("home", 0x933ac7e1_2eb4_4f13_b844_0e14e2aef915),
    ("srv", 0x3b8f8425_20e0_4f3b_907f_1a25a76f98e8),
    ("swap", 0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f),
    ("tmp", 0x7ec6f557_3bc5_4aca_b293_16ef5df639d1),
    ("var", 0x4d21b016_b534_45c2_a9fb_5c16e091fd2d),
];

impl Protections {
    const IGNORE: Protections = Protections(Unused as u8 | Absent as u8);
    const OPEN: Protections = Protections(63);

    fn with(self, other: Protections) -> Protections {
        Protections(self.0 | other.0)
    }

    /// What a partition passes for that is protected so: by a signed tree it is also by a tree, and
    /// any may be left unused.
    fn passed_by(found: Protection) -> Protections {
        Protections(match found {
            Absent => Absent as u8,
            Signed => Signed as u8 | Verity as u8 | Unprotected as u8 | Unused as u8,
            Verity => Verity as u8 | Unprotected as u8 | Unused as u8,
            Encrypted => Encrypted as u8 | Unused as u8,
            Unprotected | Unused => Unprotected as u8 | Unused as u8,
        })
    }
}

impl fmt::Display for Protections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = PROTECTIONS.iter().filter(|(_, one)| self.0 & *one as u8 != 0);
        let names: Vec<_> = named.map(|(name, _)| *name).collect();
        f.write_str(&names.join("+"))
    }
}

impl ImagePolicy {
    /// What is wrong with a disk, if anything is. `partitions` are those that discovery looks at,
    /// each with what it was found to be.
    pub(super) fn refusal(&self, partitions: &[(Partition, Protection)]) -> Option<String> {
        DESIGNATORS.iter().find_map(|designator| {
            let rule = self.named(designator).or_else(|| self.derived(designator));
            let rule = rule.unwrap_or(self.others);
            let of = |found: &&(Partition, Protection)| designator_of(&found.0) == Some(designator);
            let mut found = partitions.iter().filter(of).peekable();
            if found.peek().is_none() {
                return rule.refusal(designator, None, Absent);
            }
            found.find_map(|(partition, is)| rule.refusal(designator, Some(partition), *is))
        })
    }
}

impl ImagePolicy {
    /// Whether an image may be used only by way of its tree.
    pub(super) fn wants_tree(&self, mount_point: MountPoint) -> bool {
        let rule = self.named(mount_point.name()).unwrap_or(self.others);
        rule.protections.0 & (Verity as u8 | Signed as u8) != 0
            && rule.protections.0 & Unprotected as u8 == 0
    }

    fn named(&self, designator: &str) -> Option<Rule> {
        self.rules.iter().find(|(name, _)| *name == designator).map(|(_, rule)| *rule)
    }

    /// The rule of a hash area or signature that the data's rule brings with it: where that takes a
    /// tree, what the tree needs may be there, and absent or unused where the data may be. So does
    /// systemd (`image_policy_get`).
    fn derived(&self, designator: &str) -> Option<Rule> {
        let (data, needed) = match designator.strip_suffix("-sig") {
            Some(hash) => (hash.strip_suffix("-verity")?, Protections(Signed as u8)),
            None => (designator.strip_suffix("-verity")?, Protections(Signed as u8 | Verity as u8)),
        };
        let rule = self.named(data).filter(|rule| rule.protections.0 & needed.0 != 0)?;
        let spared = rule.protections.0 & Protections::IGNORE.0;
        Some(Rule { protections: Protections(Unprotected as u8 | spared), ..rule })
    }
}

impl Rule {
    fn refusal(
        self,
        designator: &str,
        partition: Option<&Partition>,
        found: Protection,
    ) -> Option<String> {
        let passed = Protections::passed_by(found);
        if self.protections.0 & passed.0 == 0 {
            let (is, _) = PROTECTIONS.iter().find(|(_, one)| *one == found)?;
            let allowed = self.protections;
            return Some(format!("{designator} is {is}, and the policy takes {allowed}"));
        }
        let attributes = partition?.attributes();
        [
            (self.read_only, Attributes::READ_ONLY, "read-only"),
            (self.grow, Attributes::GROW_FILE_SYSTEM, "growfs"),
        ]
        .into_iter()
        .find_map(|(wanted, bit, name)| {
            let is_set = attributes.is_set(bit);
            let on = if is_set { "on" } else { "off" };
            let words = format!("{designator} has {name}-{on}, which the policy does not take");
            wanted.is_some_and(|wanted| wanted != is_set).then_some(words)
        })
    }
}

/// What a policy calls a partition.
fn designator_of(partition: &Partition) -> Option<&'static str> {
    let guid = partition.type_guid();
    if let Some(kind) = PartitionType::of_guid(guid) {
        return Some(match (kind.mount_point(), kind.content()) {
            (MountPoint::Root, Content::Data) => "root",
            (MountPoint::Root, Content::Verity) => "root-verity",
            (MountPoint::Root, Content::VeritySig) => "root-verity-sig",
            (MountPoint::Usr, Content::Data) => "usr",
            (MountPoint::Usr, Content::Verity) => "usr-verity",
            (MountPoint::Usr, Content::VeritySig) => "usr-verity-sig",
        });
    }
    match guid {
        ESP => Some("esp"),
        XBOOTLDR => Some("xbootldr"),
        _ => OTHER_TYPES.iter().find(|(_, known)| guid.as_u128() == *known).map(|(name, _)| *name),
    }
}

impl FromStr for ImagePolicy {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<ImagePolicy, anyhow::Error> {
        let only = |protections| {
            let others = Rule { protections, ..Rule::default() };
            Ok(ImagePolicy { text: text.to_owned(), rules: Vec::new(), others })
        };
        match text {
            "*" => return only(Protections::OPEN),
            "-" => return only(Protections::IGNORE),
            "~" => return only(Protections(Absent as u8)),
            "" => bail!("a policy has a rule, such as root=signed+absent"),
            _ => {}
        }
        let (mut rules, mut others) = (Vec::new(), None);
        for rule in text.split(':') {
            let (name, flags) = rule
                .split_once('=')
                .ok_or_else(|| anyhow!("{rule:?} is no rule: NAME=FLAG+FLAG, as root=signed"))?;
            let flags = flags.parse()?;
            if name.is_empty() {
                if others.replace(flags).is_some() {
                    bail!("there are two rules for all other partitions");
                }
                continue;
            }
            let known = DESIGNATORS.iter().find(|known| **known == name);
            let name = known.ok_or_else(|| {
                anyhow!("{name:?} is no partition of a policy: {}", DESIGNATORS.join(", "))
            })?;
            if rules.iter().any(|(other, _)| other == name) {
                bail!("there are two rules for {name}");
            }
            rules.push((*name, flags));
        }
        let ignore = Rule { protections: Protections::IGNORE, ..Rule::default() };
        Ok(ImagePolicy { text: text.to_owned(), rules, others: others.unwrap_or(ignore) })
    }
}

impl FromStr for Rule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Rule, anyhow::Error> {
        let mut rule = Rule::default();
        let (mut read_only, mut grow) = ([false; 2], [false; 2]);
        for flag in text.split('+') {
            let known = PROTECTIONS.iter().find(|(name, _)| *name == flag);
            let more = match (known, flag) {
                (Some((_, one)), _) => Protections(*one as u8),
                (None, "open") => Protections::OPEN,
                (None, "ignore") => Protections::IGNORE,
                (None, "read-only-on" | "read-only-off" | "growfs-on" | "growfs-off") => {
                    let of = if flag.starts_with("read") { &mut read_only } else { &mut grow };
                    of[usize::from(flag.ends_with("-on"))] = true;
                    continue;
                }
                (None, _) => bail!(
                    "{flag:?} is no flag of a policy: verity, signed, encrypted, unprotected, \
                     unused, absent, open, ignore, read-only-on, read-only-off, growfs-on or \
                     growfs-off"
                ),
            };
            rule.protections = rule.protections.with(more);
        }
        // Without a word on what it may be, it may be anything.
        if rule.protections == Protections::default() {
            rule.protections = Protections::OPEN;
        }
        let only = |[off, on]: [bool; 2]| if on == off { None } else { Some(on) };
        Ok(Rule { read_only: only(read_only), grow: only(grow), ..rule })
    }
}

impl fmt::Display for ImagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a policy says of a disk with nothing but a root partition, and of one with nothing.
    fn allows(policy: &str, found: Protection) -> bool {
        let policy: ImagePolicy = policy.parse().unwrap();
        let rule = |name: &str| {
            let named = policy.rules.iter().find(|(known, _)| *known == name);
            named.map_or(policy.others, |(_, rule)| *rule)
        };
        rule("root").refusal("root", None, found).is_none()
    }

    #[test]
    fn what_is_stronger_passes_for_what_is_weaker() {
        let all = [Unprotected, Encrypted, Verity, Signed, Absent];
        for (policy, expected) in [
            ("*", [true, true, true, true, true]),
            ("-", [true, true, true, true, true]),
            ("~", [false, false, false, false, true]),
            ("root=signed", [false, false, false, true, false]),
            ("root=signed+absent:usr=signed+absent", [false, false, false, true, true]),
            ("root=verity", [false, false, true, true, false]),
            ("root=unprotected", [true, false, true, true, false]),
            ("root=encrypted", [false, true, false, false, false]),
            ("root=open", [true, true, true, true, true]),
            ("usr=signed", [true, true, true, true, true]),
            ("usr=signed:=absent", [false, false, false, false, true]),
        ] {
            assert_eq!(all.map(|found| allows(policy, found)), expected, "{policy}");
        }
    }

    #[test]
    fn policies_that_say_nothing_are_refused() {
        for wrong in
            ["", "root", "cake=signed", "root=cake", "root=", "root=signed:root=verity", "=a:=b"]
        {
            assert!(wrong.parse::<ImagePolicy>().is_err(), "{wrong}");
        }
        assert!("=absent:=absent".parse::<ImagePolicy>().is_err());
        let policy: ImagePolicy = "root=read-only-on+growfs-off+growfs-on".parse().unwrap();
        let rule = Rule { protections: Protections::OPEN, read_only: Some(true), grow: None };
        assert_eq!(policy.rules, [("root", rule)]);
    }
}
