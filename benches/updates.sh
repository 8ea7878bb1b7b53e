#!/bin/bash
# Two releases of a real root filesystem, as four kinds of image: what an update from one to the other moves, and how
# long it takes, with `verity install` and with the tools of others. Prints the table of docs/UPDATES.md.
#
#   benches/updates.sh [DIR]        DIR is target/updates unless given; what is made there is made once
#
# The releases are Debian's: one as it came out, one with all updates since, so they differ as two months of an operating
# system do, and by other files on another day. Takes root, mmdebstrap, nginx, curl, python3, erofs-utils, e2fsprogs, squashfs-tools
# and, where they are installed, casync and bita (`cargo install bita`). Nothing is sent beyond the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

readonly PACKAGES=base-files,bash,coreutils,e2fsprogs,libssl3,linux-image-cloud-amd64,openssl,python3,systemd,udev,util-linux
readonly KINDS=(erofs erofs-lz4 ext4 squashfs)
readonly DIR=$(realpath -m "${1:-target/updates}") VERITY=$PWD/target/release/verity
readonly KEY=$PWD/testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048
export SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000 LC_ALL=C

main() {
    [ "$(uname -m)" = x86_64 ] && [ "$(id -u)" -eq 0 ] || { echo "updates.sh: takes root, on x86-64" >&2; exit 1; }
    cargo build --quiet --release --locked -p dm-verity-cli
    mkdir -p "$DIR/web"
    trees
    local kind
    for kind in "${KINDS[@]}"; do
        images "$kind"
    done
    serve
    trap 'kill "$server"' EXIT
    echo "| image | MiB | blocks that only the new one has, MiB | with | fetched, MiB | requests | s |"
    echo "|---|---|---|---|---|---|---|"
    for kind in "${KINDS[@]}"; do
        compared "$kind"
    done
}

# The two trees, with the versions of their packages.
trees() {
    local sources release
    [ ! -f "$DIR/new.tar" ] || return 0
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mapfile -t sources < <(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(SOURCESENTRY)' 'Created-By: Packages' |
        awk -v release="$release" '$1 == "Debian" && index($2, release) == 1 { print $2, $3 }' | sed 's/:[0-9]*$//' | sort -u)
    tree old "$release" $(printf '%s\n' "${sources[@]}" | awk -v release="$release" '$1 == release { print $2 }')
    tree new "$release" $(printf '%s\n' "${sources[@]}" | awk '{ print $2 }')
}

# tree NAME RELEASE SOURCE...
tree() {
    local name=$1 release=$2
    shift 2
    mmdebstrap --quiet --mode=root --variant=extract --include="$PACKAGES" "$release" "$DIR/new-$name.tar" "$@"
    mkdir "$DIR/$name"
    tar -x -f "$DIR/new-$name.tar" -C "$DIR/$name" --exclude='./dev/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/*'
    mv "$DIR/new-$name.tar" "$DIR/$name.tar"
}

# images KIND: both, each with a salt of its own, and what others fetch.
images() {
    local release base
    for release in old new; do
        base=$DIR/web/$1-$release
        [ ! -f "$base.manifest.json" ] || continue
        "make_${1%-*}" "$DIR/$release" "$base.raw" "$1" >/dev/null 2>&1
        "$VERITY" build "$base.raw" --key "$KEY.key.pem" --certificate "$KEY.cert.pem" --seed "$1-$release" -q
    done
    if command -v casync >/dev/null && [ ! -f "$DIR/web/$1.caibx" ]; then
        casync make --store="$DIR/web/$1.castr" "$DIR/web/$1.caibx" "$DIR/web/$1-new.raw" >/dev/null
    fi
    if command -v bita >/dev/null && [ ! -f "$DIR/web/$1.cba" ]; then
        bita compress --input "$DIR/web/$1-new.raw" "$DIR/web/$1.cba" >/dev/null 2>&1
    fi
}

make_erofs() {
    local options=(-T "$SOURCE_DATE_EPOCH" -U 6e1f4b52-32b1-4a6b-9b7d-4d1f1e0c5a77 --all-root)
    [ "$3" = erofs ] || options+=(-zlz4)
    mkfs.erofs "${options[@]}" "$2" "$1"
}

