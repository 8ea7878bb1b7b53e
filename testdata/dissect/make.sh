#!/bin/bash
# Brings systemd-dissect of Debian 13, with systemd's udev and what both need: the judge of disk images that systemd discovers.
#
#   testdata/dissect/make.sh [OUTDIR]        OUTDIR is target/dissect unless given
#
# OUTDIR/root is the root of a virtual machine. It comes, once, from the Debian mirror that apt is configured with; nothing is
# installed, and no script of a package is run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../newer-debian.sh"
outdir=${1:-$here/../../target/dissect}
PATH=$PATH:/usr/sbin:/sbin

# systemd-dissect is in systemd-container, and loads the library of dm-verity when it is needed.
readonly PACKAGES=(base-files systemd systemd-container udev dmsetup libcryptsetup12)
# What is large or a device, and has no part in it.
readonly UNUSED=(dev usr/share/{doc,man,locale,info} usr/lib/udev/hwdb.d usr/lib/x86_64-linux-gnu/gconv var/cache var/lib/apt)

main() {
    mkdir -p "$outdir"
    outdir=$(cd "$outdir" && pwd)
    exec 9>"$outdir/.lock"
    flock 9
    rm -rf "$outdir"/.make.* # of a run that was killed: the lock shows that none is alive
    [ -d "$outdir/root" ] || make_root
    echo "$outdir: Debian $(cat "$outdir/root/etc/debian_version")"
}

make_root() {
    work=$(mktemp -d "$outdir/.make.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    newer_root trixie "$work/root" "${PACKAGES[@]}"
    (cd "$work/root" && rm -rf "${UNUSED[@]}")
    # What systemd's own scripts would have written.
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$work/root/etc/passwd"
    printf 'root:x:0:\ndisk:x:6:\n' >"$work/root/etc/group"
    mv "$work/root" "$outdir/root"
}

main
