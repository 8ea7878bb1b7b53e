#!/bin/bash
# Runs the tests of what is pure arithmetic under Miri, which finds undefined behaviour: what lies where, the
# code of the parity, the portable digests, tables, and which digest a block must have.
#
#   fuzz/miri.sh [CASES [ROOM...]]      cases of each property; 2 unless said. Rooms are those below, such as fec::
#
# Needs a nightly toolchain with the components miri and rust-src. Miri sees the portable kernels;
# fuzz/kernels.sh sees those for one CPU family.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
. "$FUZZ/libfuzzer.sh"

# Rooms of verity that start no thread and ask no file, one after the other; the one that takes longest is the last.
readonly ROOMS=(number:: layout:: plan:: table:: trust:: nbd::protocol:: verify::report:: tree:: hash:: fec::)

# These look at hundreds of thousands of bytes or blocks, or count what became of a thousand cases, which is hours here and
# says no more than the others.
readonly LONG=(f02_answers_are_codewords_near_what_was_read r03_answers_are_bounded
    codewords_that_are_lost_spoil_no_others f06_as_many_erased_rows_as_roots_of_the_largest_blocks
    a01_memory_follows_what_was_put_in what_is_used_stays_and_what_is_not_goes
    never_more_than_the_bound_and_never_another_block)

# Threads are for threads.sh.
readonly THREADS=(threads)

# Miri knows the words of few errors of the system.
readonly FOREIGN=(what_cannot_be_read_is_told_in_the_words_of_the_system)

main() {
    cargo +nightly miri --version >/dev/null ||
        { echo "fuzz: rustup toolchain install nightly -c miri -c rust-src" >&2; exit 2; }
    local cases=${1:-2} room start rooms=("${@:2}")
    [ ${#rooms[@]} -gt 0 ] || rooms=("${ROOMS[@]}")
    for room in "${rooms[@]}"; do
        start=$SECONDS
        # Failed cases of a property are written to files.
        MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=$cases CARGO_TARGET_DIR=$BUILD/miri \
            cargo +nightly miri test --locked --manifest-path "$FUZZ/../verity/Cargo.toml" --lib -- "$room" "${LONG[@]/#/--skip=}" "${THREADS[@]/#/--skip=}" "${FOREIGN[@]/#/--skip=}"
        echo "miri: $room took $((SECONDS - start)) s" >&2
    done
}

main "$@"
