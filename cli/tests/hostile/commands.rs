//! That no command is forgotten.

use std::collections::BTreeSet;
use std::process::Command;

use verity_testdata::oracle;
use verity_testdata::pattern::Prng;

use super::{manifests, parities, signatures, superblocks};

/// Commands that read none of the inputs that others could have made: they begin with an image, or
/// with numbers of their user.
const WITHOUT: [&str; 5] = ["build", "format", "help", "plan", "version"];

#[test]
fn every_command_meets_hostile_inputs() {
    if oracle::require("openssl").is_none() {
        return;
    }
    let mut random = Prng::new(1);
    let cases = [
        superblocks::cases(false),
        parities::cases(&mut random),
        manifests::cases(&mut random),
        signatures::cases(&mut random),
    ];
    let lines = cases.iter().flatten().flat_map(|case| case.lines.iter().chain(&case.servers));
    let met: BTreeSet<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let help = oracle::run_ok(Command::new(env!("CARGO_BIN_EXE_verity")).arg("--help"));
    let commands = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: BTreeSet<&str> = commands
        .filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()))
        .collect();
    assert!(commands.len() >= 14, "{help}");
    let forgotten = commands.iter().filter(|name| !met.contains(*name) && !WITHOUT.contains(name));
    assert_eq!(forgotten.collect::<Vec<_>>(), [&""; 0]);
}
