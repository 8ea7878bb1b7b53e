#!/bin/bash
# Shows that the tests see a broken kernel: breaks one after the other by one constant, in a copy of the workspace,
# and runs the tests of hashing and of parity there, which must fail.
#
#   fuzz/planted-kernels.sh        every kernel that this CPU can run; minutes for each, to build it
#   fuzz/planted-kernels.sh 0      only asks whether each can be broken
#
# Kernels that the CPU cannot run are named as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BUILT=$PWD/${CARGO_TARGET_DIR:-target}/planted-kernels
readonly COPY=$BUILT/copy

# FLAG of /proc/cpuinfo | FILE | sed expression | what it breaks
readonly KERNELS=(
    "sha_ni|verity/src/hash/x86_64/sha_ni.rs|s/_mm_alignr_epi8::<4>/_mm_alignr_epi8::<8>/|SHA-NI: the schedule"
    "sha_ni|verity/src/hash/streams.rs|s/2 => (&joint\[stream\]/2 => (\&first[stream]/|SHA-NI: the chunk with padding"
    "avx512vl|verity/src/hash/x86_64/sha_ni_vl.rs|s/_mm_set_epi32(0x0c0d_0e0f,/_mm_set_epi32(0x0c0d_0f0e,/|SHA-NI in 32 registers: the order of bytes"
    "avx2|verity/src/hash/x86_64/avx2.rs|s/_mm256_unpackhi_epi64(a1, b1)/_mm256_unpacklo_epi64(a1, b1)/|AVX2: the turning of words"
    "avx2|verity/src/hash/x86_64/avx2.rs|s/_mm256_permute2x128_si256::<0x31>(a1, b1)/_mm256_permute2x128_si256::<0x20>(a1, b1)/|AVX2, words of 64 bits: their turning"
    "avx2|verity/src/hash/x86_64/avx2.rs|s/in_each_word(\[2, 3, 4, 5/in_each_word([2, 3, 5, 4/|AVX2, BLAKE2b: a rotation by bytes"
    "avx2|verity/src/hash/keccak.rs|s/9 d4 44,/9 d4 43,/|SHA-3: a rotation"
    "avx2|verity/src/hash/text.rs|s/\*end .= last;/*end = last;/|SHA-3: padding of one byte"
    "avx2|verity/src/hash/blake2b.rs|s/\.min(text\.len)/.min(text.len + 1)/|BLAKE2b: how many bytes are counted"
    "avx512bw|verity/src/hash/x86_64/avx512.rs|s/_mm512_unpackhi_epi64(a1, b1)/_mm512_unpacklo_epi64(a1, b1)/|AVX-512, sha256 in two groups: the turning of words"
    "avx512bw|verity/src/hash/x86_64/avx512.rs|s/_mm512_unpackhi_epi64(r2, r3)/_mm512_unpacklo_epi64(r2, r3)/|AVX-512, sha512 in two groups: the turning of words"
    "avx512bw|verity/src/hash/x86_64/rows.rs|s/big 2 13 22, 6 11 25;/big 2 13 22, 6 11 26;/|AVX-512 by hand, sha256: a rotation"
    "avx512bw|verity/src/hash/x86_64/rows.rs|s/big 28 34 39, 14 18 41;/big 28 34 39, 14 18 40;/|AVX-512 by hand, sha512: a rotation"
    "fpu|verity/src/hash/lanes.rs|s/self\.map(|word| word\.rotr(bits))/self.map(|word| word.rotr(bits + 1))/|ordinary code: a rotation"
    "fpu|verity/src/hash/walk.rs|s/L::Word::BITS - self\.shift/L::Word::BITS - self.shift - 1/|words behind a salt that is no multiple of one"
    "avx2|verity/src/fec/x86_64.rs|s/_mm256_srli_epi64::<4>/_mm256_srli_epi64::<3>/|parity by AVX2: the upper halves of bytes"
    "gfni|verity/src/fec/x86_64.rs|s/_mm512_gf2p8affine_epi64_epi8::<0>/_mm512_gf2p8affine_epi64_epi8::<1>/|parity by GFNI: the products"
)

main() {
    mkdir -p "$BUILT"
    local kernel flag file expression what failed=0
    for kernel in "${KERNELS[@]}"; do
        IFS='|' read -r flag file expression what <<<"${kernel//|word|/\#word\#}"
        expression=${expression//\#word\#/|word|}
        if sed "$expression" "$file" | cmp -s "$file" -; then
            echo "$what: can no longer be broken" >&2
            failed=1
            continue
        fi
        [ "${1:-}" != 0 ] || continue
        break_one "$file" "$expression"
        if ! grep -qw "$flag" /proc/cpuinfo; then
            echo "skipped, as this CPU has no $flag: $what"
        elif tests_pass; then
            echo "not seen: $what" >&2
            failed=1
        else
            echo "seen: $what"
        fi
    done
    return "$failed"
}

# break_one FILE EXPRESSION: a fresh copy of the workspace, in which the file is another one and may still be built.
break_one() {
    rm -rf "$COPY"
    mkdir -p "$COPY"
    git ls-files -z | xargs -0 cp --parents -t "$COPY"
    sed -i "$2" "$COPY/$1"
}

# Builds first: what cannot be built is not a broken kernel that was seen.
tests_pass() {
    export CARGO_TARGET_DIR=$BUILT/target
    cargo test --quiet --locked --manifest-path "$COPY/verity/Cargo.toml" --lib --no-run || exit 1
    cargo test --quiet --locked --manifest-path "$COPY/verity/Cargo.toml" --lib -- hash:: fec::platform:: >"$BUILT/log" 2>&1
}

main "$@"
