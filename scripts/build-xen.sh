#!/usr/bin/env bash
# build-xen.sh   makes under .cache/xen/images what boots Xen in QEMU: xen, dom0-kernel and dom0-initrd; the test guest as a
# domain (domu-kernel, domu-initrd); vchan-peer, by Xen's libxenvchan; runtime.img, the .NET runtime for dom0. Debian's packages
# are unpacked beside everything else; nothing of Xen is installed here. Nothing is rebuilt whose inputs are the same.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.cache/xen
out=$work/images
mkdir -p "$out" "$work/debs"
fail() { echo "build-xen: $*" >&2; exit 1; }
# One build at a time; the second finds everything done.
exec 9>"$work/lock"
flock 9
scripts/build-guest.sh
temporary=$(mktemp -d); trap 'rm -rf "$temporary"' EXIT

# --- Debian's packages: Xen and its tools in "tree", the kernel in "kernel". The cloud flavour, which domains have, is no dom0.
if [ ! -e "$work/unpacked" ]; then
  echo "build-xen: fetching Xen and a kernel for dom0"
  apt-get update -qq
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  hypervisor=$(apt-cache search --names-only '^xen-hypervisor-[0-9.]*-amd64$' | cut -d' ' -f1 | sort -V | tail -1)
  [ -n "$kernel" ] && [ -n "$hypervisor" ] || fail "apt knows no Xen; is this Debian 12 with its main archive in sources.list?"
  version=${hypervisor#xen-hypervisor-}
  version=${version%-amd64}
  rm -f "$work"/debs/*
  (cd "$work/debs" && apt-get download -qq "$kernel" "$hypervisor" "xen-utils-$version" xen-utils-common xenstore-utils "libxenmisc$version" \
    libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1 \
    libxentoollog1 libxen-dev libyajl2 2>/dev/null) || fail "apt-get could not fetch Xen's packages"
  rm -rf "$work/tree" "$work/kernel"
  for package in "$work"/debs/*.deb; do
    case $(basename "$package") in
      linux-image-*) dpkg-deb -x "$package" "$work/kernel" ;;
      *) dpkg-deb -x "$package" "$work/tree" ;;
    esac
  done
  rm -rf "$work/debs"
  echo "$version" > "$work/unpacked"
fi
version=$(cat "$work/unpacked")
tree=$work/tree
libraries=$tree/usr/lib/x86_64-linux-gnu

# --- Kernels as ELF files: Xen's loader takes no other for dom0, and an emulated processor need not unpack the domains'.
# Where the payload of a bzImage is, its boot header tells (Documentation/arch/x86/boot.rst: setup_sects, payload_offset,
# payload_length); its last four bytes are the length of what is in it.
unpack_kernel() {
  local setup start length
  read -r setup < <(od -An -tu1 -j497 -N1 "$1")
  read -r start length < <(od -An -tu4 -j584 -N8 "$1")
  dd if="$1" of="$temporary/payload" bs=1M iflag=skip_bytes,count_bytes skip=$(((setup + 1) * 512 + start)) count=$((length - 4)) status=none
  case $(od -An -tx1 -N4 "$temporary/payload" | tr -d ' ') in
    fd377a58) xz -dc < "$temporary/payload" > "$2.new" ;;
    02214c18) lz4 -dcq < "$temporary/payload" > "$2.new" ;;
    28b52ffd) zstd -dcq < "$temporary/payload" > "$2.new" ;;
    *) fail "the kernel $1 is compressed in a way that this script does not know" ;;
  esac
  [ "$(od -An -tx1 -N4 "$2.new" | tr -d ' ')" = 7f454c46 ] || fail "what is in the kernel $1 is no ELF file"
  mv "$2.new" "$2"
}
[ -e "$out/xen" ] || { gzip -dc "$tree"/boot/xen-*-amd64.gz > "$out/xen.new" && mv "$out/xen.new" "$out/xen"; }
[ -e "$out/dom0-kernel" ] || unpack_kernel "$work"/kernel/boot/vmlinuz-* "$out/dom0-kernel"
[ "$out/domu-kernel" -nt .cache/guest/vmlinuz ] || unpack_kernel .cache/guest/vmlinuz "$out/domu-kernel"

# --- Xen's side of the tests, static so that it runs in any domain.
peer=tests/InXen/c/vchan-peer.c
if [ ! "$out/vchan-peer" -nt "$peer" ] || [ ! "$out/vchan-peer" -nt "$0" ]; then
  gcc -O2 -Wall -Werror -static -I "$tree/usr/include" -L "$libraries" -o "$out/vchan-peer.new" "$peer" \
    -l:libxenvchan.a -l:libxenstore.a -l:libxengnttab.a -l:libxenevtchn.a -l:libxentoollog.a -l:libxentoolcore.a -lpthread
  mv "$out/vchan-peer.new" "$out/vchan-peer"
fi

# --- What draws random numbers in a domain.
sample=tests/Guest.Tests/c/sample.c
if [ ! "$out/sample" -nt "$sample" ] || [ ! "$out/sample" -nt "$0" ]; then
  gcc -O2 -Wall -Werror -static -nostdlib -fno-stack-protector -o "$out/sample.new" "$sample"
  mv "$out/sample.new" "$out/sample"
fi

pack() { (cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --quiet); }

# --- The test guest as a domain: its own initramfs, and behind it what it has more here.
stamp=$(cat .cache/guest/initrd.stamp "$out/vchan-peer" "$out/sample" scripts/xen/inittab "$0" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$work/domu.stamp" 2>/dev/null)" != "$stamp" ]; then
  mkdir -p "$temporary/domu"/{etc,usr/bin}
  cp scripts/xen/inittab "$temporary/domu/etc/"
  cp "$out/vchan-peer" "$out/sample" "$temporary/domu/usr/bin/"
  { cat .cache/guest/initrd; pack "$temporary/domu"; } > "$out/domu-initrd.new"
  mv "$out/domu-initrd.new" "$out/domu-initrd"
  echo "$stamp" > "$work/domu.stamp"
fi

# --- The .NET runtime.
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
stamp=$({ ls "$dotnet"/shared/*/; cat scripts/copy-runtime.sh; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$work/runtime.stamp" 2>/dev/null)" != "$stamp" ]; then
  scripts/copy-runtime.sh "$temporary"
  rm -f "$out/runtime.img"
  truncate -s "$(($(du -sm "$temporary/dotnet" | cut -f1) * 5 / 4 + 16))M" "$out/runtime.img"
  mkfs.ext4 -q -F -O ^has_journal -d "$temporary/dotnet" "$out/runtime.img"
  echo "$stamp" > "$work/runtime.stamp"
