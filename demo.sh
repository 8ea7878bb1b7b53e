#!/bin/bash
# Builds `verity`, makes an image, builds and signs its hash tree, checks it, then flips one bit in
# a copy and shows that the check fails and names the block. Needs a Rust toolchain, no other tool.
#
#   ./demo.sh [COMMAND]      COMMAND is a `verity` that is built already
#
# Exits 0 only if every step went as said.
set -euo pipefail
cd "$(dirname "$0")"

readonly DIR=target/demo
readonly IMAGE=$DIR/demo.raw
readonly IMAGE_SIZE=$((32 << 20))
readonly TAMPERED_BLOCK=4321
readonly TEST_KEY=testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem
readonly KEY=$DIR/signing.key.pem
readonly CERTIFICATE=testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem

main() {
    verity=${1:-}
    if [ -z "$verity" ]; then
        cargo build --locked --release -p dm-verity-cli
        verity=${CARGO_TARGET_DIR:-target}/release/verity
    fi
    rm -rf "$DIR"
    mkdir -p "$DIR"
    # A checkout may leave the test key open to others, as no signing key should be.
    install -m 600 "$TEST_KEY" "$KEY"
    make_image
    show "$verity" build "$IMAGE" --key "$KEY" --certificate "$CERTIFICATE" \
        --image-name demo --image-version 1 --label demo --output-dir "$DIR"
    show "$verity" check "$IMAGE" --certificate "$CERTIFICATE"
    tamper
    check_fails
    echo "demo: the image verified, and the flipped bit was found in data block $TAMPERED_BLOCK"
}

show() {
    echo "\$ $*"
    "$@"
}

# The workspace's own sources over and over, cut to whole blocks: the same bytes in every run.
make_image() {
    find verity sign cli -name '*.rs' -type f -print0 | LC_ALL=C sort -z |
        xargs -0 cat >"$DIR/sources"
    : >"$IMAGE"
    while [ "$(wc -c <"$IMAGE")" -lt $IMAGE_SIZE ]; do
        cat "$DIR/sources" >>"$IMAGE"
    done
    truncate -s $IMAGE_SIZE "$IMAGE"
    rm "$DIR/sources"
}

# A copy of the image and its side-cars, with one bit flipped in the middle of one data block.
tamper() {
    local byte at=$((TAMPERED_BLOCK * 4096 + 1234))
    mkdir "$DIR/tampered"
    cp "$DIR"/demo.* "$DIR/tampered/"
    byte=$(od -An -tu1 -j $at -N 1 "$IMAGE")
    printf "$(printf '\\%03o' $((byte ^ 1)))" |
        dd of="$DIR/tampered/demo.raw" bs=1 seek=$at conv=notrunc status=none
}

check_fails() {
    local status=0
    show "$verity" check "$DIR/tampered/demo.raw" --certificate "$CERTIFICATE" \
        >"$DIR/tampered/said" 2>&1 || status=$?
    cat "$DIR/tampered/said"
    echo "exit status $status"
    if [ $status -ne 1 ] || ! grep -qw "data block $TAMPERED_BLOCK" "$DIR/tampered/said"; then
        echo "demo: the flipped bit was not found where it is: data block $TAMPERED_BLOCK" >&2
        exit 1
    fi
}

main "$@"
