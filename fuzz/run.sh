#!/bin/bash
# Fuzzes with libFuzzer, without cargo-fuzz.
#
#   fuzz/run.sh TARGET|all [SECONDS [LIBFUZZER OPTION...]]     60 seconds unless said
#
# Takes the nightly toolchain, with AddressSanitizer, if there is one, else the default one without it.
# Needs a C++ compiler. Corpus: fuzz/corpus/TARGET (begun with our own seeds); findings:
# fuzz/artifacts/TARGET. Fails if a target has a finding.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
readonly TARGETS=(superblock table manifest)
readonly HOST=$(rustc -vV | sed -n 's/^host: //p')
readonly BUILD=${CARGO_TARGET_DIR:-$FUZZ/../target}/fuzz

main() {
    [ $# -ge 1 ] || usage
    local targets=("$1") seconds=${2:-60}
    [[ $seconds =~ ^[0-9]+$ ]] || usage
    [ "$1" != all ] || targets=("${TARGETS[@]}")
    [[ " ${TARGETS[*]} all " == *" $1 "* ]] || usage
    build "${targets[@]}"
    for target in "${targets[@]}"; do
        fuzz "$target" "$seconds" "${@:3}"
    done
}

usage() {
    echo "usage: fuzz/run.sh TARGET|all [SECONDS [LIBFUZZER OPTION...]]; targets: ${TARGETS[*]}" >&2
    exit 2
}

# As a release build, since a fuzzer lives by its speed, but with every assertion. The flags go to the code
# for the host only (--target), not to build scripts and macros.
build() {
    local cargo=(cargo) flags=(
        --cfg fuzzing
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
        -Ccodegen-units=1
    )
    if cargo +nightly --version >/dev/null 2>&1; then
        cargo=(cargo +nightly)
        flags+=(-Zsanitizer=address)
    else
        echo "run.sh: no nightly toolchain, hence no AddressSanitizer" >&2
    fi
    # An instrumented tree is of no use to anything else: it has its own folder.
    CARGO_TARGET_DIR=$BUILD RUSTFLAGS="${flags[*]}" CARGO_INCREMENTAL=0 \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
        "${cargo[@]}" build --quiet --locked --release --target "$HOST" \
        --manifest-path "$FUZZ/Cargo.toml" --features libfuzzer "${@/#/--bin=}"
}

fuzz() {
    local target=$1 seconds=$2
    local corpus=$FUZZ/corpus/$target artifacts=$FUZZ/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    cargo run --quiet --locked --manifest-path "$FUZZ/Cargo.toml" --bin corpus -- \
        seeds "$target" "$corpus"
    echo "== $target: $seconds s" >&2
    # Nothing here takes more than a few KiB; 16 KiB is also the longest manifest.
    "$BUILD/$HOST/release/$target" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=5 \
        -max_len=17000 -artifact_prefix="$artifacts/" -print_final_stats=1 "${@:3}" "$corpus"
}

main "$@"
