# The long runs; for test.sh, which sources it.
#
# They take hours on two processors that do nothing else, most of them the tests and the fuzzing. A run of the
# command while something fails takes 20 to 60 ms, so 10,000 take about five minutes. Hostile inputs, all
# of them under every line, take a quarter of an hour or so: a line alone some 20 ms, and the dearest, a
# repair of a tree that a server made up, some 20,000 requests in 5 to 10 s. So none of them may take 20 s.
#
# Nobody waits for them before a change is merged. If all of them pass, they end with a
# record in docs/FULL-RUN.md. VERITY_FULL_PERCENT=1 tries them with a hundredth of all counts and seconds:
# that record stays in target/full.

readonly PERCENT=${VERITY_FULL_PERCENT:-100} FULL=target/full

# All of them, each with its name. New ones belong here.
long_runs() {
    local cases properties arm seeds seconds
    cases=$(share 10000) properties=$(share 5000) arm=$(share 1000) seeds=$(share 10) seconds=$(share 300)
    VERITY_DIFFERENTIAL_CASES=$cases PROPTEST_CASES=$properties \
        long_run "every test; $cases cases of each comparison, $properties of each property" cargo_test
    long_run "library and kernel by other seeds; $seeds of them" other_seeds "$seeds"
    CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false \
        long_run "the library without overflow checks, as others build it" \
        cargo test --locked -p verity --lib --test suite --examples --features mmap,http --target-dir target/unchecked
    VERITY_FAULT_RUNS=$(share 10000) \
        long_run "runs on failing storage, systems and servers; $(share 10000) of them" fault_runs
    VERITY_KILL_STEP=$((PERCENT < 100 ? 37 : 1)) \
        long_run "open of a device, killed at every call of the system" \
        cargo test --locked -p verity-cli --test suite live::an_open
    long_run "live devices on the newest kernel that Debian has" newest_kernel
    # A trial is as busy as any other machine.
    VERITY_HANG_SECONDS=$((PERCENT < 100 ? 60 : 20)) \
        long_run "hostile inputs under every command; each run within its limit" \
        cargo test --locked -p verity-cli --test hostile r07_
    long_run "a call planted in a kernel, which must be found" testdata/calls/test.sh --planted
    long_run "kernels broken one by one, which tests must see" fuzz/planted-kernels.sh $((PERCENT / 100))
    long_run "Debian packages" packaging/test.sh
    long_run "static binaries, on ARM emulated" packaging/test.sh --static
    PROPTEST_CASES=$arm \
        long_run "ARM kernels; $arm cases of each property" testdata/arm/test.sh
    if command -v c++ >/dev/null; then
        long_run "fuzzing; $seconds s each target" fuzz/run.sh all "$seconds"
        # Too little time finds nothing: a trial only asks whether the bugs can be planted.
        long_run "planted bugs that fuzzing must find" fuzz/planted-bugs.sh $((PERCENT / 100 * 60))
    else
        skipped "fuzzing, and planted bugs" "no C++ compiler"
    fi
    if cargo +nightly --version >/dev/null 2>&1; then
        long_run "hashing and parity under AddressSanitizer" fuzz/kernels.sh
    else
        skipped "hashing and parity under AddressSanitizer" "no nightly toolchain"
    fi
}

# The tests whose cases come from VERITY_TEST_SEED and from no count.
other_seeds() {
    local number status=0
    for ((number = 0; number < $1; number++)); do
        env -u VERITY_TEST_SEED cargo test --locked -p verity --test suite \
            adversarial:: read:: repair:: || status=$?
        env -u VERITY_TEST_SEED cargo test --locked -p verity-cli --test suite kernel:: || status=$?
        VERITY_PERSONALITY_SEED=$RANDOM cargo test --locked -p verity-cli --test suite personality:: || status=$?
    done
    return "$status"
}

# What the tests of live devices, tables and signatures come to on another kernel.
newest_kernel() {
    local status=0
    testdata/kernel/make.sh --newest target/newest-kernel || return
    VERITY_KERNEL=$PWD/target/newest-kernel cargo test --locked -p verity-cli --test suite live:: || status=$?
    VERITY_KERNEL=$PWD/target/newest-kernel cargo test --locked -p verity-dm --test guest || status=$?
    return "$status"
}

# Whatever goes wrong, in the library and under the command.
fault_runs() {
    local status=0
    cargo test --locked -p verity --test suite fault_runs:: || status=$?
    cargo test --locked -p verity-cli --test hostile faults_ || status=$?
    return "$status"
}

# This part of a count; at least one.
share() {
    local count=$(($1 * PERCENT / 100))
    echo $((count > 0 ? count : 1))
}

full_run() {
    rm -rf "$FULL"
    mkdir -p "$FULL"
    touch "$FULL/failed"
    long_runs
    if [ -s "$FULL/failed" ]; then
        echo "test.sh: no record, for what failed:" >&2
        cat "$FULL/failed" >&2
        return 1
    fi
    local to=docs/FULL-RUN.md
    [ "$PERCENT" -ge 100 ] || to=$FULL/record.md
    record >"$to.new"
    mv "$to.new" "$to"
    echo "test.sh: the record is $to" >&2
}

# long_run NAME COMMAND...: runs it, and writes down how that went. Where one fails the others follow.
long_run() {
    local name=$1 start=$SECONDS log
    log=${name%%;*}
    log=$FULL/${log// /-}.log
    shift
    echo "== $name" >&2
    if "$@" 2>&1 | tee "$log"; then
        row "$name" "$(outcome "$log")" "$((SECONDS - start))"
    else
        echo "$name: $log" >>"$FULL/failed"
    fi
}

skipped() {
    echo "== $1: skipped, $2" >&2
    row "$1" "skipped: $2" 0
}

row() {
    printf '| %s | %s | %d:%02d |\n' "$1" "$2" $(($3 / 60)) $(($3 % 60)) >>"$FULL/rows"
}

# What a log says in the end: of tests, of fuzzing, of anything else.
outcome() {
    if grep -q '^test result: ' "$1"; then
        counted "$1"
    elif grep -q '^stat::number_of_executed_units' "$1"; then
        awk '/^stat::number_of_executed_units/ { inputs += $2 } END { print inputs, "inputs" }' "$1"
    else
        tail -1 "$1"
    fi
}

record() {
    cat <<END
# The long runs

\`./test.sh --full\` wrote this when all of them had passed.

- date: $(date -u +%F)
- commit: $(git rev-parse HEAD)$(git diff --quiet HEAD || echo ", with changes")
- machine: $(machine)
- compiler: $(rustc --version)
- compared with: $(oracles)

| run | outcome | min:s |
|---|---|---|
$(cat "$FULL/rows")
END
}

oracles() {
    if [ "${VERITY_REQUIRE_ORACLES:-}" = 1 ]; then
        echo "every other program that tests know, and a Linux kernel"
    else
        echo "those other programs that the machine has; missing:" $(missing_packages)
    fi
}

machine() {
    local words
    words=$(awk -F '\t*: ' '/^$/ { exit } /^(model name|cpu family|model)\t/ { print $1, $2 }' /proc/cpuinfo)
    echo "$(uname -m), ${words//$'\n'/, }, $(nproc) processors, Linux $(uname -r | cut -d- -f1)"
}
