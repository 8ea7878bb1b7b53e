#!/bin/bash
# Runs the tests of the kernels for hashing and for parity under AddressSanitizer, on every platform that this
# CPU has.
#
#   fuzz/kernels.sh [TEST OPTION...]
#
# Needs a nightly toolchain. The tests put blocks and rows into allocations of just their size.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
. "$FUZZ/libfuzzer.sh"

main() {
    cargo +nightly --version >/dev/null || { echo "fuzz: AddressSanitizer needs a nightly toolchain" >&2; exit 2; }
    # The flags go to the code for the host only (--target), not to build scripts and macros.
    CARGO_TARGET_DIR=$BUILD RUSTFLAGS=-Zsanitizer=address CARGO_INCREMENTAL=0 CARGO_PROFILE_TEST_DEBUG=1 \
        cargo +nightly test --locked --target "$HOST" --manifest-path "$FUZZ/../verity/Cargo.toml" \
        --lib -- hash:: fec::platform:: fec::decode:: "$@"
}

main "$@"
