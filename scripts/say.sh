# shellcheck shell=bash
# How every script here speaks, and where it stands. Sourced, never run. It leaves the shell in the repository's root.
# Invariant: what stops a script is one line, and it ends with the remedy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A step that does something says so; a step with nothing to do is silent.
say() { printf "%s\n" "$@"; }

# die WHAT REMEDY
die() {
    printf 'wick: %s → %s\n' "$1" "$2" >&2
    exit 1
}

# at_least VERSION MINIMUM, for versions such as 1.90.0
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# quietly LOG COMMAND…: the output goes to LOG, and its tail to the screen when the command fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if "$@" >"$log" 2>&1 </dev/null; then return 0; fi
    printf '%s\n' "─── the end of $log ───" >&2
    tail -n 25 "$log" >&2
    return 1
}

# Ctrl-C ends the script, not only what it was waiting for.
trap 'exit 130' INT

# rustup's own place counts as well: a shell opened before Rust was installed has it on no PATH.
rustup_bin=${CARGO_HOME:-${HOME:-}/.cargo}/bin
if ! command -v cargo >/dev/null && [ -x "$rustup_bin/cargo" ]; then PATH="$rustup_bin:$PATH"; fi
# Built here and nowhere else, whatever the user's own cargo settings say.
export CARGO_TARGET_DIR=$PWD/target
