#!/bin/bash
# Fetches and unpacks udev for the tests in the virtual machine; nothing is installed.
#
#   testdata/guest/udev.sh [OUTDIR]        OUTDIR is target/udev unless given
#
# The packages come from the sources that apt is configured with, once.
set -euo pipefail

outdir=${1:-$(dirname "$0")/../../target/udev}
mkdir -p "$outdir"
outdir=$(cd "$outdir" && pwd)
exec 9>"$outdir/.lock"
flock 9
[ ! -d "$outdir/packages" ] || exit 0
work=$(mktemp -d "$outdir/.make.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/packages"
(cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download udev libkmod2 libcap2)
for package in "$work"/debs/*.deb; do
    dpkg -x "$package" "$work/packages"
done
mv "$work/packages" "$outdir/packages"
