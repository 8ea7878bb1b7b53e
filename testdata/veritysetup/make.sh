#!/bin/bash
# Brings the veritysetup of a newer Debian, with its own libraries: the other judge of the front `veritysetup`.
#
#   testdata/veritysetup/make.sh [OUTDIR]        OUTDIR is target/veritysetup unless given
#
# The packages come from the Debian mirror that apt is configured with, by an apt state of its own, and are
# unpacked in OUTDIR/root; nothing is installed. They are fetched once. `OUTDIR/run ARGS` runs the program by the
# dynamic loader of that root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../newer-debian.sh"
outdir=${1:-$here/../../target/veritysetup}

main() {
    mkdir -p "$outdir"
    outdir=$(cd "$outdir" && pwd)
    exec 9>"$outdir/.lock"
    flock 9
    rm -rf "$outdir"/.make.* # of a run that was killed: the lock shows that none is alive
    if [ ! -x "$outdir/run" ]; then
        work=$(mktemp -d "$outdir/.make.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        newer_debian "$work/apt"
        fetch
        unpack
    fi
    echo "$outdir: $("$outdir/run" --version)"
}

fetch() {
    apt-get -qq -y --no-install-recommends --download-only install cryptsetup-bin >/dev/null
}

unpack() {
    local package loader
    mkdir "$work/root"
    for package in "$work"/apt/cache/archives/*.deb; do
        case $package in
        */systemd_* | */dmsetup_*) ;; # nothing of them is loaded
        *) dpkg -x "$package" "$work/root" ;;
        esac
    done
    rm -rf "$outdir/root"
    mv "$work/root" "$outdir/root"
    loader=$(cd "$outdir/root" && find . -name 'ld-linux*.so.*' | head -n 1)
    cat >"$work/run" <<END
#!/bin/sh
root=\${0%/*}/root
libraries=\$root/$(dirname "$loader")
exec "\$root/$loader" --library-path "\$libraries" --argv0 veritysetup "\$root/usr/sbin/veritysetup" "\$@"
END
    chmod 755 "$work/run"
    mv "$work/run" "$outdir/run"
}

main
