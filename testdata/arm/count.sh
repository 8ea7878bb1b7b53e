#!/bin/bash
# Counts the instructions that each kernel of 64-bit ARM executes for a block, and works out what that costs
# two designs of cores by the tables of others: a model, not a measurement.
#
#   testdata/arm/count.sh
#
# An emulator executes one instruction at a time and writes down where each was (-singlestep -d exec); what
# it was, the disassembly tells. The program is the test program of the library in the release profile, of
# which one test hashes one group of blocks of 4096 bytes, behind a salt of 32, by each kernel. Needs what test.sh
# needs; root on Debian installs it.
set -euo pipefail
cd "$(dirname "$0")/../.."

. testdata/arm/toolchain.sh

readonly TEST=hash::tests::each_kernel_hashes_one_group_of_usual_blocks

main() {
    [ "$(uname -m)" = x86_64 ] || { echo "testdata/arm/count.sh: counts under an emulator, on x86-64" >&2; exit 2; }
    if [ -n "$(missing_packages)" ] && [ "$(id -u)" -eq 0 ]; then
        install_packages
    fi
    if [ -n "$(missing_packages)" ]; then
        echo "testdata/arm/count.sh: missing Debian packages:" $(missing_packages) >&2
        exit 1
    fi
    prepare
    # Code at fixed places: the emulator's addresses are the disassembly's.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Ctarget-feature=+crt-static -Crelocation-model=static -Dunused"
    local program scratch
    program=$(cargo test --locked --release --target aarch64-unknown-linux-gnu -p dm-verity --lib --no-run \
        --message-format=json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    scratch=$(mktemp -d)
    trap "rm -rf '$scratch'" EXIT
    aarch64-linux-gnu-objdump -d -C --no-show-raw-insn "$program" | kernels >"$scratch/instructions"
    qemu-aarch64-static -singlestep -d exec,nochain -dfilter "$(ranges <"$scratch/instructions")" \
        -D "$scratch/trace" "$program" --exact "$TEST" --test-threads 1 >"$scratch/words"
    grep -q '1 passed' "$scratch/words" || { cat "$scratch/words" >&2; exit 1; }
    count "$scratch/instructions" "$scratch/trace"
}

# From a disassembly: kernel, address, mnemonic, operands, one instruction a line.
kernels() {
    awk '
        /^[0-9a-f]+ <.*>:$/ {
            kernel = ""
            if (match($0, /hash::aarch64::[a-z0-9]+::.*::sha(256|512)_x[0-9]+(::entered)?>/)) {
                name = substr($0, RSTART, RLENGTH)
                file = name; sub(/^hash::aarch64::/, "", file); sub(/::.*/, "", file)
                sub(/(::entered)?>$/, "", name); sub(/.*::/, "", name)
                kernel = file "::" name
            }
            next
        }
        kernel != "" && /^ *[0-9a-f]+:\t/ {
            address = $1; sub(/:/, "", address)
            operands = $0; sub(/^[^\t]*\t[^\t]*\t?/, "", operands); gsub(/[\t ]/, "", operands)
            print kernel, address, $2, operands
        }'
}

# The addresses of each kernel, for the emulator.
ranges() {
    awk '
        !($1 in first) { first[$1] = $2; order[++kernels] = $1 }
        { last[$1] = $2 }
        END {
            for (i = 1; i <= kernels; i++) {
                printf "%s0x%s..0x%s", (i > 1 ? "," : ""), first[order[i]], last[order[i]]
            }
        }'
}

# Joins what was executed with what it was. Instructions for one chunk of one message: chunks and messages of
# the group are known, since each has as many instructions for rounds.
count() {
    awk -f testdata/arm/model.awk "$1" "$2"
}

main "$@"
