#!/bin/bash
# Builds the command as one static file, for machines where nothing is installed: an initrd, a recovery system, a build container.
#
#   packaging/static.sh [x86_64 | aarch64]...      both, if none is named
#
# The file is target/ARCH-unknown-linux-musl/release/verity. It has everything but keys on tokens (PKCS#11), whose modules a static
# program cannot load: `--signer-command` signs there. Needs a Rust toolchain that rustup can add the target to, and a C
# compiler for ring: musl-gcc (Debian: musl-tools) for x86_64 on x86_64, aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu) for aarch64, or
# what CC_ARCH_unknown_linux_musl says. What cannot be built is named, and the end is 3.
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
    local arch status=0
    [ $# -gt 0 ] || set -- x86_64 aarch64
    for arch in "$@"; do
        case $arch in
        # A failure is none the less for something that is missing afterwards.
        x86_64 | aarch64) build "$arch" || { local ended=$?; [ "$status" -ne 0 ] && [ "$ended" -eq 3 ] || status=$ended; } ;;
        *)
            echo "usage: packaging/static.sh [x86_64 | aarch64]..." >&2
            exit 2
            ;;
        esac
    done
    return "$status"
}

build() {
    local arch=$1 compiler target=$1-unknown-linux-musl
    compiler=$(c_compiler "$arch")
    if ! command -v "$compiler" >/dev/null; then
        missing "$target" "the C compiler $compiler"
        return 3
    fi
    if ! has_target "$target"; then
        missing "$target" "Rust's standard library for it (rustup target add $target)"
        return 3
    fi
    (
        export "CC_${arch}_unknown_linux_musl=$compiler"
        # The linker that rustc would take is the host's, which is of another architecture.
        if [ "$arch" != "$(uname -m)" ]; then
            export "CARGO_TARGET_${arch^^}_UNKNOWN_LINUX_MUSL_LINKER=$compiler"
        fi
        cargo build --locked --release -p dm-verity-cli --target "$target" --no-default-features --features https,pages
    ) || return
    echo "static.sh: ${CARGO_TARGET_DIR:-target}/$target/release/verity" >&2
}

# ring's C and assembly take a compiler whose headers are there; they use nothing of the C library.
c_compiler() {
    local given=CC_${1}_unknown_linux_musl
    if [ -n "${!given:-}" ]; then
        echo "${!given}"
    elif [ "$1" = "$(uname -m)" ] && command -v musl-gcc >/dev/null; then
        echo musl-gcc
    else
        echo "$1-linux-gnu-gcc"
    fi
}

has_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] && return
    command -v rustup >/dev/null && rustup target add "$1" >&2
}

missing() {
    echo "static.sh: $1 is not built: $2 is missing" >&2
}

main "$@"
