# The long runs; for test.sh, which sources it.
#
# All of them take the better part of a day on two processors, most of it fuzzing, the tests with many cases and Miri.
# So each has a name, and `./test.sh --full NAME...` does some of them. A run of the command while something fails
# takes 20 to 60 ms, so 10,000 take about five minutes. Hostile inputs, all of them under every line, take a quarter
# of an hour or so: a line alone some 20 ms, and the dearest, a repair of a tree that a server made up, some 20,000
# requests in 5 to 10 s. So none of them may take 20 s.
#
# Nobody waits for them before a change is merged. Each leaves its line in docs/FULL-RUN.md, whatever came of it, and
# the lines of those that did not run stay as they were. VERITY_FULL_PERCENT=1 tries them with a hundredth of all
# counts and seconds: those lines go to target/full/trial/record.md.

readonly PERCENT=${VERITY_FULL_PERCENT:-100}
FULL=target/full
[ "$PERCENT" -ge 100 ] || FULL=target/full/trial
readonly FULL
# What a run ends with that lacks something here.
readonly SKIPPED=77

# Each is a function `full_NAME` below, here in the order of the record.
readonly LONG_RUNS=(tests seeds updates unchecked faults hostile kill boots newest compat calls kernels interface packages static arm
    fuzz planted asan races miri)

# What is random, with more of it.
full_tests() {
    VERITY_REPLAY_ALL=1 VERITY_DIFFERENTIAL_CASES=$(share 10000) PROPTEST_CASES=$(share 5000) cargo_test
}

# The tests whose cases come from VERITY_TEST_SEED and from no count.
full_seeds() {
    local number status=0
    for ((number = 0; number < $(share 10); number++)); do
        unseeded --test suite -- adversarial:: read:: repair:: || status=$?
        unseeded --test suite kernel:: || status=$?
        VERITY_PERSONALITY_SEED=$RANDOM cargo_test --test suite personality:: || status=$?
    done
    return "$status"
}

# 10,000 random edits of an image, each installed and held against a slow twin; a hundred cut off at every call.
full_updates() {
    VERITY_DIFFERENTIAL_CASES=$(share 10000) cargo_test --test suite update::
}

# unseeded [OPTION...]
unseeded() (
    unset VERITY_TEST_SEED
    cargo_test "$@"
)

# The library without overflow checks, as others build it. Named among tests, examples would be tests themselves.
full_unchecked() {
    local library=(--locked -p dm-verity --features mmap,http --target-dir target/unchecked)
    export CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false CARGO_PROFILE_TEST_OVERFLOW_CHECKS=false
    cargo build "${library[@]}" --examples || return
    cargo test "${library[@]}" --lib --test suite --test trees
}

# Whatever goes wrong with storage, systems and servers, in the library and under the command.
full_faults() {
    local status=0
    export VERITY_FAULT_RUNS=$(share 10000)
    cargo_test --test suite fault_runs:: || status=$?
    cargo_test --test hostile faults_ || status=$?
    return "$status"
}

# Hostile inputs under every command, each within its limit. A trial is as busy as any other machine.
full_hostile() {
    VERITY_HANG_SECONDS=$((PERCENT < 100 ? 60 : 20)) cargo_test --test hostile r07_
}

# A device is opened, killed at every call of the system.
full_kill() {
    VERITY_KILL_STEP=$((PERCENT < 100 ? 37 : 1)) cargo_test --test suite live::an_open
}

# An installation that is cut again and again, and goes on, in a machine that boots what it has.
full_boots() {
    VERITY_BOOT_CUTS=$(share 20) cargo_test --test suite boot_chain::
}

# Live devices, tables and signatures on the newest kernel that Debian has.
full_newest() {
    local status=0
    testdata/kernel/make.sh --newest target/newest-kernel || return
    export VERITY_KERNEL=$PWD/target/newest-kernel
    cargo_test --test suite live:: || status=$?
    cargo_test --test suite kernel:: || status=$?
    cargo_test --test guest || status=$?
    return "$status"
}

# cryptsetup's own suite, of the releases whose copies VERITY_COMPAT_SUITES names; side by side, as each is a machine
# of one processor for half an hour or more.
full_compat() {
    local suite status=0 running=()
    [ -n "${VERITY_COMPAT_SUITES:-}" ] || lacks "no copy in VERITY_COMPAT_SUITES" || return
    for suite in $VERITY_COMPAT_SUITES; do
        VERITY_COMPAT_SUITE=$suite cargo_test --test suite -- compat:: --nocapture &
        running+=($!)
    done
    for suite in "${running[@]}"; do wait "$suite" || status=$?; done
    return "$status"
}

# A call planted in a kernel, which must be found.
full_calls() { testdata/calls/test.sh --planted; }

# Kernels broken one by one, which tests must see.
full_kernels() { fuzz/planted-kernels.sh $((PERCENT / 100)); }

# What the libraries show to others; minutes to build, by a toolchain of its own.
full_interface() { .ci/public-api; }

