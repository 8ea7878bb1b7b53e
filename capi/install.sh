#!/bin/bash
# Installs the C library: verity.h, libverity.so with its links, libverity.a, verity.pc, and on demand verity.py.
#
#   capi/install.sh [--prefix=/usr/local] [--libdir=PREFIX/lib] [--includedir=PREFIX/include]
#                   [--pythondir=DIR] [--from=DIR]
#
# DESTDIR in the environment goes before all of them, as packagers expect it. What is installed is built first
# (cargo's release profile), unless --from says where libverity_c.so and libverity_c.a lie. What was there before
# is replaced whole, never written into: running programs keep the library that they have loaded.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

prefix=/usr/local
libdir= includedir= pythondir= from=
for argument in "$@"; do
    case $argument in
    --prefix=*) prefix=${argument#*=} ;;
    --libdir=*) libdir=${argument#*=} ;;
    --includedir=*) includedir=${argument#*=} ;;
    --pythondir=*) pythondir=${argument#*=} ;;
    --from=*) from=${argument#*=} ;;
    *)
        echo "install.sh: $argument is not known; see its first lines" >&2
        exit 2
        ;;
    esac
done
libdir=${libdir:-$prefix/lib}
includedir=${includedir:-$prefix/include}
# In a package, or else for the whole workspace.
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$here/Cargo.toml")
[ -n "$version" ] || version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml")
major=${version%%.*}

if [ -z "$from" ]; then
    # Without the crate for Rust, so that the optimizer sees the library as a whole.
    (cd "$here" && cargo rustc --locked --release --lib --crate-type cdylib,staticlib)
    from=$(cd "$here" && cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
fi

# Puts a file in its place at once.
put() {
    local mode=$1 source=$2 target=${DESTDIR:-}$3
    install -d "$(dirname "$target")"
    install -m "$mode" "$source" "$target.new"
    mv -f "$target.new" "$target"
}

put 755 "$from/libverity_c.so" "$libdir/libverity.so.$version"
ln -sfn "libverity.so.$version" "${DESTDIR:-}$libdir/libverity.so.$major"
ln -sfn "libverity.so.$major" "${DESTDIR:-}$libdir/libverity.so"
put 644 "$from/libverity_c.a" "$libdir/libverity.a"
put 644 "$here/include/verity.h" "$includedir/verity.h"
pc=$(mktemp)
trap 'rm -f "$pc"' EXIT
cat >"$pc" <<EOF
prefix=$prefix
libdir=$libdir
includedir=$includedir

Name: verity
Description: Build, sign, verify, read and repair dm-verity images
Version: $version
Libs: -L\${libdir} -lverity
Libs.private: -lgcc_s -lpthread -lm -ldl -lc
Cflags: -I\${includedir}
EOF
put 644 "$pc" "$libdir/pkgconfig/verity.pc"
if [ -n "$pythondir" ]; then
    put 644 "$here/python/verity.py" "$pythondir/verity.py"
fi
