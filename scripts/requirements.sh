# shellcheck shell=bash
# What Wick needs and does not install by itself: Rust, Node and room on the disk. Sourced by setup.sh.

minimum_rust=1.90

need_rust() {
    local remedy="install it with rustup from https://rustup.rs, then try again"
    command -v cargo >/dev/null || die "Rust is missing (cargo is neither on PATH nor in ~/.cargo/bin)" "$remedy"
    local version
    version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || version=
    [ -n "$version" ] || die "Rust is installed but rustc does not start" "rustup default stable"
    at_least "${version%%-*}" "$minimum_rust" ||
        die "Rust $version is too old, Wick needs $minimum_rust or newer" "rustup update stable (without rustup: $remedy)"
}

need_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        die "this Rust lacks rustfmt or clippy, which the checks use" "rustup component add rustfmt clippy"
    fi
}

# Vite's own rule: ^20.19.0 || >=22.12.0.
node_is_new_enough() {
    case $1 in
        20.*) at_least "$1" 20.19 ;;
        21.*) return 1 ;;
        *) at_least "$1" 22.12 ;;
    esac
}

need_node() {
    local remedy="install a current LTS from https://nodejs.org or with nvm, then try again"
    command -v node >/dev/null || die "Node.js is missing" "$remedy"
    local version
    version=$(node --version 2>/dev/null) || die "Node.js is installed but does not start" "$remedy"
    node_is_new_enough "${version#v}" || die "Node.js $version is too old, Wick needs 20.19 or newer (22.12 in the 22 line)" "$remedy"
    command -v npm >/dev/null || die "npm is missing, though Node.js is there" "apt-get install npm, or $remedy"
}

# What the build will still write here, in MiB: a lot the first time, little when its program is there already.
room_needed_mib() {
    case $1 in
        terminal) if [ -x "target/release/wick" ]; then echo 500; else echo 3000; fi ;;
        test) if [ -x "target/debug/wick-studio" ]; then echo 1500; else echo 8000; fi ;;
        *) if [ -x "target/release/wick-studio" ] || [ -x "target/debug/wick-studio" ]; then echo 1000; else echo 5000; fi ;;
    esac
}

need_disk() {
    local needed free
    needed=$(room_needed_mib "$1")
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$needed" ] ||
        die "$(pwd) has $free MiB free, this needs about $needed MiB" "make room there, or clone Wick onto a larger disk"
}
