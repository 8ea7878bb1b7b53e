#!/bin/bash
# Installs the command with its man pages and completions for bash, zsh and fish.
#
#   cli/install.sh [--prefix=/usr/local] [--bindir=PREFIX/bin] [--datadir=PREFIX/share] [--libexecdir=PREFIX/libexec]
#                  [--from=FILE] [--pages=DIR]
#
# DESTDIR in the environment goes before all of them. Builds first (cargo's release profile), unless --from says where the command
# lies. Pages and completions are made by the command itself, unless --pages has what `verity --write-pages DIR` has made: that is
# for a command that cannot run here. LIBEXECDIR/verity/veritysetup is the command under the name by which it is veritysetup.
# What was there before is replaced whole, never written into.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

prefix=/usr/local
bindir= datadir= libexecdir= from= pages=
for argument in "$@"; do
    case $argument in
    --prefix=*) prefix=${argument#*=} ;;
    --bindir=*) bindir=${argument#*=} ;;
    --datadir=*) datadir=${argument#*=} ;;
    --libexecdir=*) libexecdir=${argument#*=} ;;
    --from=*) from=${argument#*=} ;;
    --pages=*) pages=${argument#*=} ;;
    *)
        echo "install.sh: $argument is not known; see its first lines" >&2
        exit 2
        ;;
    esac
done
bindir=${bindir:-$prefix/bin}
datadir=${datadir:-$prefix/share}
libexecdir=${libexecdir:-$prefix/libexec}

if [ -z "$from" ]; then
    (cd "$here" && cargo build --locked --release)
    from=$(cd "$here" && cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/verity
fi
if [ -z "$pages" ]; then
    pages=$(mktemp -d)
    trap 'rm -rf "$pages"' EXIT
    "$from" --write-pages "$pages"
fi

put() {
    local target=${DESTDIR:-}$3
    install -d "$(dirname "$target")"
    install -m "$1" "$2" "$target.new"
    mv -f "$target.new" "$target"
}

put 755 "$from" "$bindir/verity"
install -d "${DESTDIR:-}$libexecdir/verity"
ln -sfn "$bindir/verity" "${DESTDIR:-}$libexecdir/verity/veritysetup"
for page in "$pages"/man1/*.1; do
    put 644 "$page" "$datadir/man/man1/$(basename "$page")"
done
put 644 "$pages/bash/verity" "$datadir/bash-completion/completions/verity"
put 644 "$pages/zsh/_verity" "$datadir/zsh/site-functions/_verity"
put 644 "$pages/fish/verity.fish" "$datadir/fish/vendor_completions.d/verity.fish"
