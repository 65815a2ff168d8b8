#!/usr/bin/env bash
# Makes target/deb/wick-studio_VERSION_ARCH.deb of programs that are built: deb.sh [ARCH FOLDER [RUNNER…]].
# Without arguments it builds them first, for this machine's architecture and any processor of it. RUNNER is what starts a
# program of another architecture. Nothing in the package depends on where or when it was made but on the commit.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"

name=wick-studio
starter=models/SmolLM2-135M-Instruct.Q4_1.gguf

for tool in dpkg-deb dpkg-shlibdeps; do
    command -v "$tool" >/dev/null || die "$tool is missing" "apt-get install dpkg-dev"
done
if [ "$#" -ge 2 ]; then
    arch=$1
    programs=$2
    runner=("${@:3}")
else
    arch=$(dpkg --print-architecture)
    programs=$(scripts/portable.sh)
    runner=()
fi
for file in "$programs"/{wick,wick-studio,wick-engine} "$starter"; do
    [ -f "$file" ] || die "$file is missing" "make deb builds it"
done

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
commit=$(git rev-parse --short=10 HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# What is no release comes after the one before and before the one after.
if [ "$(git tag --points-at HEAD --list "v$version")" = "" ]; then
    version="$version~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M).$commit"
fi

work=target/deb
root=$work/$name-$arch
rm -rf "$root"
mkdir -p "$root/DEBIAN"

# put MODE FILE PLACE: a file of the package.
put() { install -D -m "$1" "$2" "$root/$3"; }
# compressed FILE PLACE: the same, compressed and without a date.
compressed() { install -d "$(dirname "$root/$2")" && gzip -9nc "$1" >"$root/$2.gz"; }

put 755 "$programs/wick" usr/bin/wick
put 755 "$programs/wick-studio" usr/bin/wick-studio
put 755 "$programs/wick-engine" usr/lib/wick/wick-engine
if [ -f "$programs/wick-engine-cuda" ]; then put 755 "$programs/wick-engine-cuda" usr/lib/wick/wick-engine-cuda; fi
put 644 "$starter" "usr/share/wick/models/$(basename "$starter")"
put 644 scripts/deb/wick-studio.desktop usr/share/applications/wick-studio.desktop
put 644 scripts/deb/studio.wick.desktop.metainfo.xml usr/share/metainfo/studio.wick.desktop.metainfo.xml
for size in 32 64 128; do put 644 "icons/${size}x$size.png" "usr/share/icons/hicolor/${size}x$size/apps/$name.png"; done
put 644 "icons/128x128@2x.png" "usr/share/icons/hicolor/256x256/apps/$name.png"
put 644 icons/icon.png "usr/share/icons/hicolor/512x512/apps/$name.png"
put 644 icons/wick.svg "usr/share/icons/hicolor/scalable/apps/$name.svg"

# Completions, pages and units, from the program itself.
"${runner[@]}" "$programs/wick" package-files "$root" ||
    die "$programs/wick did not write its completions and pages" "it has to run here: for another architecture name what starts it"
install -m 644 scripts/deb/wick-studio.1 "$root/usr/share/man/man1/"
gzip -9n "$root"/usr/share/man/man1/*.1

doc=usr/share/doc/$name
put 644 scripts/deb/copyright "$doc/copyright"
compressed docs/kiosk.md "$doc/kiosk.md"
mkdir -p "$work"
# Who is linked in, and under which licence; our own are named without their place.
cargo tree --locked --prefix none -e normal --target all --format '{p} — {l}' \
    -p wick-studio -p wick-cli -p wick-engine | sed 's/ (\/[^)]*)//; s/ (\*)//' | sort -u >"$work/linked.txt"
compressed "$work/linked.txt" "$doc/linked.txt"
maintainer="The authors of Wick <wick@users.noreply.invalid>"
cat >"$work/changelog" <<EOF
$name ($version) unstable; urgency=medium

  * Built from commit $commit.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
EOF
compressed "$work/changelog" "$doc/changelog"

# What the programs need of the system, asked from the programs.
mkdir -p "$work/debian"
printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$name" "$name" >"$work/debian/control"
needs() {
    local program programs=()
    for program in "$root"/usr/bin/* "$root"/usr/lib/wick/*; do programs+=("-e${program#"$work"/}"); done
    (cd "$work" && dpkg-shlibdeps -O "${programs[@]}" 2>shlibdeps.log) | sed -n 's/^shlibs:Depends=//p'
}
# Of another architecture, whose packages this machine's dpkg does not know: what has the same libraries here goes by the same name.
needs_by_name() {
    local library package
    objdump -p "$root"/usr/bin/* "$root"/usr/lib/wick/* 2>/dev/null | sed -n 's/^ *NEEDED *//p' | sort -u | while read -r library; do
        case $library in ld-linux*) continue ;; esac
        package=$(dpkg -S "*/$library" 2>/dev/null | sed -n 's/:.*//p' | grep -v -e '-cross$' | head -n 1)
        [ -n "$package" ] || die "no package here has $library" "apt-get install libwebkit2gtk-4.1-dev"
        if [ "$package" = libc6 ]; then package="libc6 (>= $(newest_glibc))"; fi
        echo "$package"
    done | sort -u | paste -sd , | sed 's/,/, /g'
}
newest_glibc() { objdump -T "$root"/usr/bin/* "$root"/usr/lib/wick/* | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1 | cut -d _ -f 2; }
if [ "$arch" = "$(dpkg --print-architecture)" ]; then depends=$(needs); else depends=$(needs_by_name); fi
[ -n "$depends" ] || die "what the programs need was not found out" "see $work/shlibdeps.log"

size=$(du -k -s --apparent-size "$root" | cut -f 1)
cat >"$root/DEBIAN/control" <<EOF
Package: $name
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $size
Depends: $depends
Recommends: xdg-utils
Suggests: cage, fonts-noto-color-emoji
Section: science
Priority: optional
Description: model studio for one desk
 Finds language models on Hugging Face, brings them onto the disk, runs
 them on the machine's own processor or NVIDIA GPU, and shows memory and
 speed while they run. Chat, a library of models, a monitor, and a kiosk
 for visitors; wick is the same in a terminal. A small model comes with
 it, so that it answers at once.
EOF
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

package=$work/${name}_${version}_$arch.deb
# The model does not get smaller: most of the time would go into trying.
dpkg-deb --root-owner-group -Zxz -z2 --build "$root" "$package" >"$work/dpkg-deb.log"
say "Built: $package ($(du -h "$package" | cut -f 1))" \
    "Install it with: sudo apt-get install ./$package"
