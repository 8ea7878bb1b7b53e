#!/bin/bash
# Runs on x86-64 what depends on the ARM kernels: built for 64-bit ARM, run by an emulator.
#
#   testdata/arm/test.sh
#
# As root on Debian it first installs what it needs (debian-packages.txt, for the architecture arm64
# too). Where something is missing it says so and ends well, unless CI=true or VERITY_REQUIRE_ORACLES=1:
# then it fails. On ARM itself there is nothing to do, since the ordinary tests run these kernels.
set -euo pipefail
cd "$(dirname "$0")/../.."

. testdata/arm/toolchain.sh

main() {
    case $(uname -m) in
    x86_64) ;;
    aarch64) return ;;
    *) skip "an x86-64 machine" && return ;;
    esac
    command -v dpkg-query >/dev/null || { skip "Debian" && return; }
    if [ -n "$(missing_packages)" ] && [ "$(id -u)" -eq 0 ]; then
        install_packages
    fi
    if [ -n "$(missing_packages)" ]; then
        skip "Debian packages:" $(missing_packages)
        [ "${CI:-}" != true ] && [ "${VERITY_REQUIRE_ORACLES:-}" != 1 ] && return
        echo "testdata/arm/test.sh: they may not be skipped here" >&2
        return 1
    fi
    prepare
    export CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0
    # An emulator takes its time: fewer random trees than elsewhere.
    export PROPTEST_CASES=${PROPTEST_CASES:-100}
    arm_test --lib --test=trees --test=page_edge --no-run
    kernel_calls
    # There are many other tests, which depend on no kernel.
    local status=0
    arm_test --lib -- hash:: fec:: || status=$?
    arm_test --test=trees || status=$?
    arm_test --test=page_edge || status=$?
    return "$status"
}

# The kernels in the test program call nothing, as testdata/calls/test.sh has it of x86-64.
kernel_calls() {
    local program
    program=$(arm_test --lib --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    (
        unset RUSTC
        CARGO_TARGET_DIR=$HOST_BUILT cargo run --quiet --locked -p verity-testdata --bin kernel_calls -- \
            verity/src/hash/aarch64 aarch64-linux-gnu-objdump "$program"
    )
}

arm_test() {
    cargo test --locked --target aarch64-unknown-linux-gnu -p dm-verity --features dm-verity/mmap "$@"
}

skip() {
    echo "SKIPPED: the ARM kernels need $*" >&2
}

main "$@"
