#!/usr/bin/env bash
# build-disk.sh IMAGE APP_FOLDER STATE   makes an ext4 image with all that tests/InGuest needs in a guest: the .NET runtime,
# the tests, QEMU for a guest inside of the guest, the libraries of both, and the saved state of that guest.
set -euo pipefail
image=$1 app=$2 state=$3
cd "$(dirname "$0")/../.."
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{app,guest/bios,tmp,proc,dev,sys,run,bin,usr/bin,modules}
scripts/copy-runtime.sh "$root"
cp -r "$app"/. "$root/app/"
qemu=$(readlink -f "$(command -v qemu-system-x86_64)")
cp "$qemu" "$root/usr/bin/qemu-system-x86_64"
tcg=$(find /usr/lib -name accel-tcg-x86_64.so | head -1)
mkdir -p "$root$(dirname "$tcg")"
cp "$tcg" "$root$tcg"
# What QEMU and the runtime load, wherever their loaders look for it.
{ ldd "$qemu" "$tcg" "$root/dotnet/dotnet"; find "$root/dotnet/shared" -name '*.so' -exec ldd {} +; } 2>/dev/null \
  | grep -o '/[^ ]*\.so[^ ]*' | grep -v "^$root" | sort -u | while read -r library; do
    if [ -f "$library" ]; then mkdir -p "$root$(dirname "$library")"; cp -Ln "$library" "$root$library"; fi
  done
for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin vgabios-stdvga.bin efi-virtio.rom; do
  found=$(find /usr/share/qemu /usr/share/seabios /usr/lib/ipxe/qemu -name "$file" 2>/dev/null | head -1)
  if [ -n "$found" ]; then cp -L "$found" "$root/guest/bios/"; fi
done
cp .cache/guest/vmlinuz .cache/guest/initrd "$root/guest/"
cp "$state" "$root/guest/state"
cp /bin/busybox "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
ln -s busybox "$root/bin/cat"
rm -f "$image"
truncate -s "$(($(du -sm "$root" | cut -f1) * 5 / 4 + 32))M" "$image"
mkfs.ext4 -q -F -O ^has_journal -d "$root" "$image"
