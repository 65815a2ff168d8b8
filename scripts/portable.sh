#!/usr/bin/env bash
# Builds the programs for other machines than this one: for the oldest processor of the architecture, wider instructions found at
# run time. Prints the folder that they are in: portable.sh [TRIPLE]. `make run` builds for this machine's own processor instead.
# The CUDA worker is built where its toolkit has been fetched (`make cuda`). SYSROOT is where another system's libraries are.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}
case $triple in
    x86_64-*) baseline=x86-64 ;;
    aarch64-*) baseline=generic ;;
    *) die "Wick is built for x86_64 and aarch64, not for $triple" "build it there with make run" ;;
esac
# Where this was built is nobody's business and would make each build another one.
flags="-C target-cpu=$baseline --remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
if [ -n "${SYSROOT:-}" ]; then flags+=" -C link-arg=--sysroot=$SYSROOT"; fi
# What is named for a target stands in place of .cargo/config.toml's own.
upper=$(tr 'a-z-' 'A-Z_' <<<"$triple")
export "CARGO_TARGET_${upper}_RUSTFLAGS=$flags"
build=(cargo build --release --locked --target "$triple")
"${build[@]}" -p wick-cli -p wick-engine -p wick-studio --bins --features wick-studio/custom-protocol >&2
folder=target/$triple/release
rm -f "$folder/wick-engine-cuda"
if [ -e .tools/cuda ]; then
    CUDA_HOME=$(readlink -f .tools/cuda) "${build[@]}" -p wick-engine --features cuda --bin wick-engine-cuda >&2
fi
echo "$folder"
