#!/bin/bash
# Runs the tests of what threads share under ThreadSanitizer, which finds data races: the cache of verified hash
# blocks and its readers, and the crew that hands out work.
#
#   fuzz/threads.sh [TEST OPTION...]
#
# Needs a nightly toolchain with the component rust-src: the standard library is instrumented too.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
. "$FUZZ/libfuzzer.sh"

main() {
    cargo +nightly --version >/dev/null || { echo "fuzz: ThreadSanitizer needs a nightly toolchain" >&2; exit 2; }
    run --lib -- tree:: work:: read:: build:: "$@"
    # Flipped bits are read by one thread, for hours.
    run --test suite -- adversarial::concurrency adversarial::order read:: --skip adversarial::read::flips "$@"
}

# The first report of a race ends a test program.
run() {
    CARGO_TARGET_DIR=$BUILD/threads RUSTFLAGS=-Zsanitizer=thread TSAN_OPTIONS=halt_on_error=1 CARGO_INCREMENTAL=0 \
        PROPTEST_CASES=${PROPTEST_CASES:-16} VERITY_MODEL_READS=${VERITY_MODEL_READS:-20000} \
        cargo +nightly test --locked -Zbuild-std --target "$HOST" --manifest-path "$FUZZ/../verity/Cargo.toml" "$@"
}

main "$@"
