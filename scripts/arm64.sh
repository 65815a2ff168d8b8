#!/usr/bin/env bash
# Builds Wick for aarch64, as the DGX Spark is, on an x86-64 Debian or Ubuntu, and runs the tests under qemu: arm64.sh
# [build|test|deb]; without an argument build and test. The libraries are Debian 12's, in .tools/arm64: what links with them starts
# on every later system. The CUDA worker is built too where its toolkit has been fetched (`make cuda`).
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/requirements.sh
source scripts/requirements.sh
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

triple=aarch64-unknown-linux-gnu
gcc=aarch64-linux-gnu
sysroot=$PWD/.tools/arm64

prepare() {
    if [ "$(uname -m)" = aarch64 ]; then die "this machine is arm64 itself" "make run, make test and make deb"; fi
    install_packages arm64
    rust_for_arm64
    [ -e "$sysroot" ] || make_sysroot
}

rust_for_arm64() {
    if [ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ]; then return; fi
    command -v rustup >/dev/null ||
        die "this Rust has no standard library for $triple" "with rustup: rustup target add $triple; on Debian: apt-get install libstd-rust-dev:arm64"
    say "Adding Rust's standard library for arm64."
    quietly target/setup/arm64-rust.log rustup target add "$triple" ||
        die "rustup could not add $triple" "see target/setup/arm64-rust.log"
}

# Only unpacked: nothing of another architecture is installed on this machine.
make_sysroot() {
    say "Fetching the window's libraries for arm64 from Debian 12 (1.2 GB, in .tools/arm64)."
    local unpacking=.tools/arm64.incomplete
    rm -rf "$unpacking" && mkdir -p .tools
    quietly target/setup/arm64.log mmdebstrap --variant=extract --architectures=arm64 \
        --include=libwebkit2gtk-4.1-dev,libstdc++-12-dev bookworm "$unpacking" ||
        die "mmdebstrap could not fetch them" "see target/setup/arm64.log"
    # Links that begin at the other system's root would lead out of it.
    local link target
    find "$unpacking" -xtype l -lname '/*' -print0 -o -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
        target=$(readlink "$link")
        ln -sfn "$(realpath -m -s --relative-to="$(dirname "$link")" "$unpacking$target")" "$link"
    done
    sync -f "$unpacking"
    mv "$unpacking" "$sysroot"
}

cross() {
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$gcc-gcc
    export CC_aarch64_unknown_linux_gnu=$gcc-gcc CXX_aarch64_unknown_linux_gnu=$gcc-g++ AR_aarch64_unknown_linux_gnu=$gcc-ar
    export CFLAGS_aarch64_unknown_linux_gnu=--sysroot=$sysroot CXXFLAGS_aarch64_unknown_linux_gnu=--sysroot=$sysroot
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-cpu=generic -C link-arg=--sysroot=$sysroot"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L $sysroot"
    export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$sysroot
    export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$gcc/pkgconfig:$sysroot/usr/share/pkgconfig
}

build() {
    programs=$(SYSROOT=$sysroot scripts/portable.sh "$triple")
    local program form glibc
    for program in "$programs"/{wick,wick-studio,wick-engine,wick-engine-cuda}; do
        [ -f "$program" ] || continue
        glibc=$($gcc-objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
        form=$($gcc-objdump -f "$program" | sed -n 's/.*file format //p')
        say "Built: $program ($form, $(du -h "$program" | cut -f 1), needs up to $glibc)"
    done
}

# The engine's and the crates' below the application. What needs a window or the machine's own driver is tested on arm64 itself;
# the kernels for GPUs, which a processor computes thread by thread, are the same code and take an hour under qemu; and qemu does
# not know the question what of a file is cached (preadv2 with RWF_NOWAIT). The proxy's test starts itself once more, which would be
# a program that this machine's kernel can't start.
tests() {
    local crates=(-p wick-engine -p engine-api -p hub -p telemetry -p wick-cli)
    cargo test --locked --target "$triple" "${crates[@]}" --no-fail-fast -- \
        --skip gpu:: --skip computes --skip the_page_cache_is_left --skip the_proxy_of_the_environment
    say "· wick run, under qemu"
    local runner=(qemu-aarch64-static -L "$sysroot") folder=target/$triple/debug
    WICK_ENGINE=$(qemu_wrapper "$folder/wick-engine") "${runner[@]}" "$folder/wick" run --max-tokens 8 --temperature 0 "The capital of France is"
}

# A program of this machine that starts one of the other architecture.
qemu_wrapper() {
    local wrapper=target/$triple/under-qemu
    printf '#!/bin/sh\nexec qemu-aarch64-static -L %q %q "$@"\n' "$sysroot" "$PWD/$1" >"$wrapper"
    chmod +x "$wrapper"
    echo "$PWD/$wrapper"
}

prepare
cross
case ${1:-all} in
    all) build && tests ;;
    build) build ;;
    test) tests ;;
    deb)
        build
        PATH=/usr/$gcc/bin:$PATH scripts/deb.sh arm64 "$programs" qemu-aarch64-static -L "$sysroot"
        ;;
    *) die "arm64.sh knows no purpose \"$1\"" "arm64.sh [build|test|deb]" ;;
esac
