#!/bin/bash
# Runs every test of the workspace.
#
#   ./test.sh [--differential N]      N: random cases of each comparison with veritysetup
#   ./test.sh --full [NAME...]        what takes hours: all of it, or these runs of testdata/long-runs.sh
#
# As root on Debian it first installs the tools that results are compared with
# (testdata/debian-packages.txt) and makes the root filesystem images (testdata/images/make.sh), the
# virtual machine in which a Linux kernel judges images (testdata/kernel/make.sh), and brings veritysetup and
# systemd-dissect of newer Debians (testdata/veritysetup/make.sh, testdata/dissect/make.sh). Otherwise it names what
# is missing, and the tests that need it say that they were skipped. On x86-64 the ARM kernels run too,
# emulated (testdata/arm/test.sh).
set -euo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin
# Modes of new files are compared.
umask 022

readonly LIST=testdata/debian-packages.txt
# What is run: a function and its arguments.
RUNS=(every_test)

main() {
    read_options "$@"
    mkdir -p target
    rm -f target/judge.txt
    install
    # Meanwhile the tests are built. Here a step of it that fails ends it: not where a status is asked for.
    prepare >target/prepare.log 2>&1 &
    PREPARING=$!
    local status=0
    "${RUNS[@]}" || status=$?
    exit "$status"
}

# Brings the tools that results are compared with, or says what is missing.
install() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        install_packages
        # A package may have pushed out one that was there, of another release (qemu): once more.
        [ -z "$(missing_packages)" ] || install_packages
    fi
    if [ -n "$(missing_packages)" ]; then
        echo "test.sh: missing Debian packages:" $(missing_packages) >&2
    elif [ "$(id -u)" -eq 0 ]; then
        export VERITY_REQUIRE_ORACLES=1
    fi
}

# Makes the images and machines that the tests take.
prepare() {
    [ -z "$(missing_packages)" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        testdata/images/make.sh target/images
        if [ "$(uname -m)" = x86_64 ]; then
            testdata/kernel/make.sh target/kernel
            testdata/guest/udev.sh target/udev
            testdata/dissect/make.sh target/dissect
        fi
        testdata/veritysetup/make.sh target/veritysetup
    else
        # Loop devices, other users and, on some machines, the images take root.
        testdata/images/make.sh target/images || echo "test.sh: no root filesystem images" >&2
        testdata/kernel/make.sh target/kernel || echo "test.sh: no kernel that judges images" >&2
        testdata/veritysetup/make.sh target/veritysetup || echo "test.sh: no newer veritysetup" >&2
        testdata/dissect/make.sh target/dissect || echo "test.sh: no systemd-dissect for the virtual machine" >&2
        testdata/guest/udev.sh target/udev || echo "test.sh: no udev for the machine of live devices" >&2
    fi
}

# Two things at a time: what waits for a virtual machine or a compiler leaves processors free.
every_test() {
    local beside
    : >target/failed
    part cargo_test --no-run 2>&1 | tee target/test.log
    part prepared
    if [ ! -s target/failed ]; then
        beside_the_tests >target/beside.log 2>&1 &
        beside=$!
        part all_tests_but_guests 2>&1 | tee -a target/test.log
        wait "$beside"
        tee -a target/test.log <target/beside.log
    fi
    judged
    echo
    sed 's/^/test.sh: failed: /' target/failed >&2
    counted target/test.log
    [ ! -s target/failed ]
}

# Waits for what the tests take.
prepared() {
    local status=0
    wait "$PREPARING" || status=$?
    cat target/prepare.log >&2
    return "$status"
}

beside_the_tests() {
    part cargo_test --test guest
    part packaging/test.sh --built
    part testdata/calls/test.sh
    part testdata/arm/test.sh
}

# Doctests are a run of their own where others are named.
all_tests_but_guests() {
    local targets status=0
    mapfile -t targets < <(cargo metadata --no-deps --locked --format-version 1 | python3 -c '
import json, sys
packages = json.load(sys.stdin)["packages"]
tested = [target for package in packages for target in package["targets"] if target["test"]]
for kind in "bin", "test":
    for name in sorted({target["name"] for target in tested if target["kind"] == [kind]} - {"guest"}):
        print(f"--{kind}={name}")')
    # Without Python they are not told apart.
    [ ${#targets[@]} -gt 0 ] || { cargo_test; return; }
    cargo_test --lib "${targets[@]}" || status=$?
    cargo_test --doc || status=$?
    return "$status"
}

# part COMMAND...: says how long it took; a failure is written down, and the other parts follow.
part() {
    local start=$SECONDS
    "$@" || echo "$*, with status $?" >>target/failed
    echo "test.sh: $* took $((SECONDS - start)) s" >&2
}

# cargo_test [OPTION...]
cargo_test() {
    # What ignores a signal since it was started (nohup) would go on to ignore it in what is tested.
    env --default-signal \
        cargo test --locked --workspace --features dm-verity/mmap,dm-verity/https --no-fail-fast "$@"
}

# What the kernel was asked: a test that passes prints nothing. The report's lines for each case stay in the file.
judged() {
    [ ! -f target/judge.txt ] || { echo; sed '/^$/,$d' target/judge.txt; }
}

# The results of all test programs in one line; the last program alone may have had nothing to do.
counted() {
    awk '/^test result: / { passed += $4; failed += $6; ignored += $8 }
         END { printf "%d passed, %d failed, %d skipped\n", passed, failed, ignored }' "$1"
}

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --differential)
            [[ ${2:-} =~ ^[0-9]+$ ]] || usage
            export VERITY_DIFFERENTIAL_CASES=$2
            shift 2
            ;;
        --full)
            . testdata/long-runs.sh
            RUNS=(full_run "${@:2}")
            shift $#
            ;;
        *) usage ;;
        esac
    done
}

usage() {
    echo "usage: ./test.sh [--differential N | --full [NAME...]]" >&2
    exit 2
}

missing_packages() {
    local tool package machine
    while read -r tool package machine; do
        case $tool in '' | '#'*) continue ;; esac
        case $machine in '' | "$(uname -m)") ;; *) continue ;; esac
        command -v "$tool" >/dev/null || [ -f "$tool" ] || echo "$package"
    done <"$LIST" | sort -u
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    # The images and the kernel need apt's package lists too, and a fresh machine has none.
    if [ ${#missing[@]} -gt 0 ] || [ ! -f target/images/rootfs.ext4 ] || [ ! -d target/kernel/packages ]; then
        apt-get -qq update
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        mapfile -t missing < <(printf '%s\n' "${missing[@]}" | known_packages | sort -u)
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            "${missing[@]}" >/dev/null
    fi
}

# Of packages given as NEWER|OLDER, the first one that this release has.
known_packages() {
    local names name
    while IFS='|' read -r -a names; do
        for name in "${names[@]}"; do
            if apt-cache show "$name" >/dev/null 2>&1; then break; fi
        done
        echo "$name"
    done
}

main "$@"
