#!/bin/bash
# Asks whether the tests see a change of the code: a seeded sample of what cargo-mutants would change, each
# tried against the tests of its crate. Prints a table, and what no test sees.
#
#   fuzz/mutants.sh [--seed N] [--count N] [--jobs N]      seed 1, 440 changes, as many jobs as CPUs
#
# Needs cargo-mutants (cargo install --locked cargo-mutants), about a quarter of an hour to build and to run
# the tests one by one, and some seconds a change.
set -euo pipefail
readonly TOP=$(cd "$(dirname "$0")/.." && pwd)
cd "$TOP"
exec env --default-signal cargo run --quiet --locked -p verity-fuzz --bin mutants -- "$@" \
    "${CARGO_TARGET_DIR:-$TOP/target}/mutants"
