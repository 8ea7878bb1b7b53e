//! `verity status`: what the kernel says of verity devices.

use std::ffi::OsString;
use std::path::PathBuf;

use verity::table::OnCorruption;
use verity_dm::{Status, VerityStatus};
use verity_sign::Manifest;

use crate::context::Context;
use crate::error::{Class, CommandError};
use crate::live::Live;
use crate::signer::Signer;
use crate::trust::{self, TrustSource};

/// What to look at.
#[derive(Debug)]
pub(crate) struct Options {
    /// The name of a device, or the path of its node; all unless given.
    pub(crate) device: Option<OsString>,
    /// The manifest that the live table is held against.
    pub(crate) check: Option<PathBuf>,
    /// Who may have signed it.
    pub(crate) trust: TrustSource,
}

/// One device, or all.
#[derive(Debug)]
pub(crate) enum Watched {
    One(Box<WatchedDevice>),
    All(Vec<Status>),
}

/// What is known of a device.
#[derive(Debug)]
pub(crate) struct WatchedDevice {
    pub(crate) status: Status,
    /// The manifest of which it has the table, and who signed that.
    pub(crate) checked: Option<(Manifest, Signer)>,
}

impl Watched {
    /// Whether the kernel has met something corrupt.
    pub(crate) fn is_corrupt(&self) -> bool {
        let is_corrupt =
            |status: &Status| status.verity().is_some_and(|verity| !verity.health.is_uncorrupted());
        match self {
            Watched::One(device) => is_corrupt(&device.status),
            Watched::All(devices) => devices.iter().any(is_corrupt),
        }
    }
}

/// Looks.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Watched, CommandError> {
    let manifest = match &options.check {
        Some(path) => Some(trust::manifest(path, &options.trust.read()?)?),
        None => options.trust.check_unused().map(|()| None)?,
    };
    let live = Live::connect(&context.signals)?;
    let Some(device) = &options.device else {
        let devices = live.device_mapper.list().map_err(|error| live.failed(error))?;
        return Ok(Watched::All(devices));
    };
    let status = live.verity_status(&live.find(device)?)?;
    let checked = match manifest {
        Some(verified) => {
            check(&status, verified.manifest())?;
            Some((verified.manifest().clone(), verified.signer().into()))
        }
        None => None,
    };
    Ok(Watched::One(Box::new(WatchedDevice { status, checked })))
}

/// Refuses a device with another table than the manifest's.
fn check(status: &Status, manifest: &Manifest) -> Result<(), CommandError> {
    let Some(verity) = status.verity() else { return Ok(()) };
    let differences = differences(verity, manifest);
    if differences.is_empty() {
        return Ok(());
    }
    let words = format!(
        "device {} is not what the manifest states: {}",
        status.name,
        differences.join(", ")
    );
    Err(CommandError::message(Class::NotVerified, words))
}

fn differences(verity: &VerityStatus, manifest: &Manifest) -> Vec<&'static str> {
    let (line, params) = (&verity.line, manifest.params());
    let hash_start = manifest.hash_area().hash_start();
    let stated = manifest.fec_area().map(|fec| (fec.blocks(), fec.roots()));
    // A table may do without the parity that there is; where it lies may be on another device.
    let parity = line.parity().map(|(_, blocks, roots)| (blocks, roots));
    let options = &line.options.known;
    let found = [
        (!line.has_root_hash(manifest.root_hash()), "its root hash is another one"),
        (!line.has_params(params, hash_start), "its parameters are others"),
        (verity.sectors != params.data_size() / 512, "its length is another one"),
        (parity.is_some() && parity != stated, "its parity covers something else"),
        (
            options.on_corruption == Some(OnCorruption::Ignore),
            "it lets corrupt blocks through (ignore_corruption)",
        ),
    ];
    found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words).collect()
}
