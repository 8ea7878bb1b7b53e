#!/bin/bash
# Looks for function calls in the hash kernels, as an optimizing build for x86-64 makes them.
#
#   testdata/calls/test.sh              none may be there but panics, and memcpy where no rounds are
#   testdata/calls/test.sh --planted    plants a closure around an instruction, and wants it found
#
# A call inside of a kernel costs all its vectors, which no test of digests sees. Needs objdump
# (binutils). The kernels of 64-bit ARM are looked at by testdata/arm/test.sh, in what it has built.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Build products of its own: code at fixed places calls its own functions by name, not through a table.
readonly BUILT=$PWD/${CARGO_TARGET_DIR:-target}/calls
readonly TARGET=x86_64-unknown-linux-gnu KERNELS=verity/src/hash/x86_64

main() {
    [ "$(uname -m)" = x86_64 ] || { echo "SKIPPED: the calls of x86-64 kernels need an x86-64 machine" >&2; return; }
    case ${1:-} in
    '') look "$PWD" ;;
    --planted) planted ;;
    *) echo "usage: testdata/calls/test.sh [--planted]" >&2; exit 2 ;;
    esac
}

# look WORKSPACE
look() {
    # The flags go to the code for the target only, not to build scripts and macros.
    CARGO_TARGET_DIR=$BUILT RUSTFLAGS=-Crelocation-model=static CARGO_INCREMENTAL=0 \
        cargo build --quiet --locked --release --target "$TARGET" \
        -p dm-verity --example verify_file --manifest-path "$1/Cargo.toml" || return
    cargo run --quiet --locked -p verity-testdata --bin kernel_calls -- \
        "$KERNELS" objdump "$BUILT/$TARGET/release/examples/verify_file"
}

# In a copy of the workspace, bytes are swapped by a closure that the compiler cannot see through. (Whether it sees
# through one that is given to `map` depends on its mood, which is why such are avoided.)
planted() {
    local copy=$BUILT/planted words
    rm -rf "$copy"
    mkdir -p "$copy"
    git ls-files -z | xargs -0 cp --parents -t "$copy"
    perl -0pi -e 's/let \(r0, r1\) = .*?;\s*let \(r2, r3\) = .*?;/let swapped: &dyn Fn(__m256i) -> __m256i = &|line| _mm256_shuffle_epi8(line, swap); let swapped = std::hint::black_box(swapped); let [r0, r1, r2, r3] = [swapped(lines[0]), swapped(lines[1]), swapped(lines[2]), swapped(lines[3])];/s' \
        "$copy/$KERNELS/avx2.rs"
    grep -q black_box "$copy/$KERNELS/avx2.rs"
    if words=$(look "$copy" 2>&1); then
        echo "testdata/calls/test.sh: a planted call was not found" >&2
        return 1
    fi
    grep -q 'avx2::sha256_x8 calls' <<<"$words" || { echo "$words" >&2; return 1; }
    echo "a planted call was found"
}

main "$@"
