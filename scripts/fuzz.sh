#!/usr/bin/env bash
# Fuzzes one promise of the engine: fuzz.sh TARGET SECONDS. Needs a C++ compiler, for libFuzzer itself, which cargo brings.
# Without cargo-fuzz and without nightly: coverage is a pass of LLVM that stable knows, a sanitizer is not, and the engine's
# only unsafe code is in kernels that no target reaches.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

target=${1:-} seconds=${2:-60}
crate=src-tauri/crates/engine/fuzz
found=target/fuzz/found/$target
if [ -z "$target" ] || [ ! -f "$crate/targets/$target.rs" ]; then
    die "there is no target \"$target\"" "make fuzz TARGET=one of: $(cd $crate/targets && echo *.rs | sed 's/\.rs//g')"
fi
command -v c++ >/dev/null || die "libFuzzer needs a C++ compiler, and there is none" "install g++ or clang"

llvm="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
llvm="$llvm -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
say "· building $target (the first time downloads libFuzzer's wrapper and takes minutes)"
RUSTFLAGS=$llvm cargo build --locked --release --manifest-path "$crate/Cargo.toml" --target-dir target/fuzz \
    --target "$(rustc -vV | sed -n 's/^host: //p')" --bin "$target"

# Thousands of small files a second: in memory where there is a place for that.
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
# New inputs go to target/; those that break the promise lie beside them. What should stay is copied into the corpus by hand.
mkdir -p "$found/inputs"
say "· $seconds seconds of $target; what breaks it will lie in $found/"
exec "target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release/$target" "$found/inputs" "$crate/corpus/$target" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=65536 -artifact_prefix="$found/" -print_final_stats=1
