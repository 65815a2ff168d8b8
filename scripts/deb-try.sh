#!/usr/bin/env bash
# Tries a package where nothing of this checkout can help it: deb-try.sh PACKAGE SUITE [MIRROR]. In a new system of that suite
# (bookworm, trixie, noble) it is installed, answers, opens its window, and is purged; then nothing of it may be left. Needs root.
# The picture of the window stays beside the package. DEBOOTSTRAP_OPTIONS goes to debootstrap.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

package=$(readlink -f "${1:?PACKAGE}")
suite=${2:?SUITE}
work=target/deb
root=$(pwd)/$work/try-$suite
log=$work/try-$suite.log
picture=$work/try-$suite.png

[ "$(id -u)" = 0 ] || die "a new system needs root" "sudo scripts/deb-try.sh $*"
command -v debootstrap >/dev/null || die "debootstrap is missing" "apt-get install debootstrap"

leave() {
    local place
    for place in dev/shm dev/pts dev sys proc; do
        if mountpoint -q "$root/$place"; then umount -l "$root/$place"; fi
    done
    # What is still mounted is somebody else's: it is never deleted through.
    if ! grep -q " $root/" /proc/mounts; then rm -rf --one-file-system "$root"; fi
}
trap leave EXIT
leave
mkdir -p "$work"

say "· a new $suite …"
options=(--variant=minbase)
read -ra more <<<"${DEBOOTSTRAP_OPTIONS:-}"
script=()
# All of Ubuntu's suites are made by one script, and Debian's debootstrap knows only those of its day.
if [ -n "${3:-}" ] && [ ! -e "/usr/share/debootstrap/scripts/$suite" ]; then script=(/usr/share/debootstrap/scripts/gutsy); fi
quietly "$log" debootstrap "${options[@]}" "${more[@]}" "$suite" "$root" ${3:+"$3"} "${script[@]}" ||
    die "$suite was not made" "see $log"
case $suite in noble) sed -i 's/ main$/ main universe/' "$root/etc/apt/sources.list" ;; esac
for place in proc sys dev dev/pts; do mount --bind "/$place" "$root/$place"; done
mount -t tmpfs -o size=1g tmpfs "$root/dev/shm"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
# So that no service starts in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
inside() { chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
files() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./home -o -path ./root \
    -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./run \) -prune -o -print) | sort; }
step() {
    local what=$1
    shift
    say "· $what …"
    quietly "$log" "$@" || die "$what: it failed" "see $log"
}

step "apt-get update" inside apt-get -q update
step "what the trial itself needs" inside apt-get -q install -y --no-install-recommends xvfb imagemagick xauth
inside useradd --create-home ann
files >"$work/before.txt"

cp "$package" "$root/tmp/wick.deb"
step "install" inside apt-get -q install -y --no-install-recommends /tmp/wick.deb
chroot "$root" dpkg -L wick-studio | sed "s/^/./" | sort >"$work/ours.txt"
as_ann() { chroot --userspec=ann "$root" /usr/bin/env -i HOME=/home/ann USER=ann LANG=C.UTF-8 PATH=/usr/bin:/bin "$@"; }
step "wick --version" as_ann wick --version
step "wick list" as_ann wick list
grep -q SmolLM2 "$log" || die "the starter model is not in the library" "see $log"
step "wick run" as_ann wick run --max-tokens 16 --temperature 0 "The capital of France is"
cat "$log"
for file in usr/share/bash-completion/completions/wick usr/share/man/man1/wick-run.1.gz usr/share/applications/wick-studio.desktop \
    usr/lib/systemd/user/wick-kiosk.service usr/lib/systemd/system/wick-kiosk@.service; do
    [ -f "$root/$file" ] || die "$file is missing" "see scripts/deb.sh"
done
step "completions" inside bash -n /usr/share/bash-completion/completions/wick

say "· the window …"
# shellcheck disable=SC2016 # for the shell in there
as_ann sh -c 'Xvfb :71 -screen 0 1280x800x24 -nolisten tcp & server=$!; export DISPLAY=:71
    for _ in $(seq 50); do [ -e /tmp/.X11-unix/X71 ] && break; sleep 0.1; done
    wick-studio & app=$!
    # Until something other than one colour is on the screen.
    for _ in $(seq 200); do
        sleep 0.2
        import -window root /tmp/window.png && [ "$(identify -format %k /tmp/window.png)" -gt 200 ] && break
    done
    sleep 1; import -window root /tmp/window.png; kill $app; wait $app; kill $server' >"$log" 2>&1 || true
[ -s "$root/tmp/window.png" ] || die "no window" "see $log"
cp "$root/tmp/window.png" "$picture"
colours=$(inside identify -format %k /tmp/window.png)
[ "$colours" -gt 200 ] || die "the window stayed empty ($colours colours)" "look at $picture"

# With what came along for it, also where something else would merely recommend that.
step "purge" inside apt-get -q -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false \
    purge -y --auto-remove wick-studio
files >"$work/after.txt"
# What the packages that came along leave behind is theirs: systemd its folders, libc its mtab.
comm -13 "$work/before.txt" "$work/after.txt" >"$work/left.txt"
if grep -i wick "$work/left.txt" || grep -qxFf "$work/ours.txt" "$work/left.txt"; then
    die "the purged package left something" "see $work/left.txt"
fi
gone=$(comm -23 "$work/before.txt" "$work/after.txt")
[ -z "$gone" ] || die "the purge took what was not the package's: $gone" "see $work/before.txt"
say "Good on $suite. Its window: $picture"
