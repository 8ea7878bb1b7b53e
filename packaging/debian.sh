#!/bin/bash
# Makes Debian packages by dpkg-deb:
#
#   verity               the command, its man pages, its completions, /usr/libexec/verity/veritysetup
#   libverity0           libverity.so.0
#   libverity-dev        verity.h, libverity.a, verity.pc, and the link by which programs are linked
#   verity-veritysetup   /usr/sbin/veritysetup is verity; cryptsetup's own is diverted, and comes back when the package goes
#
#   packaging/debian.sh [--command=FILE] [--library=DIR] DIR
#
# DIR gets the packages. Without the options everything is built first (cargo's release profile); --command is a `verity` that is built
# already, and --library the folder of libverity_c.so and libverity_c.a. The same files make the same packages, byte for byte: their
# times are SOURCE_DATE_EPOCH, or else those of the last commit. COMPRESSION is what dpkg-deb packs by: xz, or another.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
umask 022

main() {
    local command= library= out=
    read_options "$@"
    mkdir -p "$out"
    version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml")
    arch=$(dpkg --print-architecture)
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 0)}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    command_package
    library_packages
    veritysetup_package
}

read_options() {
    local argument
    for argument in "$@"; do
        case $argument in
        --command=*) command=${argument#*=} ;;
        --library=*) library=${argument#*=} ;;
        -*) usage ;;
        *) [ -z "$out" ] || usage; out=$argument ;;
        esac
    done
    [ -n "$out" ] || usage
}

usage() {
    echo "usage: packaging/debian.sh [--command=FILE] [--library=DIR] DIR" >&2
    exit 2
}

command_package() {
    local root=$work/verity
    DESTDIR=$root "$here/../cli/install.sh" --prefix=/usr ${command:+--from="$command"}
    rename_completions "$root"
    find "$root/usr/share/man" -name '*.1' -exec gzip -9n {} +
    needs=$(needed_libc "$root/usr/bin/verity")
    package verity "${needs:+Depends: $needs
}Suggests: verity-veritysetup
Section: admin
Description: build, sign, verify, read, serve and repair dm-verity images
 The command verity makes and checks hash trees, parity, signatures and
 manifests of images whose every block the Linux kernel verifies when it is
 read. As /usr/libexec/verity/veritysetup it takes the words of veritysetup."
}

# Where zsh looks in Debian; /usr/share/zsh/site-functions belongs to the administrator's own there.
rename_completions() {
    install -d "$1/usr/share/zsh/vendor-completions"
    mv "$1/usr/share/zsh/site-functions/_verity" "$1/usr/share/zsh/vendor-completions/_verity"
    rmdir "$1/usr/share/zsh/site-functions"
}

library_packages() {
    local all=$work/library shared=$work/libverity0 dev=$work/libverity-dev lib=usr/lib/$triplet
    DESTDIR=$all "$here/../capi/install.sh" --prefix=/usr "--libdir=/$lib" ${library:+--from="$library"}
    install -d "$shared/$lib" "$dev/$lib" "$shared/DEBIAN"
    mv "$all/$lib"/libverity.so.* "$shared/$lib"
    strip --strip-unneeded "$shared/$lib/libverity.so.$version"
    mv "$all/$lib"/* "$dev/$lib"
    mv "$all/usr/include" "$dev/usr"
    # The loader's list of libraries is made anew by dpkg's trigger.
    echo "activate-noawait ldconfig" >"$shared/DEBIAN/triggers"
    echo "libverity 0 libverity0" >"$shared/DEBIAN/shlibs"
    needs=$(needed_libc "$shared/$lib/libverity.so.$version")
    package libverity0 "Depends: ${needs:+$needs, }libgcc-s1
Section: libs
Multi-Arch: same
Description: dm-verity images: build, sign, verify, read and repair
 The shared library behind verity.h, for programs in C and what calls C."
    package libverity-dev "Depends: libverity0 (= $version)
Section: libdevel
Multi-Arch: same
Description: dm-verity images: header, static library and pkg-config file
 What programs are built with that use libverity."
}

veritysetup_package() {
    local root=$work/verity-veritysetup
    install -d "$root/usr/sbin" "$root/DEBIAN"
    ln -s ../libexec/verity/veritysetup "$root/usr/sbin/veritysetup"
    # cryptsetup-bin has had the file below /sbin and below /usr/sbin, which are one folder, though not for dpkg: both names are diverted,
    # and the file is moved once.
    cat >"$root/DEBIAN/preinst" <<'END'
#!/bin/sh
set -e
case $1 in
install | upgrade)
    dpkg-divert --package verity-veritysetup --add --rename --divert /sbin/veritysetup.cryptsetup /sbin/veritysetup
    dpkg-divert --package verity-veritysetup --add --no-rename --divert /usr/sbin/veritysetup.cryptsetup /usr/sbin/veritysetup
    ;;
esac
END
    cat >"$root/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
# Not at an upgrade: the next version has the same diversions.
case $1 in
remove | abort-install | disappear)
    dpkg-divert --package verity-veritysetup --remove --no-rename --divert /usr/sbin/veritysetup.cryptsetup /usr/sbin/veritysetup
    dpkg-divert --package verity-veritysetup --remove --rename --divert /sbin/veritysetup.cryptsetup /sbin/veritysetup
    ;;
esac
END
    chmod 755 "$root/DEBIAN/preinst" "$root/DEBIAN/postrm"
    architecture=all package verity-veritysetup "Depends: verity (>= $version)
Section: admin
Description: verity under the name veritysetup
 Puts verity in the place of cryptsetup's veritysetup, which is kept as
 /usr/sbin/veritysetup.cryptsetup and comes back when this package goes."
}

# The oldest glibc whose symbols a program asks for; nothing for a static one.
needed_libc() {
    local newest
    newest=$(objdump -T "$1" 2>/dev/null | sed -n 's/.*(\?GLIBC_\([0-9.]*\))\?.*/\1/p' | sort -V | tail -1)
    [ -z "$newest" ] || echo "libc6 (>= $newest)"
}

# package NAME FIELDS: packs the tree of that name, with licences and the notices of what is linked in.
package() {
    local name=$1 root=$work/$1 docs=$work/$1/usr/share/doc/$1 is=${architecture:-$arch}
    install -d "$docs" "$root/DEBIAN"
    copyright >"$docs/copyright"
    chmod 644 "$docs/copyright"
    cat >"$root/DEBIAN/control" <<END
Package: $name
Version: $version
Architecture: $is
Maintainer: ${DEBFULLNAME:-the authors of verity} <${DEBEMAIL:-verity@localhost}>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Priority: optional
$2
END
    (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$root" "$out/${name}_${version}_$is.deb" >&2
}

copyright() {
    echo "verity is licensed under either of Apache-2.0 and MIT, at your option."
    echo
    cat "$here/../LICENSE-MIT"
    echo
    echo "The text of Apache-2.0 is in /usr/share/common-licenses/Apache-2.0. What follows is of the libraries that are linked in."
    echo
    cat "$here/../THIRD-PARTY.txt"
}

main "$@"
