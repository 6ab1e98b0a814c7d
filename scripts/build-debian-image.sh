#!/usr/bin/env bash
# build-debian-image.sh   makes .cache/debian-image/debian.tar: the root file system of a Debian with systemd and a kernel, as
# an image to install. It is made once, and again when this script changes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/debian-image
mkdir -p "$out"
stamp=$(sha256sum "$0" | cut -d' ' -f1)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && [ -e "$out/debian.tar" ]; then exit 0; fi
echo "build-debian-image: fetching Debian (once; some minutes)"
rm -f "$out/stamp"
# Small and quick: no manuals, and an initial RAM disk with what finds the root file system of a virtual machine.
SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --variant=minbase --format=tar \
  --include=systemd-sysv,udev,dbus,iproute2,kmod,curl,ca-certificates,linux-image-cloud-amd64,initramfs-tools,zstd \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook='printf "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n" > "$1/etc/initramfs-tools/conf.d/machine"' \
  --essential-hook='printf "%s\n" virtio_pci virtio_blk virtio_scsi sd_mod xen-blkfront ext4 crc32c_generic > "$1/etc/initramfs-tools/modules"' \
  --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/machine-id; : > "$1"/etc/machine-id' \
  --customize-hook='systemctl --root="$1" enable -q systemd-networkd' \
  bookworm "$out/debian.tar.new" || { echo "build-debian-image: mmdebstrap failed; its words are above" >&2; exit 1; }
mv "$out/debian.tar.new" "$out/debian.tar"
echo "$stamp" > "$out/stamp"
echo "build-debian-image: $(du -h "$out/debian.tar" | cut -f1)"
