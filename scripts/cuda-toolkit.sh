#!/usr/bin/env bash
# Makes .tools/cuda: a link to the system's CUDA toolkit when that is release 13.0, else nvcc and its headers out of NVIDIA's
# Python wheels. It compiles the engine's kernels; to run them takes the driver alone.
# Invariant: .tools/cuda names a whole, verified toolkit, whatever interrupts this script.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/wheel.sh
source scripts/wheel.sh

fits() { [[ "$("$1/bin/nvcc" --version 2>/dev/null)" == *"release 13.0,"* ]]; }

if fits .tools/cuda; then exit 0; fi
mkdir -p .tools
rm -rf .tools/cuda
for system in "${CUDA_HOME:-}" /usr/local/cuda-13.0 /usr/local/cuda; do
    if [ -n "$system" ] && fits "$system"; then
        ln -s "$system" .tools/cuda
        say "Compiling kernels with the CUDA toolkit in $system."
        exit 0
    fi
done
say "Fetching CUDA's compiler 13.0 (104 MB, NVIDIA's licence), which compiles the kernels, from the Python package index."
python=$(find_python) || die "there is no python3 with pip to fetch it" "apt-get install python3-pip"
find .tools -maxdepth 1 -name 'cuda.*.incomplete' -mmin +60 -exec rm -rf {} +
unpacking=$(mktemp -d --suffix=.incomplete .tools/cuda.XXXXXX)
trap 'rm -rf "$unpacking"' EXIT
download_wheel "$python" scripts/cuda-toolkit.txt
for wheel in "$unpacking"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$unpacking/site" ||
        die "$wheel was not unpacked" "if the disk is full make room on $(pwd)'s disk and try again"
done
# A wheel is a zip and forgets what may run.
chmod +x "$unpacking"/site/nvidia/cu13/bin/* "$unpacking"/site/nvidia/cu13/nvvm/bin/*
sync -f "$unpacking"
mv "$unpacking/site/nvidia/cu13" .tools/cuda
fits .tools/cuda || die "the fetched nvcc does not run" "rm -r .tools/cuda, and report this with the output of .tools/cuda/bin/nvcc --version"
