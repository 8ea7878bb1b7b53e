#!/bin/bash
# What a proved read of 4 KiB costs from C, beside the same from Rust: both in turn, in one go, and the ratio of their medians.
#
#   capi/examples/read_cost.sh [RUNS]      RUNS is 11, five figures each; the image lies in memory (/dev/shm)
#
# Builds first (cargo's release profile). Figures are nanoseconds of CPU time, which a busy machine changes less than time by the clock.
set -euo pipefail
cd "$(dirname "$0")/../.."

runs=${1:-11}
work=$(mktemp -d)
image=$(mktemp /dev/shm/read_cost.XXXXXX)
trap 'rm -rf "$work" "$image"' EXIT

DESTDIR=$work/root capi/install.sh --prefix=/usr
cargo build --quiet --locked --release -p dm-verity-capi --example read_cost
lib=$work/root/usr/lib
cc -O2 -I "$work/root/usr/include" capi/examples/read_cost.c -L "$lib" -lverity -o "$work/from_c"
for ((run = 0; run < runs; run++)); do
    LD_LIBRARY_PATH=$lib "$work/from_c" "$image" >>"$work/c"
    "${CARGO_TARGET_DIR:-target}/release/examples/read_cost" "$image" >>"$work/rust"
done

median() {
    sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}
c=$(median "$work/c") rust=$(median "$work/rust")
awk -v c="$c" -v rust="$rust" -v runs="$runs" \
    'BEGIN { printf "C %d ns, Rust %d ns, ratio %.3f (medians of %d runs of five)\n", c, rust, c / rust, runs }'
