# What builds for 64-bit ARM on x86-64 and runs the result, for the scripts beside this one to source.
# They are started at the top of the checkout.

readonly LIST=testdata/arm/debian-packages.txt

# Settings for cargo, which stays the usual one.
prepare() {
    local top=${CARGO_TARGET_DIR:-target}
    # For what runs here.
    readonly HOST_BUILT=$top
    # A compiler of its own, hence build products of its own.
    export CARGO_TARGET_DIR=$top/aarch64
    export RUSTC=/usr/bin/rustc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
    # A program that links libc dynamically hangs in the emulator at its first thread.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Ctarget-feature=+crt-static -Dunused"
}

missing_packages() {
    local package
    while read -r package; do
        case $package in '' | '#'*) continue ;; esac
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done <"$LIST"
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    dpkg --add-architecture arm64
    # What is missing after all is named.
    apt-get -qq update || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        "${missing[@]}" >/dev/null || true
}
