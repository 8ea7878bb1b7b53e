#!/bin/sh
# Measures verity beside its peers on this machine, in less than five minutes once all is built, and
# leaves a record, tables and charts in a directory.
#
#   ./bench.sh [--out DIR] [--binary FILE] [--tape] [--full] [-- OPTION...]
#
#   --out DIR      where the results go, and the images while they are needed: on a disk
#                  [default: target/bench/DATE in the source, or verity-bench-DATE here]
#   --binary FILE  a `compare` that was built elsewhere: nothing is built then, and cargo is not needed.
#                  Without this option and without the source, `compare` beside this script. A `verity`
#                  beside it is the command that is measured
#   --tape         build the crate tape-sha256 as well, another peer, which takes minutes more
#   --full         about ten minutes instead, and parity in memory too
#   -- OPTION...   further options of `compare`, such as --against RECORD (compare --help)
#
# Needs a Rust toolchain, or a binary; docs/PERFORMANCE.md says how to build one for 64-bit ARM. With
# veritysetup (Debian's package cryptsetup-bin) whole commands are measured too. What is left out is
# said, with the reason.
set -eu

main() {
    out='' binary='' features='' pace=--quick
    while [ $# -gt 0 ]; do
        case $1 in
        --out) [ $# -gt 1 ] || usage; out=$2; shift 2 ;;
        --out=*) out=${1#*=}; shift ;;
        --binary) [ $# -gt 1 ] || usage; binary=$2; shift 2 ;;
        --binary=*) binary=${1#*=}; shift ;;
        --tape) features='--features tape'; shift ;;
        --full) pace=''; shift ;;
        -h | --help) help; exit ;;
        --) shift; break ;;
        *) usage ;;
        esac
    done
    PATH=$PATH:/usr/sbin:/sbin
    source=$(cd "$(dirname "$0")" && pwd)
    find_binary
    [ -n "$out" ] || out=$(default_out)
    mkdir -p "$out"
    images=$(mktemp -d "$out/images-XXXXXX")
    child=''
    trap 'clean; exit 130' INT
    trap 'clean; exit 143' TERM HUP
    # In the background, so that a signal ends the waiting, and as a group of its own, if that can be
    # had, so that it also ends what the program has started. What is printed is in record.md.
    group='' setsid=''
    if command -v setsid >/dev/null; then
        group=- setsid=setsid
    fi
    # shellcheck disable=SC2086
    $setsid "$binary" $pace --dir "$images" --out "$out" "$@" >/dev/null &
    child=$!
    status=0
    wait "$child" || status=$?
    clean
    [ "$status" -eq 0 ] || fail "nothing was measured"
    tell
}

# The program that measures: given, built, or beside this script.
find_binary() {
    if [ -n "$binary" ]; then
        [ -x "$binary" ] || fail "$binary is no program"
        # A name without a folder would be looked for elsewhere.
        binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
    elif [ -f "$source/Cargo.lock" ] && command -v cargo >/dev/null; then
        build
    elif [ -x "$source/compare" ]; then
        binary=$source/compare
    else
        fail "neither cargo with the source nor $source/compare is here: name a program (--binary)"
    fi
}

build() {
    # Told to the compiler, since a binary may be copied away from its source.
    VERITY_BENCH_COMMIT=$(git -C "$source" describe --always --dirty 2>/dev/null || echo unknown)
    VERITY_BENCH_COMPILER=$(rustc -V 2>/dev/null || echo unknown)
    export VERITY_BENCH_COMMIT VERITY_BENCH_COMPILER
    echo "bench.sh: building (minutes, the first time)" >&2
    # shellcheck disable=SC2086
    (cd "$source" && cargo build --locked --release -p dm-verity-cli &&
        cargo build --locked --release -p verity-benches --bin compare $features) >&2 ||
        fail "it could not be built"
    binary=$(build_directory)/release/compare
}

# As cargo sees it, which is started in the source.
build_directory() {
    case ${CARGO_TARGET_DIR:-target} in
    /*) echo "$CARGO_TARGET_DIR" ;;
    *) echo "$source/${CARGO_TARGET_DIR:-target}" ;;
    esac
}

default_out() {
    date=$(date +%Y-%m-%d-%H%M%S)
    if [ -f "$source/Cargo.lock" ]; then
        echo "$(build_directory)/bench/$date"
    else
        echo "verity-bench-$date"
    fi
}

# Ends what runs, if anything does, and removes its images, which a killed program leaves.
clean() {
    if [ -n "$child" ]; then
        kill -s TERM -- "$group$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    rm -rf "$images"
}

tell() {
    echo
    grep -E '^(cpu|probe|clock|limits|two-thread figures|skipped): ' "$out/record.md" || true
    echo
    echo "Results in $out:"
    ls "$out"
}

help() {
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0"
}

usage() {
    help >&2
    exit 2
}

fail() {
    echo "bench.sh: $*" >&2
    exit 1
}

main "$@"