# Crates, each from its package alone; Debian's, in a root of their own.
full_packages() {
    local status=0
    .ci/packages --build || status=$?
    packaging/test.sh || status=$?
    return "$status"
}

# Static binaries, the one for ARM emulated; the compiler and the emulator for it are in no list of test.sh.
full_static() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static >/dev/null || return
    fi
    packaging/test.sh --static
}

full_arm() { PROPTEST_CASES=$(share 1000) testdata/arm/test.sh; }

full_fuzz() {
    command -v c++ >/dev/null || lacks "no C++ compiler" || return
    fuzz/run.sh all "$(share 300)"
}

# Planted bugs that fuzzing must find. Too little time finds nothing: a trial only asks whether they can be planted.
full_planted() {
    command -v c++ >/dev/null || lacks "no C++ compiler" || return
    fuzz/planted-bugs.sh $((PERCENT / 100 * 60))
}

# Hashing and parity under AddressSanitizer.
full_asan() {
    has_nightly || return
    fuzz/kernels.sh
}

# What threads share, under ThreadSanitizer.
full_races() {
    has_nightly || return
    fuzz/threads.sh
}

full_miri() {
    has_nightly || return
    fuzz/miri.sh
}

has_nightly() {
    cargo +nightly --version >/dev/null 2>&1 || lacks "no nightly toolchain"
}

# lacks WHAT: ends a run that cannot be done here.
lacks() {
    echo "skipped: $1"
    return "$SKIPPED"
}

# This part of a count; at least one.
share() {
    local count=$(($1 * PERCENT / 100))
    echo $((count > 0 ? count : 1))
}

# full_run [NAME...]: these, or all.
full_run() {
    local name status=0
    local wanted=("$@")
    [ $# -gt 0 ] || wanted=("${LONG_RUNS[@]}")
    for name in "${wanted[@]}"; do
        [[ " ${LONG_RUNS[*]} " == *" $name "* ]] || { echo "test.sh: long runs are ${LONG_RUNS[*]}" >&2; return 2; }
    done
    mkdir -p "$FULL"
    prepared || return
    for name in "${wanted[@]}"; do
        long_run "$name" || status=$?
    done
    echo "test.sh: the record is $(record)" >&2
    return "$status"
}

# long_run NAME: runs it, and writes down how that went. Where one fails the others follow.
long_run() {
    local name=$1 start=$SECONDS log=$FULL/$1.log status=0
    echo "== $name" >&2
    ("full_$name") 2>&1 | tee "$log" || status=$?
    row "$name" "$(outcome "$log" "$status")" "$((SECONDS - start))"
    [ "$status" -ne "$SKIPPED" ] || status=0
    return "$status"
}

# outcome LOG STATUS: what a log says in the end: of tests, of fuzzing, of anything else.
outcome() {
    local failed=
    [ "$2" -eq 0 ] || [ "$2" -eq "$SKIPPED" ] || failed="failed: "
    if grep -q '^test result: ' "$1"; then
        echo "$failed$(counted "$1")"
    elif grep -q '^stat::number_of_executed_units' "$1"; then
        awk -v failed="$failed" '/^stat::number_of_executed_units/ { inputs += $2 } END { print failed inputs " inputs" }' "$1"
    else
        echo "$failed$(tail -1 "$1")"
    fi
}

# row NAME OUTCOME SECONDS: a line of the record.
row() {
    printf '| `%s` | %s | %d:%02d | %s | %s | %s |\n' "$1" "${2//|/ }" $(($3 / 60)) $(($3 % 60)) \
        "$(date -u +%F)" "$(git rev-parse --short=10 HEAD)$(git diff --quiet HEAD -- ':!docs/FULL-RUN.md' || echo " and changes")" "$(machine)" >"$FULL/$1.row"
    rewritten >"$FULL/record.new"
    mv "$FULL/record.new" "$(record)"
}

record() {
    [ "$PERCENT" -ge 100 ] && echo docs/FULL-RUN.md || echo "$FULL/record.md"
}

# The record with the new rows, and as many of the old ones as have no new one.
rewritten() {
    local name
    cat <<'END'
# The long runs

Each line is the last run of one of them by `./test.sh --full`, whatever came of it; `testdata/long-runs.sh` says what it does.

| run | outcome | min:s | date | commit | machine |
|---|---|---|---|---|---|
END
    for name in "${LONG_RUNS[@]}"; do
        if [ -f "$FULL/$name.row" ]; then
            cat "$FULL/$name.row"
        elif [ -f "$(record)" ]; then
            grep "^| \`$name\`" "$(record)" || true
        fi
    done
}

machine() {
    local words
    words=$(awk -F '\t*: ' '/^$/ { exit } /^(model name|cpu family|model)\t/ { print $1, $2 }' /proc/cpuinfo)
    echo "$(uname -m), ${words//$'\n'/, }, $(nproc) processors, Linux $(uname -r | cut -d- -f1), $(rustc --version | cut -d' ' -f1,2)"
}
