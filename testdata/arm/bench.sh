#!/bin/bash
# Builds on x86-64 what measures on a 64-bit ARM board: static programs, to be copied there with bench.sh.
#
#   testdata/arm/bench.sh DIR
#
# DIR gets `compare`, `verity` and `bench.sh`; on the board `DIR/bench.sh` needs nothing else. As root on
# Debian this first installs what it needs (debian-packages.txt, for the architecture arm64 too).
set -euo pipefail
cd "$(dirname "$0")/../.."

. testdata/arm/toolchain.sh

main() {
    [ $# -eq 1 ] || { echo "usage: testdata/arm/bench.sh DIR" >&2; exit 2; }
    if [ -n "$(missing_packages)" ] && [ "$(id -u)" -eq 0 ]; then
        install_packages
    fi
    if [ -n "$(missing_packages)" ]; then
        echo "testdata/arm/bench.sh: missing Debian packages:" $(missing_packages) >&2
        exit 1
    fi
    prepare
    VERITY_BENCH_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
    VERITY_BENCH_COMPILER=$("$RUSTC" -V)
    export VERITY_BENCH_COMMIT VERITY_BENCH_COMPILER
    cargo build --locked --release --target aarch64-unknown-linux-gnu -p dm-verity-cli
    cargo build --locked --release --target aarch64-unknown-linux-gnu -p verity-benches --bin compare
    mkdir -p "$1"
    cp "$CARGO_TARGET_DIR"/aarch64-unknown-linux-gnu/release/{compare,verity} bench.sh "$1"
    echo "testdata/arm/bench.sh: copy $1 to the board and run $1/bench.sh there"
}

main "$@"
