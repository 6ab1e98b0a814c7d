#!/usr/bin/env bash
# build-generic-guest.sh   makes the test guest once more under .cache/generic, with Debian's generic kernel: vmlinuz and initrd. Unlike the
# cloud kernel it has a driver for VMGenID devices.
set -euo pipefail
cd "$(dirname "$0")/.."
guest=.cache/guest out=.cache/generic
mkdir -p "$out"
fail() { echo "build-generic-guest: $*" >&2; exit 1; }
scripts/build-guest.sh
# Test processes call this at the same time.
exec 9>"$out/lock"
flock 9

stamp=$(cat "$0" scripts/guest/add-modules.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/kernel.stamp" 2>/dev/null)" != "$stamp" ]; then
  apt-get update -qq
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$kernel" ] || fail "apt knows no linux-image-amd64; is this Debian 12 with its main archive in sources.list?"
  echo "build-generic-guest: fetching $kernel"
  tree=$(mktemp -d); trap 'rm -rf "$tree"' EXIT
  chmod 755 "$tree"
  (cd "$tree" && apt-get download -qq -o APT::Sandbox::User=root "$kernel")
  dpkg-deb -x "$tree/$kernel"_*.deb "$tree/kernel"
  cp "$tree"/kernel/boot/vmlinuz-* "$out/vmlinuz"
  mkdir -p "$tree/root/modules"
  scripts/guest/add-modules.sh "$tree/kernel" "$tree/root/modules"
  (cd "$tree/root" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --quiet) > "$out/modules.cpio"
  echo "$stamp" > "$out/kernel.stamp"
fi

# Of two archives of one RAM disk, the files of the second one replace those of the first.
if ! [ "$out/initrd" -nt "$guest/initrd" ] || ! [ "$out/initrd" -nt "$out/kernel.stamp" ]; then
  cat "$guest/initrd" "$out/modules.cpio" > "$out/initrd.new"
  mv "$out/initrd.new" "$out/initrd"
fi
