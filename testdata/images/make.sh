#!/bin/bash
# Makes a real Debian root filesystem, as erofs, squashfs and ext4 images, for the tests.
#
#   testdata/images/make.sh [OUTDIR]        OUTDIR is target/images unless given
#
# Packages come from the sources that apt is configured with; nothing is mounted, no package's
# script is run, and so no foreign machine's code is needed for another $ARCH. An image that is
# there already is kept; an interrupted run leaves none half made.
set -euo pipefail

readonly PACKAGES=base-files,bash,busybox-static,coreutils,e2fsprogs,systemd,udev,util-linux
readonly EPOCH=1700000000
readonly UUID=6e1f4b52-32b1-4a6b-9b7d-4d1f1e0c5a77
readonly KINDS=(erofs squashfs ext4)

top=$(cd "$(dirname "$0")/../.." && pwd)
outdir=${1:-$top/target/images}
arch=${ARCH:-$(dpkg --print-architecture)}
export SOURCE_DATE_EPOCH=$EPOCH E2FSPROGS_FAKE_TIME=$EPOCH LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

main() {
    mkdir -p "$outdir"
    exec 9>"$outdir/.lock"
    flock 9
    rm -rf "$outdir"/.make.* # of a run that was killed: the lock shows that none is alive
    if ! all_there; then
        need_tools
        work=$(mktemp -d "$outdir/.make.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        make_tree
        make_images
    fi
    ls -l "${KINDS[@]/#/$outdir/rootfs.}"
}

all_there() {
    local kind
    for kind in "${KINDS[@]}"; do
        [ -f "$outdir/rootfs.$kind" ] || return 1
    done
}

need_tools() {
    local tool missing=0
    for tool in mmdebstrap mkfs.erofs mksquashfs mkfs.ext4 tar; do
        command -v "$tool" >/dev/null && continue
        echo "make.sh: $tool is missing: Debian package $(package_of "$tool")" >&2
        missing=1
    done
    return $missing
}

package_of() {
    awk -v tool="$1" '$1 == tool { print $2 }' "$top/testdata/debian-packages.txt"
}

# The files in which apt is told where this Debian release comes from; others may lie beside them.
apt_sources() {
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(SOURCESENTRY)' 'Created-By: Packages' |
        awk -v release="$1" '$1 == "Debian" && index($2, release) == 1 { print $3 }' |
        sed 's/:[0-9]*$//' | sort -u
}

make_tree() {
    local release sources mode=auto
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mapfile -t sources < <(apt_sources "$release")
    if [ ${#sources[@]} -eq 0 ]; then
        echo "make.sh: apt knows no packages of Debian '$release': run apt-get update" >&2
        return 1
    fi
    [ "$(id -u)" -ne 0 ] || mode=root
    mmdebstrap --quiet --mode="$mode" --variant=extract --architectures="$arch" \
        --include="$PACKAGES" "$release" "$work/rootfs.tar" "${sources[@]}"
    mkdir "$work/tree"
    # Device nodes need privileges; the rest is this machine's doing and would differ elsewhere. Set-user-ID files are
    # that for everyone who makes them, not only for root.
    tar -x --preserve-permissions -f "$work/rootfs.tar" -C "$work/tree" --exclude='./dev/*' --exclude='./etc/apt/*' \
        --exclude=./etc/hostname --exclude=./etc/resolv.conf --exclude='./var/cache/*' \
        --exclude='./var/lib/apt/*' --exclude='./var/log/*'
    rm "$work/rootfs.tar"
}

make_images() {
    local kind
    for kind in "${KINDS[@]}"; do
        [ -f "$outdir/rootfs.$kind" ] && continue
        "make_$kind" "$work/tree" "$work/rootfs.$kind" >"$work/log" 2>&1 || {
            cat "$work/log" >&2
            return 1
        }
        sync "$work/rootfs.$kind"
        mv "$work/rootfs.$kind" "$outdir/rootfs.$kind"
    done
}

make_erofs() {
    mkfs.erofs -T $EPOCH -U $UUID --all-root -z lz4hc,12 -C 262144 "$2" "$1"
}

make_squashfs() {
    mksquashfs "$1" "$2" -noappend -all-root -comp zstd -no-progress
}

make_ext4() {
    local kib
    kib=$(du -sk "$1" | cut -f1)
    mkfs.ext4 -q -d "$1" -U $UUID -E hash_seed=$UUID,lazy_itable_init=0 -O ^has_journal -m 0 \
        -b 4096 "$2" $((kib + kib / 8 + 8192))k
}

main
