#!/usr/bin/env bash
# Renders the sizes that Tauri bundles on Linux from wick.svg, all RGBA. Run it after changing the drawing; commit both.
set -euo pipefail
cd "$(dirname "$0")"
command -v rsvg-convert >/dev/null || { echo 'wick: rsvg-convert is missing → apt-get install librsvg2-bin' >&2; exit 1; }

render() { rsvg-convert --width "$1" --height "$1" --format png --output "$2" "$3"; }

# Below 64 pixels the large drawing turns to mud, so the small sizes have a drawing of their own.
render 32 32x32.png wick-small.svg
render 64 64x64.png wick.svg
render 128 128x128.png wick.svg
render 256 128x128@2x.png wick.svg
render 512 icon.png wick.svg
