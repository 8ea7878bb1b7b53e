#!/bin/bash
# Makes the virtual machine in which a real Linux kernel judges images: that kernel, and an initramfs.
#
#   testdata/kernel/make.sh [OUTDIR]            OUTDIR is target/kernel unless given
#   testdata/kernel/make.sh --newest [OUTDIR]   the newest kernel that Debian has, in target/newest-kernel
#
# Debian's packaged kernel and busybox come from the sources that apt is configured with; they are
# unpacked in OUTDIR, nothing is installed. The packages are fetched once; the initramfs is made anew, with
# the guest's program (judge.c), each time. Needs x86-64 and a C compiler.
set -euo pipefail

# In the order in which they are loaded. What the kernel has built in, or does not know, is left out, but
# the first five must be there.
readonly NEEDED=(virtio_blk dm-mod dm-bufio reed_solomon dm-verity)
readonly FILE_SYSTEMS=(libcrc32c crc32c_generic erofs squashfs ext4)
readonly HASHES=(sha1_generic sha256_generic sha512_generic sha3_generic libsha3 sha3 blake2b_generic blake2s_generic sm3 sm3_generic)

here=$(cd "$(dirname "$0")" && pwd)
is_newest=
if [ "${1:-}" = --newest ]; then
    is_newest=yes
    . "$here/../newer-debian.sh"
    shift
fi
outdir=${1:-$here/../../target/${is_newest:+newest-}kernel}

main() {
    if [ "$(uname -m)" != x86_64 ]; then
        echo "make.sh: the judge's kernel is one for x86-64, as its program is" >&2
        return 1
    fi
    mkdir -p "$outdir"
    outdir=$(cd "$outdir" && pwd)
    exec 9>"$outdir/.lock"
    flock 9
    rm -rf "$outdir"/.make.* # of a run that was killed: the lock shows that none is alive
    work=$(mktemp -d "$outdir/.make.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    [ -d "$outdir/packages" ] || fetch_packages
    make_initramfs
    echo "$outdir: $(release)"
}

fetch_packages() {
    local package image
    [ -z "$is_newest" ] || newer_debian "$work/apt"
    image=$(kernel_package)
    mkdir "$work/packages" "$work/debs"
    (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "$image" $(parts_of "$image") busybox-static)
    for package in "$work"/debs/*.deb; do
        dpkg -x "$package" "$work/packages"
    done
    # Newer packages know the merged /usr only.
    (cd "$work/packages" && for dir in bin lib; do [ -e "$dir" ] || ln -s "usr/$dir" "$dir"; done)
    mv "$work/packages" "$outdir/packages"
}

# A meta package depends on the package of its newest kernel: Linux 6.12 where there is a choice, since
# older ones verify no signatures with the keys of the firmware.
kernel_package() {
    local meta package
    for meta in ${is_newest:-linux-image-6.12-cloud-amd64} linux-image-cloud-amd64; do
        package=$(apt-cache depends "$meta" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
        [ -z "$package" ] || break
    done
    if [ -z "$package" ]; then
        echo "make.sh: apt knows no package linux-image-cloud-amd64: run apt-get update, on Debian" >&2
        return 1
    fi
    echo "$package"
}

# Newer Debians have kernel and modules in packages of their own.
parts_of() {
    apt-cache depends "$1" | awk '$1 == "Depends:" && $2 ~ /^linux-(base|binary|modules)-[0-9]/ { print $2 }'
}

release() {
    ls "$outdir/packages/lib/modules"
}

vmlinuz() {
    local place
    for place in "boot/vmlinuz-$(release)" "lib/modules/$(release)/vmlinuz"; do
        [ ! -f "$outdir/packages/$place" ] || echo "$place"
    done
}

make_initramfs() {
    local root=$work/root busybox=$outdir/packages/bin/busybox
    mkdir -p "$root"/{bin,dev,mnt,proc,sys,modules}
    cp "$busybox" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$root/judge" "$here/judge.c"
    copy_modules "$root/modules"
    (cd "$root" && "$busybox" find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$work/initramfs"
    ln -sf "packages/$(vmlinuz)" "$outdir/vmlinuz"
    mv "$work/initramfs" "$outdir/initramfs"
}

# The modules, and `order` with their names.
copy_modules() {
    local modules name file
    modules=$outdir/packages/lib/modules/$(release)
    for name in "${NEEDED[@]}" "${HASHES[@]}" "${FILE_SYSTEMS[@]}"; do
        grep -q "/$name\.ko" "$modules/modules.builtin" && continue
        file=$(find "$modules" -name "$name.ko" -o -name "$name.ko.xz" | head -n 1)
        case $file in
        *.xz) "$busybox" xz -dc "$file" >"$1/$name.ko" ;;
        *.ko) cp "$file" "$1/$name.ko" ;;
        *)
            [[ " ${NEEDED[*]} " != *" $name "* ]] && continue
            echo "make.sh: $(release) has no module $name" >&2
            return 1
            ;;
        esac
        echo "$name" >>"$1/order"
    done
}

main
