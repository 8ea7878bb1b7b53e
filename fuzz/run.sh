#!/bin/bash
# Fuzzes with libFuzzer, without cargo-fuzz.
#
#   fuzz/run.sh TARGET|all [SECONDS [LIBFUZZER OPTION...]]     60 seconds each unless said
#
# Takes the nightly toolchain, with AddressSanitizer, if there is one, else the default one without it.
# Needs a C++ compiler. Corpus: fuzz/corpus/TARGET (begun with our own seeds); findings:
# fuzz/artifacts/TARGET. Fails at the first target that has a finding.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
. "$FUZZ/libfuzzer.sh"

main() {
    [ $# -ge 1 ] || usage
    local target targets=("$1") seconds=${2:-60}
    [[ $seconds =~ ^[0-9]+$ && " ${TARGETS[*]} all " == *" $1 "* ]] || usage
    [ "$1" != all ] || targets=("${TARGETS[@]}")
    build_targets "$FUZZ/.." "${targets[@]}"
    for target in "${targets[@]}"; do
        corpus seeds "$target" "$FUZZ/corpus/$target"
        echo "== $target: $seconds s" >&2
        run_target "$target" "$seconds" "$FUZZ/corpus/$target" "$FUZZ/artifacts/$target" "${@:3}"
    done
}

usage() {
    echo "usage: fuzz/run.sh TARGET|all [SECONDS [LIBFUZZER OPTION...]]; targets: ${TARGETS[*]}" >&2
    exit 2
}

main "$@"
