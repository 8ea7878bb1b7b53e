#!/bin/bash
# Keeps what fuzzing has found: of fuzz/corpus/TARGET the fewest inputs that reach the same edges, in
# fuzz/seeds/TARGET.hex, and prints how many edges and inputs these are.
#
#   fuzz/minimise.sh TARGET|all
#
# Same needs as run.sh.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
. "$FUZZ/libfuzzer.sh"

main() {
    [ $# -eq 1 ] || usage
    local target targets=("$1")
    [[ " ${TARGETS[*]} all " == *" $1 "* ]] || usage
    [ "$1" != all ] || targets=("${TARGETS[@]}")
    build_targets "$FUZZ/.." "${targets[@]}"
    mkdir -p "$FUZZ/seeds"
    for target in "${targets[@]}"; do
        keep "$target"
    done
}

# Short inputs only: what takes many bytes to reach costs every test run, and is seldom worth it.
keep() {
    local target=$1 least=$BUILD/least/$1 edges
    rm -rf "$least"
    mkdir -p "$least"
    corpus seeds "$target" "$FUZZ/corpus/$target"
    edges=$("$BUILD/$HOST/release/$target" -merge=1 -max_len=4096 -rss_limit_mb=512 -timeout=5 \
        "$least" "$FUZZ/corpus/$target" 2>&1 | sed -n 's/^MERGE-OUTER: .* \([0-9]*\) new coverage edges.*/\1/p' | tail -1)
    corpus keep "$target" "$least"
    echo "| \`$target\` | ${edges:-?} | $(wc -l <"$FUZZ/seeds/$target.hex") | $(stat -c %s "$FUZZ/seeds/$target.hex") |"
}

usage() {
    echo "usage: fuzz/minimise.sh TARGET|all; targets: ${TARGETS[*]}" >&2
    exit 2
}

main "$@"
