#!/bin/bash
# Tests what is packed here as those meet it who get it.
#
#   packaging/test.sh [--built]  Debian packages of builds for development: installed, used and removed in a root of their own;
#                                --built: of those that `cargo test` has left
#   packaging/test.sh --static   static binaries: built, without keys on tokens, and the demo run, on ARM under emulation
#
# What is missing is named, and is a failure with CI=true or VERITY_REQUIRE_ORACLES=1. The root is made once, by mmdebstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
umask 022

readonly BUILT=${CARGO_TARGET_DIR:-target} OUT=$PWD/target/packaging

main() {
    mkdir -p "$OUT"
    case ${1:-} in
    '') build && debian_packages ;;
    --built) debian_packages ;;
    --static) static_binaries ;;
    *)
        echo "usage: packaging/test.sh [--built | --static]" >&2
        exit 2
        ;;
    esac
}

fail() {
    echo "packaging/test.sh: $*" >&2
    exit 1
}

# skip WHAT NEEDS
skip() {
    echo "SKIPPED: $1 need $2" >&2
    [ "${CI:-}" != true ] && [ "${VERITY_REQUIRE_ORACLES:-}" != 1 ] || fail "they may not be skipped here"
}

# Not release builds, which take minutes.
build() {
    cargo build --quiet --locked -p dm-verity-cli -p dm-verity-capi
}

