#!/usr/bin/env bash
# build-qga-guest.sh [fetch]   fetches Debian's qemu-guest-agent to .cache/qemu-ga and makes .cache/guest/initrd-qga: the
# test guest with qemu-ga in our agent's place, for kernels that are told channel.agent=qemu-ga. With "fetch" only the first.
set -euo pipefail
cd "$(dirname "$0")/.."
agent=.cache/qemu-ga/usr/sbin/qemu-ga
if [ ! -x "$agent" ] || grep -q 'not found' <<< "$(ldd "$agent")"; then
  echo "build-qga-guest: fetching Debian's qemu-guest-agent"
  mkdir -p .cache/debs
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends libglib2.0-0 liburing2 libnuma1 libudev1 >/dev/null
  (cd .cache/debs && apt-get download -qq qemu-guest-agent 2>/dev/null)
  dpkg-deb -x .cache/debs/qemu-guest-agent_*.deb .cache/qemu-ga
fi
[ "${1:-}" = fetch ] && exit 0

scripts/build-guest.sh
out=.cache/guest
stamp=$(cat "$agent" "$out/initrd.stamp" "$0" | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/initrd-qga.stamp" 2>/dev/null)" = "$stamp" ] && [ -e "$out/initrd-qga" ] && exit 0
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
mkdir -p "$root/usr/sbin" "$root/sbin"
cp "$agent" "$root/usr/sbin/qemu-ga"
ldd "$agent" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
# What qemu-ga runs for a shutdown; busybox has the same under another name.
printf '#!/bin/busybox sh\nexec /bin/busybox poweroff\n' > "$root/sbin/shutdown"
chmod 755 "$root/sbin/shutdown"
# The kernel takes archives one behind the other as one.
(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --quiet) > "$out/initrd-qga.part"
cat "$out/initrd" "$out/initrd-qga.part" > "$out/initrd-qga.new"
rm "$out/initrd-qga.part"
mv "$out/initrd-qga.new" "$out/initrd-qga"
echo "$stamp" > "$out/initrd-qga.stamp"
echo "build-qga-guest: $(du -h "$out/initrd-qga" | cut -f1) initramfs"
