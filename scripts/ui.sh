#!/usr/bin/env bash
# ui.sh modules: what the UI is made with (npm ci). ui.sh page: that, and ui/dist, which every cargo build embeds.
# ui.sh any-page: whatever page there is, an empty one at worst; for writing the bindings, which the page is built from.
# Each only when something changed.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

installed=ui/node_modules/.wick-installed

# What an installation depends on: the lock, the manifest, and Node's major version (native modules).
fingerprint() { cat ui/package-lock.json ui/package.json <(node --version | cut -d . -f 1) | sha256sum; }

install_modules() {
    [ "$(cat "$installed" 2>/dev/null)" != "$(fingerprint)" ] || return 0
    say "Installing the UI's packages (npm ci)."
    quietly target/setup/npm.log npm --prefix ui ci --no-audit --no-fund ||
        die "npm could not install the UI's packages" "check the network (npm's own settings for a proxy or a registry count) and try again"
    fingerprint >"$installed"
}

# True when any source, or a folder (a file was removed), is newer than the built page.
page_is_stale() {
    [ -e ui/dist/index.html ] || return 0
    [ -n "$(find ui -path ui/node_modules -prune -o -path ui/dist -prune -o ! -path ui -newer ui/dist/index.html -print -quit)" ]
}

build_page() {
    page_is_stale || return 0
    say "Building the page (vite)."
    quietly target/setup/vite.log npm --prefix ui run build ||
        die "the page does not build" "the lines above say where in ui/"
}

# Dated 1970, so that it counts as stale and the next build replaces it.
empty_page() {
    [ -e ui/dist/index.html ] && return
    mkdir -p ui/dist
    touch -d @0 ui/dist/index.html
}

case ${1:-} in
    modules) install_modules ;;
    page) install_modules && build_page ;;
    any-page) empty_page ;;
    *) die "ui.sh knows no part \"${1:-}\"" "ui.sh modules|page|any-page" ;;
esac
