#!/usr/bin/env bash
# prerequisites.sh [guest] [clients] [arm64]   checks what the build and the tests need and installs what is missing (Debian 12, root).
# With "guest" also what building and booting a test guest needs, with "clients" the metadata clients that are run
# against the metadata server, with "arm64" what makes and runs programs of that architecture.
set -euo pipefail
fail() { echo "prerequisites: $*" >&2; exit 1; }

dotnet_major=$(dotnet --version 2>/dev/null | cut -d. -f1) || true
[ "${dotnet_major:-0}" -ge 10 ] || fail "the .NET 10 SDK is needed and 'dotnet --version' says '$(dotnet --version 2>/dev/null || echo not found)'; install it and put it on PATH"

# program or file -> package
need=()
want() { if [[ $1 == /* ]]; then [ -e "$1" ]; else command -v "$1" >/dev/null; fi || need+=("$2"); }
want gcc gcc
want /usr/include/zlib.h zlib1g-dev
want /usr/include/stdio.h libc6-dev
# The filter of a worker's system calls, linked in, and what shows a test which it makes.
want /usr/lib/x86_64-linux-gnu/libseccomp.a libseccomp-dev
want strace strace
# Tests make namespaces with mounts and networks, and compare with QEMU's own guest agent.
want losetup mount
want mkfs.ext4 e2fsprogs
want ip iproute2
want qemu-ga qemu-guest-agent
# What checks images, and what their script calls.
want gpgv gpgv
want gzip gzip
want xz xz-utils
# Clients of the proxy that appliances fetch by.
want curl curl
want wget wget
asked=" $* "
if [[ $asked == *" clients "* ]]; then
  # What structures are checked against.
  want /usr/include/xen/io/libxenvchan.h libxen-dev
  want /usr/bin/ec2metadata cloud-guest-utils
  want /usr/bin/ec2-metadata amazon-ec2-utils
  want /usr/share/amazon-ec2-net-utils/lib.sh amazon-ec2-net-utils
  want /usr/bin/facter facter
  want /usr/bin/rclone rclone
  want /usr/lib/python3/dist-packages/botocore python3-botocore
  want /usr/bin/aws awscli
fi
if [[ $asked == *" guest "* ]]; then
  want python3 python3
  want qemu-system-x86_64 qemu-system-x86
  want /usr/share/seabios/bios-256k.bin seabios
  want /usr/lib/ipxe/qemu/efi-virtio.rom ipxe-qemu
  want busybox busybox-static
  want cpio cpio
  want modprobe kmod
  want mkfs.ext4 e2fsprogs
  want dpkg-deb dpkg
  want mkfs.xfs xfsprogs
  want mmdebstrap mmdebstrap
  want debootstrap debootstrap
  want mksquashfs squashfs-tools
  want qemu-img qemu-utils
  want /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
  want xz xz-utils
  want lz4 lz4
  want zstd zstd
  want /usr/lib/x86_64-linux-gnu/libssl.so.3 libssl3
  # A network of clones, and who answers on it.
  want dnsmasq dnsmasq-base
  want ssh-keyscan openssh-client
  want virsh libvirt-clients
  want libvirtd libvirt-daemon
  want /usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so libvirt-daemon-driver-qemu
  # A dynamic busybox would need its libraries in the guest.
  if command -v busybox >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then need+=(busybox-static); fi
fi
if [[ $asked == *" arm64 "* ]]; then
  want aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
  want /usr/aarch64-linux-gnu/lib/libc.a libc6-dev-arm64-cross
  want qemu-aarch64-static qemu-user-static
fi
[ ${#need[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || fail "missing: ${need[*]}; this is no Debian system, install them by hand"
[ "$(id -u)" = 0 ] || fail "missing: ${need[*]}; run this as root, or install them with apt-get"
echo "prerequisites: installing ${need[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null || fail "apt-get could not install ${need[*]}"
