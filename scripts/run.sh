#!/usr/bin/env bash
# `make run`: from a fresh clone to an open window.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

# Before a build of many minutes, not after it.
if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    die "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)" \
        "type \`make run\` on the machine's own desktop or over \`ssh -X\`; without one, \`make wick\` builds the same studio for the terminal"
fi

scripts/setup.sh run
[ -x target/release/wick-studio ] || say "Building Wick for the first time, which takes some minutes."
cargo build --release --locked -p wick-studio -p wick-engine -p wick-cli --features wick-studio/custom-protocol ||
    die "the build stopped" "the compiler's message above says where; \`git status\` shows whether this checkout was changed"
exec target/release/wick-studio
