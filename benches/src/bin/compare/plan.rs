//! What can be measured on this machine, and why the rest cannot.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::statvfs;
use verity_benches::kernels;
use verity_benches::machine;
use verity_testdata::oracle::{self, VeritySetup};

use super::options::{self, Options, Part};
use super::program::Builds;

/// What is measured.
pub(crate) struct Plan {
    parts: Vec<Part>,
    /// What is not, each with its reason.
    pub(crate) skipped: Vec<String>,
    /// Of the parts with commands.
    pub(crate) commands: Option<Commands>,
}

/// Programs that are run from their start to their end.
pub(crate) struct Commands {
    pub(crate) builds: Builds,
    /// Whether our command was built from the source here.
    pub(crate) is_built_here: bool,
    pub(crate) veritysetup: VeritySetup,
}

impl Plan {
    /// Leaves out what cannot be measured; an error if that was named.
    pub(crate) fn make(options: &Options) -> Result<Plan, String> {
        let mut plan = Plan { parts: options.parts(), skipped: Vec::new(), commands: None };
        let with_commands = [Part::Commands, Part::Fec, Part::Cold, Part::OnePass, Part::Install];
        plan.keep(options, &[&with_commands[..], &[Part::Reads]].concat(), || has_disk(options))?;
        plan.commands = plan.keep(options, &with_commands, || commands(options))?;
        if options.quick && options.named_parts().is_none() {
            plan.skip("fec-kernels: takes minutes (--parts fec-kernels)");
        }
        if kernels::tape_backend().is_none() && plan.has(Part::Kernels) {
            plan.skip("tape-sha256: not compiled in (feature tape, which takes minutes)");
        }
        Ok(plan)
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    pub(crate) fn has_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.has(*part))
    }

    /// Asks for what some parts need, if one of them is to be measured.
    fn keep<T>(
        &mut self,
        options: &Options,
        needy: &[Part],
        ask: impl FnOnce() -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let needy: Vec<_> = self.parts.iter().copied().filter(|it| needy.contains(it)).collect();
        if needy.is_empty() {
            return Ok(None);
        }
        match ask() {
            Ok(there) => Ok(Some(there)),
            Err(reason) if options.named_parts().is_some() => Err(reason),
            Err(reason) => {
                self.parts.retain(|part| !needy.contains(part));
                self.skip(&format!("{}: {reason}", options::names(&needy)));
                Ok(None)
            }
        }
    }

    fn skip(&mut self, what: &str) {
        eprintln!("compare: skipped: {what}");
        self.skipped.push(what.to_owned());
    }
}

/// Whether images can be written, and figures of them mean something.
fn has_disk(options: &Options) -> Result<(), String> {
    let directory = options.directory()?;
    let (kind, place) = (machine::file_system(&directory), directory.display());
    // Pages of such files are small and a sync does nothing: other figures than those of files.
    if ["tmpfs", "ramfs"].contains(&kind.as_str()) {
        return Err(format!("{place} is in memory: name a directory on a disk (--dir)"));
    }
    // An image of commands with its outputs, and a copy of it; that of reads is alone.
    let needed = options.parts().into_iter().map(|part| match part {
        Part::Reads => options.reads_bytes().get(),
        _ => options.bytes().saturating_mul(2),
    });
    let needed = needed.max().unwrap_or(0) / 100 * 105;
    let disk = statvfs(&directory).map_err(|error| format!("{place}: {error}"))?;
    match disk.f_bavail.saturating_mul(disk.f_frsize) {
        free if free < needed => Err(format!(
            "{} MiB are needed in {place} and {} are free: name another directory (--dir) or \
             sizes (--size, --reads-size)",
            needed >> 20,
            free >> 20
        )),
        _ => Ok(()),
    }
}

fn commands(options: &Options) -> Result<Commands, String> {
    let missing = "veritysetup is not installed (Debian's package cryptsetup-bin)";
    let veritysetup = VeritySetup::find().ok_or(missing)?;
    let given = options.verity.clone().map(|program| (program, false));
    let (verity, is_built_here) = given.map_or_else(verity, Ok)?;
    let builds = Builds { verity, other: options.beside.clone() };
    Ok(Commands { builds, is_built_here, veritysetup })
}

/// Our command, built from the source if that is here and cargo is, or else the one beside this
/// program. Tells whether it was built here.
fn verity() -> Result<(PathBuf, bool), String> {
    let has_cargo = || Command::new("cargo").arg("-V").output().is_ok_and(|it| it.status.success());
    if let Some(source) = options::source().filter(|_| has_cargo()) {
        return Ok((build(&source)?, true));
    }
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = this.with_file_name("verity");
    match beside.is_file() {
        true => Ok((beside, false)),
        false => Err(format!(
            "no verity to measure: neither cargo with the source nor {} is here (--verity PROGRAM)",
            beside.display()
        )),
    }
}

/// Cargo decides whether there is anything to do.
fn build(source: &Path) -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "-p", "dm-verity-cli"]);
    let output = oracle::run(cargo.current_dir(source));
    if !output.status.success() {
        return Err(oracle::failure(&cargo, &output));
    }
    Ok(options::target_directory().join("release/verity"))
}
