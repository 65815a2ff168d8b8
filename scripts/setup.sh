#!/usr/bin/env bash
# Brings a fresh Debian or Ubuntu to where Wick can be built: setup.sh terminal|run|build|test.
#   terminal  what `wick` needs          run   that, and what the window needs
#   build     run, and rustfmt, clippy   test  build, cargo-deny, and what the end-to-end tests need
# Everything here asks first and acts only on what is missing, so the second time takes a second.
# Nothing is installed but Debian packages; the rest stays inside this folder.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/requirements.sh
source scripts/requirements.sh
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

purpose=${1:-}
case $purpose in
    terminal | run | build | test) ;;
    *) die "setup.sh knows no purpose \"$purpose\"" "setup.sh terminal|run|build|test" ;;
esac

need_rust
case $purpose in build | test) need_rust_components ;; esac
case $purpose in terminal) ;; *) need_node ;; esac
need_disk "$purpose"
install_packages "$purpose"
scripts/starter.sh
case $purpose in
    run) scripts/ui.sh page ;;
    build) scripts/ui.sh modules && scripts/ui.sh any-page ;;
    test) scripts/ui.sh modules && scripts/cargo-deny.sh ;; # the page is built as one of the checks
esac