debian_packages() {
    local tool
    for tool in dpkg-deb mmdebstrap chroot objdump; do
        command -v "$tool" >/dev/null || { skip "Debian packages" "$tool"; return; }
    done
    [ "$(id -u)" -eq 0 ] || { skip "Debian packages" root; return; }
    local packages=$OUT/debian again=$OUT/again library=$BUILT/debug
    # Where tests are built, they alone are put beside the folder of their dependencies.
    [ -f "$library/libverity_c.so" ] || library=$BUILT/debug/deps
    rm -rf "$packages" "$again"
    make_packages "$packages"
    make_packages "$again"
    diff -r "$packages" "$again" || fail "the same files make other packages"
    test_root
    cp "$packages"/*.deb "$root/packages"
    install_and_use
    remove
    rm -rf "$root"
    echo "packaging/test.sh: Debian packages were installed, used and removed"
}

make_packages() {
    COMPRESSION=none packaging/debian.sh --command="$BUILT/debug/verity" --library="$library" "$1" >"$OUT/debian.log" 2>&1 || {
        cat "$OUT/debian.log" >&2
        fail "packages are not made"
    }
}

# A small Debian with cryptsetup-bin, and nothing of ours.
test_root() {
    local release
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    if [ ! -f "$OUT/$release.tar" ]; then
        mmdebstrap --quiet --mode=root --variant=essential --include=cryptsetup-bin,man-db "$release" "$OUT/new-$release.tar" ||
            fail "no root to install into"
        mv "$OUT/new-$release.tar" "$OUT/$release.tar"
    fi
    root=$OUT/root
    rm -rf "$root"
    mkdir -p "$root"
    tar -x --exclude='./dev/*' -f "$OUT/$release.tar" -C "$root"
    mkdir "$root/packages"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/random" c 1 8
    mknod -m 666 "$root/dev/urandom" c 1 9
    files_of_root >"$OUT/before"
}

in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root chroot "$root" "$@"
}

# What lies there, but for lists that dpkg and the loader keep.
files_of_root() {
    (cd "$root" && find . -path ./packages -prune -o -path ./var -prune -o -path ./dev -prune -o -print | grep -v -e ld.so.cache -e '/$' |
        LC_ALL=C sort)
}

# expect TEXT COMMAND...: it succeeds in the root and says that.
expect() {
    local wanted=$1 said
    shift
    said=$(in_root "$@" 2>&1) || fail "$*: $said"
    [[ $said == *"$wanted"* ]] || fail "$*: no '$wanted' in: $said"
}

install_and_use() {
    original=$(in_root veritysetup --version)
    in_root sh -c 'dpkg -i /packages/*.deb' >"$OUT/install.log" 2>&1 || { cat "$OUT/install.log" >&2; fail "not installed"; }
    expect "verity 0" verity --version
    # The command, and the original under its new name, say the same of one image.
    in_root sh -c 'head -c 1000000 /packages/verity_*.deb >/tmp/image && truncate -s 1M /tmp/image'
    expect "/tmp/image" verity build /tmp/image --seed packages
    expect "verified" sh -c 'verity verify /tmp/image /tmp/image.verity --root-hash-file /tmp/image.roothash && echo verified'
    expect "" sh -c '/sbin/veritysetup.cryptsetup verify /tmp/image /tmp/image.verity $(cat /tmp/image.roothash)'
    [ "$(in_root /usr/sbin/veritysetup.cryptsetup --version)" = "$original" ] || fail "the original is not what it was"
    # veritysetup is ours now, and works; a new cryptsetup-bin leaves it so.
    [ "$(in_root readlink -f /usr/sbin/veritysetup)" = /usr/bin/verity ] || fail "veritysetup is not ours"
    expect "" sh -c 'veritysetup verify /tmp/image /tmp/image.verity $(cat /tmp/image.roothash)'
    expect "EXIT STATUS" sh -c 'MANPAGER=cat man verity-build'
    expect "libverity.so.0" ldconfig -p
    the_library
    [ -z "$(in_root dpkg --audit)" ] || fail "dpkg is not content: $(in_root dpkg --audit)"
}

# A program is built against the -dev package's files and runs with the library of the other one.
the_library() {
    local lib
    lib=$(in_root sh -c 'dpkg -L libverity-dev | grep "/libverity.so$"')
    cc -I "$root/usr/include" packaging/version.c -o "$root/packages/version" "$root$lib"
    expect "verity 0" /packages/version
    expect "prefix=/usr" cat "${lib%/*}/pkgconfig/verity.pc"
}

remove() {
    in_root sh -c 'rm -f /tmp/image*; dpkg --purge verity-veritysetup' >/dev/null 2>&1 || fail "verity-veritysetup stays"
    [ ! -L "$root/usr/sbin/veritysetup" ] || fail "veritysetup was not given back"
    [ -z "$(in_root dpkg-divert --list '*veritysetup*')" ] || fail "a diversion is left"
    [ "$(in_root veritysetup --version)" = "$original" ] || fail "another veritysetup came back"
    in_root dpkg --purge libverity-dev libverity0 verity >/dev/null 2>&1 || fail "packages stay"
    files_of_root | diff "$OUT/before" - || fail "not as it was before"
    [ -z "$(in_root dpkg --verify cryptsetup-bin)" ] || fail "files of cryptsetup-bin are not its own"
}

static_binaries() {
    local arch program status=0 ran=
    for arch in x86_64 aarch64; do
        packaging/static.sh "$arch" || status=$?
        case $status in
        0) ;;
        3) skip "static binaries" "what static.sh names"; status=0; continue ;;
        *) fail "the static binary for $arch is not built" ;;
        esac
        program=$BUILT/$arch-unknown-linux-musl/release/verity
        readelf -d "$program" | grep -q NEEDED && fail "$program is not static"
        runner "$arch" "$program" || { skip "the demo for $arch" qemu-user-static; continue; }
        ./demo.sh "$OUT/verity-$arch"
        "$OUT/verity-$arch" version --verbose
        without_tokens "$OUT/verity-$arch"
        ran+=" $arch"
    done
    echo "static binaries that ran the demo:$ran"
}

# runner ARCH FILE: a command that runs it, here or in the emulator.
runner() {
    local before=
    if [ "$1" != "$(uname -m)" ]; then
        command -v "qemu-$1-static" >/dev/null || return
        before="qemu-$1-static "
    fi
    printf '#!/bin/sh\nexec %s"%s" "$@"\n' "$before" "$(realpath "$2")" >"$OUT/verity-$1"
    chmod 755 "$OUT/verity-$1"
}

without_tokens() {
    local said status=0
    said=$("$1" sign "$(printf '%064d' 0)" --key pkcs11:token=release --certificate testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem \
        --output "$OUT/never" 2>&1) || status=$?
    [ "$status" -eq 2 ] && [[ $said == *"keys on tokens"*"--signer-command"* ]] || fail "a key on a token: $status, $said"
}

main "$@"