make_squashfs() {
    mksquashfs "$1" "$2" -noappend -all-root -comp zstd -no-progress
    truncate -s %4096 "$2"
}

# Of one size, as a partition has it.
make_ext4() {
    local uuid=6e1f4b52-32b1-4a6b-9b7d-4d1f1e0c5a77
    mkfs.ext4 -q -d "$1" -U "$uuid" -E "hash_seed=$uuid,lazy_itable_init=0" -O ^has_journal -m 0 -b 4096 "$2" 900M
}

serve() {
    cat >"$DIR/nginx.conf" <<END
daemon off; master_process off; pid $DIR/nginx.pid; error_log $DIR/error.log;
events { worker_connections 256; }
http {
    log_format sent '\$body_bytes_sent';
    access_log $DIR/access.log sent;
    client_body_temp_path $DIR/temp; proxy_temp_path $DIR/temp; fastcgi_temp_path $DIR/temp; uwsgi_temp_path $DIR/temp;
    scgi_temp_path $DIR/temp; keepalive_requests 1000000;
    server { listen 127.0.0.1:8099; root $DIR/web; }
}
END
    : >"$DIR/access.log"
    nginx -p "$DIR" -c "$DIR/nginx.conf" -e "$DIR/error.log" &
    server=$!
    sleep 1
}

# compared KIND: the lines of the table for it.
compared() {
    local base=$DIR/web/$1 url=http://127.0.0.1:8099/$1 size unique facts
    size=$(mib "$(stat -c %s "$base-new.raw")")
    unique=$(mib "$(unique_bytes "$base-old.raw" "$base-new.raw")")
    facts="$1 | $size | $unique"
    row "$facts" "verity install, bridge 0" into_slot "$url-new" "$base-old.raw" --bridge 0
    row "$facts" "verity install" into_slot "$url-new" "$base-old.raw"
    ! command -v bita >/dev/null || row "$facts" "bita" bita clone --seed "$base-old.raw" "$url.cba" "$DIR/slot"
    ! command -v casync >/dev/null ||
        row "$facts" "casync" casync extract --store="$url.castr" --seed="$base-old.raw" "$url.caibx" "$DIR/slot"
    row "$facts" "the whole image, curl" curl -s -o "$DIR/slot" "$url-new.raw"
}

# As an updater does it: into files as large as its slot, which is read back.
into_slot() {
    local source=$1 old=$2
    shift 2
    truncate -s 1200M "$DIR/slot"
    truncate -s 16M "$DIR/slot.hash"
    "$VERITY" install "$source" --certificate "$KEY.cert.pem" --data-device "$DIR/slot" --hash-device "$DIR/slot.hash" \
        --reuse "$old" "$@" -q
}

# row FACTS WITH COMMAND...: the median time of three runs, and what one of them fetched.
row() {
    local facts=$1 name=$2 image=$DIR/web/${1%% *}-new.raw start times=() bytes requests run
    shift 2
    for run in 1 2 3; do
        rm -f "$DIR"/slot*
        sleep 0.2
        : >"$DIR/access.log"
        start=$(date +%s%N)
        "$@" >/dev/null 2>"$DIR/said" || { cat "$DIR/said" >&2; return 1; }
        sync "$DIR/slot"
        times+=($((($(date +%s%N) - start) / 10000000)))
        cmp -n "$(stat -c %s "$image")" "$DIR/slot" "$image"
    done
    sleep 0.2
    bytes=$(awk '{ bytes += $1 } END { print bytes + 0 }' "$DIR/access.log")
    requests=$(wc -l <"$DIR/access.log")
    run=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 2p)
    echo "| $facts | $name | $(mib "$bytes") | $requests | $((run / 100)).$(printf %02d $((run % 100))) |"
}

mib() {
    awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1048576 }'
}

# unique_bytes OLD NEW: of blocks of 4096 bytes whose content only NEW has, each counted once; by a second way.
unique_bytes() {
    python3 - "$1" "$2" <<'END'
import sys
def blocks(path):
    with open(path, "rb") as file:
        return {block for block in iter(lambda: file.read(4096), b"")}
old, new = map(blocks, sys.argv[1:])
new.discard(bytes(4096))
print(4096 * len(new - old))
END
}

main
