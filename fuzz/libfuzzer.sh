# Building and running fuzz targets; for run.sh and planted-bugs.sh, which source it.

readonly TARGETS=(superblock table manifest nbd read fec pkcs7 certificate key pem partition dm gpt popt)
readonly HOST=$(rustc -vV | sed -n 's/^host: //p')
# An instrumented tree is of no use to anything else: it has its own folder.
readonly BUILD=${CARGO_TARGET_DIR:-$FUZZ/../target}/fuzz

# build_targets WORKSPACE TARGET...
#
# As a release build, since a fuzzer lives by its speed, but with every assertion. The flags go to the code
# for the host only (--target), not to build scripts and macros.
build_targets() {
    local workspace=$1 cargo=(cargo) flags=(
        --cfg fuzzing
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
        -Ccodegen-units=1
    )
    shift
    local bins=("${@/#/--bin=}")
    if cargo +nightly --version >/dev/null 2>&1; then
        cargo=(cargo +nightly)
        flags+=(-Zsanitizer=address)
    else
        echo "fuzz: no nightly toolchain, hence no AddressSanitizer" >&2
    fi
    CARGO_TARGET_DIR=$BUILD RUSTFLAGS="${flags[*]}" CARGO_INCREMENTAL=0 \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
        "${cargo[@]}" build --quiet --locked --release --target "$HOST" \
        --manifest-path "$workspace/fuzz/Cargo.toml" --features libfuzzer "${bins[@]}"
}

# run_target TARGET SECONDS CORPUS ARTIFACTS [LIBFUZZER OPTION...]
run_target() {
    local target=$1 seconds=$2 corpus=$3 artifacts=$4 words=()
    mkdir -p "$corpus" "$artifacts"
    [ ! -f "$FUZZ/dictionaries/$target.dict" ] || words=(-dict="$FUZZ/dictionaries/$target.dict")
    # Freed memory is kept back for a while to find late uses of it: not all 512 MiB, though. Nothing here
    # takes more than a few KiB of input; 16 KiB is also the longest manifest.
    ASAN_OPTIONS=quarantine_size_mb=64:${ASAN_OPTIONS:-} \
        "$BUILD/$HOST/release/$target" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=5 \
        -max_len=17000 -print_funcs=0 -artifact_prefix="$artifacts/" -print_final_stats=1 "${words[@]}" "${@:5}" "$corpus"
}

# The program that writes seeds and replays inputs, built without instrumentation.
corpus() {
    cargo run --quiet --locked --manifest-path "$FUZZ/Cargo.toml" --bin corpus -- "$@"
}
