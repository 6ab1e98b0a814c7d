#!/usr/bin/env bash
# build-test-mirror.sh   makes .cache/test-mirror for tests: Debian's packages of OS definitions for Ganeti, and in "debian" a mirror of
# a minimal system's packages and no others. In the lists of all of Debian debootstrap searches for minutes where there is no KVM.
set -euo pipefail
fail() { echo "build-test-mirror: $*" >&2; exit 1; }
tree=$(cd "$(dirname "$0")/.." && pwd)
here=$tree/src/Tools/channelctl/appliance cache=$tree/.cache out=$tree/.cache/test-mirror
kind=test-mirror update='' missing=() mirrors=(http://deb.debian.org/debian http://deb.debian.org/debian-security)
definitions=(ganeti-os-noop ganeti-instance-debootstrap)
want() { if [[ $1 == /* ]]; then [ -e "$1" ]; else command -v "$1" >/dev/null; fi || missing+=("$2"); }
# shellcheck source=../src/Tools/channelctl/appliance/packages.sh
source "$here/packages.sh"
[ ${#missing[@]} -eq 0 ] || fail "this host lacks packages: ${missing[*]}"
# What debootstrap takes by itself, an init, and what that needs to find its console.
package_names() { echo '?essential' apt usr-is-merged passwd mount gpgv tzdata systemd-sysv udev ifupdown "${definitions[@]}"; }

umask 022
mkdir -p "$out" "$cache/debs" "$cache/locks" "$cache/work"
exec 9>"$cache/work/lock"
flock 9
temporary=$(mktemp -d "$cache/work/mirror.XXXXXX")
trap 'rm -rf "$temporary"' EXIT
resolve
check_lock
stamp=$(cat "$lock" "$0" "$here/packages.sh" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
fetch

rm -rf "$out"
lists=$out/debian/dists/$suite/main/binary-amd64
mkdir -p "$lists" "$out/debian/pool"
while read -r name _ sha256 place; do
  file=${place##*/}
  case $name in linux-image-*) continue ;; esac
  ln "$cache/debs/$file" "$out/debian/pool/" 2>/dev/null || cp "$cache/debs/$file" "$out/debian/pool/"
  dpkg-deb -f "$cache/debs/$file"
  printf 'Filename: pool/%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$cache/debs/$file")" "$sha256"
done < <(entries) > "$lists/Packages"
printf 'Suite: %s\nCodename: %s\nComponents: main\nArchitectures: amd64\nDate: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n %s %s main/binary-amd64/Packages\n' \
  "$suite" "$suite" "$(sha256sum < "$lists/Packages" | cut -d' ' -f1)" "$(stat -c %s "$lists/Packages")" > "$out/debian/dists/$suite/Release"
for name in "${definitions[@]}"; do cp "$(deb_of "$name")" "$out/$name.deb"; done
echo "$stamp" > "$out/stamp"
