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

readonly LIST=testdata/arm/debian-packages.txt

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
    arm_test --lib --test=suite --test=page_edge --no-run
    # There are many other tests, which depend on no kernel.
    local status=0
    arm_test --lib -- hash:: fec:: || status=$?
    arm_test --test=suite -- known_roots:: twin:: || status=$?
    arm_test --test=page_edge || status=$?
    return "$status"
}

# Settings for cargo, which stays the usual one.
prepare() {
    local top=${CARGO_TARGET_DIR:-target}
    # A compiler of its own, hence build products of its own.
    export CARGO_TARGET_DIR=$top/aarch64
    export RUSTC=/usr/bin/rustc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
    # A program that links libc dynamically hangs in the emulator at its first thread.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Ctarget-feature=+crt-static -Dunused"
    export CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0
    # An emulator takes its time: fewer random trees than elsewhere.
    export PROPTEST_CASES=${PROPTEST_CASES:-100}
}

arm_test() {
    cargo test --locked --target aarch64-unknown-linux-gnu -p verity --features verity/mmap "$@"
}

missing_packages() {
    local package
    while read -r package; do
        case $package in '' | '#'*) continue ;; esac
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done <"$LIST"
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    dpkg --add-architecture arm64
    # What is missing after all is named.
    apt-get -qq update || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        "${missing[@]}" >/dev/null || true
}

skip() {
    echo "SKIPPED: the ARM kernels need $*" >&2
}

main "$@"
