#!/bin/bash
# Runs every test of the workspace.
#
#   ./test.sh [--differential N]      N: random cases of each comparison with veritysetup
#   ./test.sh --full                  what is random for hours, and fuzzing (testdata/long-runs.sh)
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
# What is run, a function.
RUNS=every_test

main() {
    read_options "$@"
    mkdir -p target
    rm -f target/judge.txt
    prepare
    local status=0
    "$RUNS" || status=$?
    exit "$status"
}

# Brings what results are compared with, or says what is missing.
prepare() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        install_packages
        # A package may have pushed out one that was there, of another release (qemu): once more.
        [ -z "$(missing_packages)" ] || install_packages
    fi
    if [ -n "$(missing_packages)" ]; then
        echo "test.sh: missing Debian packages:" $(missing_packages) >&2
    elif [ "$(id -u)" -eq 0 ]; then
        testdata/images/make.sh target/images
        if [ "$(uname -m)" = x86_64 ]; then
            testdata/kernel/make.sh target/kernel
            testdata/guest/udev.sh target/udev
            testdata/dissect/make.sh target/dissect
        fi
        testdata/veritysetup/make.sh target/veritysetup
        export VERITY_REQUIRE_ORACLES=1
    else
        # Loop devices, other users and, on some machines, the images take root.
        testdata/images/make.sh target/images || echo "test.sh: no root filesystem images" >&2
        testdata/kernel/make.sh target/kernel || echo "test.sh: no kernel that judges images" >&2
        testdata/veritysetup/make.sh target/veritysetup || echo "test.sh: no newer veritysetup" >&2
        testdata/dissect/make.sh target/dissect || echo "test.sh: no systemd-dissect for the virtual machine" >&2
        testdata/guest/udev.sh target/udev || echo "test.sh: no udev for the machine of live devices" >&2
    fi
}

every_test() {
    local status=0
    cargo_test | tee target/test.log || status=$?
    testdata/calls/test.sh || status=$?
    packaging/test.sh --built || status=$?
    testdata/arm/test.sh | tee -a target/test.log || status=$?
    judged
    echo
    counted target/test.log
    return "$status"
}

cargo_test() {
    # What ignores a signal since it was started (nohup) would go on to ignore it in what is tested.
    env --default-signal \
        cargo test --locked --workspace --features verity/mmap,verity/http --no-fail-fast
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
            RUNS=full_run
            shift
            ;;
        *) usage ;;
        esac
    done
}

usage() {
    echo "usage: ./test.sh [--differential N | --full]" >&2
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
