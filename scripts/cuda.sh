#!/usr/bin/env bash
# Builds wick-engine-cuda, the worker that computes on an NVIDIA GPU: cuda.sh [check]. It starts on any machine, with or without
# a driver. `check` compiles the kernels and lints what launches them, and builds no worker.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

scripts/cuda-toolkit.sh
CUDA_HOME=$(readlink -f .tools/cuda)
export CUDA_HOME
case ${1:-} in
    check) exec cargo clippy --locked -p wick-engine --features cuda --lib --bins -- -D warnings ;;
    "") ;;
    *) die "cuda.sh knows no purpose \"$1\"" "cuda.sh [check]" ;;
esac
scripts/cargo.sh build --release --locked -p wick-engine --features cuda --bin wick-engine-cuda
say "Built: target/release/wick-engine-cuda"