fi

# --- dom0: busybox, Xen's tools and hotplug scripts, the libraries of these and of the runtime.
stamp=$(cat "$work/unpacked" scripts/xen/dom0-init src/Tools/channelctl/appliance/add-modules.sh "$0" "$work/runtime.stamp" "$(command -v busybox)" | sha256sum | cut -d' ' -f1)
[ "$(cat "$work/dom0.stamp" 2>/dev/null)" = "$stamp" ] && exit 0
echo "build-xen: building dom0"
root=$temporary/dom0
libexec=usr/lib/xen-$version/bin
mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,root,modules,lib64,etc/xen,usr/bin,$libexec,usr/lib/x86_64-linux-gnu,var/lib/xen,var/log/xen,var/lib/xenstored}
ln -s usr/lib "$root/lib"
ln -s ../run "$root/var/run"
ln -s ../run/lock "$root/var/lock"
cp scripts/xen/dom0-init "$root/init"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
# The hotplug scripts of block devices are for bash.
cp "$(command -v bash)" "$(command -v flock)" "$root/bin/"
cp -r "$tree/etc/xen/scripts" "$root/etc/xen/"
echo 'autoballoon="off"' > "$root/etc/xen/xl.conf"
cp "$tree/$libexec"/{xl,xenstored,xenconsoled,xen-init-dom0,libxl-save-helper} "$root/$libexec/"
cp "$tree/usr/bin/xenstore" "$root/usr/bin/"
# The runtime loads it by its name.
cp -L /usr/lib/x86_64-linux-gnu/libssl.so.3 "$root/usr/lib/x86_64-linux-gnu/"
for name in read write list ls exists rm watch; do ln -s xenstore "$root/usr/bin/xenstore-$name"; done
# ldd fails over scripts and static programs.
{
  find "$root/bin" "$root/usr" -type f -exec env LD_LIBRARY_PATH="$libraries" ldd {} + || true
  find "$dotnet/dotnet" "$dotnet/shared" \( -name dotnet -o -name '*.so' \) -type f -exec ldd {} + || true
} 2>/dev/null \
  | grep -o '/[^ ]*\.so[^ ]*' | grep -v "^$dotnet" | sort -u | while read -r library; do
    [ -f "$library" ] || continue
    case $library in
      */ld-linux-*) cp -Ln "$library" "$root/lib64/" ;;
      *) cp -Ln "$library" "$root/usr/lib/x86_64-linux-gnu/" ;;
    esac
  done
src/Tools/channelctl/appliance/add-modules.sh "$work/kernel" "$root/modules" order xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-blkback loop \
  virtio_pci virtio_blk 9pnet_virtio 9p crc32c_generic ext4
chmod 755 "$root/init"
pack "$root" > "$out/dom0-initrd.new"
mv "$out/dom0-initrd.new" "$out/dom0-initrd"
echo "$stamp" > "$work/dom0.stamp"
echo "build-xen: $(du -h "$out/dom0-initrd" | cut -f1) initramfs for dom0, $(du -h "$out/domu-initrd" | cut -f1) for domains"
