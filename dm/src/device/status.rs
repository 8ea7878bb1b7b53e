//! What is known of a live device, in one value.

use std::path::PathBuf;

use crate::node;
use crate::record::{
    DeviceNumber, DeviceUuid, Flags, Health, MapperName, TargetRecord, VerityLine,
};

use super::backing::{Backing, NameOf};
use super::known::{DeviceId, Known};

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name.
    pub name: MapperName,
    /// The UUID as the kernel has it.
    pub uuid: String,
    /// The number.
    pub number: DeviceNumber,
    /// How many have it open: mounts, devices over it, processes.
    pub open_count: u32,
    /// Whether it can only be read.
    pub is_read_only: bool,
    /// Whether requests wait until it is resumed.
    pub is_suspended: bool,
    /// Whether it will be removed when it is closed last.
    pub is_deferred: bool,
    /// Whether a table was loaded that is not live.
    pub has_inactive_table: bool,
    /// The node under `/dev/mapper`, if it is there and has this number.
    pub node: Option<PathBuf>,
    /// The live table.
    pub state: State,
}

/// The live table of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// There is none: whoever made the device did not come to the end, or has not yet.
    NoTable,
    /// A table of other targets.
    Other {
        /// Their types.
        kinds: Vec<String>,
    },
    /// A verity target, which is alone in its table.
    Verity(Box<VerityStatus>),
}

/// What is known of a verity target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerityStatus {
    /// The length of the device, in sectors of 512 bytes.
    pub sectors: u64,
    /// The parameters of the table.
    pub line: VerityLine,
    /// Whether the kernel met something corrupt, and what it repaired.
    pub health: Health,
    /// The data device.
    pub data: Backing,
    /// The hash device.
    pub hash: Backing,
    /// The FEC device, if there is parity.
    pub fec: Option<Backing>,
}

impl Status {
    /// Whether the device is a verity device by its table or, without one, by its UUID.
    #[must_use]
    pub fn is_verity(&self) -> bool {
        match &self.state {
            State::NoTable => self.is_half_made(),
            State::Other { kinds } => *kinds == ["verity"],
            State::Verity(_) => true,
        }
    }

    /// Whether the device has no live table and was begun as a verity device.
    #[must_use]
    pub fn is_half_made(&self) -> bool {
        self.state == State::NoTable && DeviceUuid::is_verity(&self.uuid)
    }

    /// Which device it is.
    pub(crate) fn id(&self) -> DeviceId {
        DeviceId { name: self.name.clone(), uuid: self.uuid.clone(), number: self.number }
    }

    /// The verity target.
    #[must_use]
    pub fn verity(&self) -> Option<&VerityStatus> {
        match &self.state {
            State::Verity(verity) => Some(verity),
            State::NoTable | State::Other { .. } => None,
        }
    }
}

/// Puts together what the kernel answered to both calls.
pub(super) fn assemble(
    name_of: NameOf<'_>,
    known: Known,
    table: Vec<TargetRecord>,
    health: &[TargetRecord],
) -> Status {
    let DeviceId { name, uuid, number } = known.id;
    let node = Some(name.node()).filter(|_| node::is_right(&name, number));
    Status {
        state: state(name_of, table, health),
        number,
        open_count: known.open_count,
        is_read_only: known.flags.has(Flags::READ_ONLY),
        is_suspended: known.flags.has(Flags::SUSPENDED),
        is_deferred: known.flags.has(Flags::DEFERRED_REMOVE),
        has_inactive_table: known.flags.has(Flags::INACTIVE_PRESENT),
        node,
        name,
        uuid,
    }
}

fn state(name_of: NameOf<'_>, table: Vec<TargetRecord>, health: &[TargetRecord]) -> State {
    match (&table[..], health) {
        ([], _) => State::NoTable,
        ([target], [health]) if target.kind == "verity" => {
            let Ok(line) = VerityLine::parse(&target.text) else { return other(table) };
            let find = |name: &str| Backing::find(name_of, name);
            let fec = line.options.known.fec.as_ref().map(|fec| find(fec.device.as_str()));
            State::Verity(Box::new(VerityStatus {
                sectors: target.sectors,
                health: Health::parse(&health.text),
                data: find(&line.data_device),
                hash: find(&line.hash_device),
                fec,
                line,
            }))
        }
        _ => other(table),
    }
}

fn other(table: Vec<TargetRecord>) -> State {
    State::Other { kinds: table.into_iter().map(|target| target.kind).collect() }
}
