#!/usr/bin/env bash
# build-appliance.sh [--output FOLDER] [--hooks FOLDER]... [--agent FILE]
#   makes an appliance in FOLDER (.cache/appliance): vmlinuz (Debian's cloud kernel) and initrd (busybox, what partitions,
#   formats and makes bootable, the agent with install = true). All of it is in memory, so each start is from the same state.
#   Hooks: each executable in a hooks folder is run, in the order of the names, with the appliance's root folder as argument.
#   The same inputs give the same bytes; nothing is rebuilt whose inputs are the same as last time.
set -euo pipefail
fail() { echo "build-appliance: $*" >&2; exit 1; }
usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

out=
agent=
hooks=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --output) out=$(realpath -m -- "$2") ;;
    --agent) agent=$(realpath -e -- "$2") || fail "there is no agent $2" ;;
    --hooks) hooks+=("$(realpath -e -- "$2")") || fail "there is no folder $2" ;;
    *) usage ;;
  esac
  shift 2
done
cd "$(dirname "$0")/.."
out=${out:-$PWD/.cache/appliance}
for hook in "${hooks[@]}"; do [ -d "$hook" ] || fail "$hook is no folder"; done
if [ -z "$agent" ]; then
  scripts/build-guest.sh
  agent=$PWD/artifacts/agent/channel-agent
fi
debs=$PWD/.cache/debs
work=$PWD/.cache/appliance-work
mkdir -p "$out" "$debs" "$work"
# One build at a time; the second finds everything done.
exec 9>"$work/lock"
flock 9

# What Debian has for disks. Their versions, and with them these files, stay as they are until .cache/debs is emptied.
packages=(e2fsprogs libext2fs2 libss2 libcom-err2 libuuid1 libblkid1 libc6 fdisk libfdisk1 libmount1 libselinux1 libpcre2-8-0
  libsmartcols1 libreadline8 libtinfo6 extlinux syslinux-common)
missing=()
for package in "${packages[@]}"; do compgen -G "$debs/${package}_*.deb" >/dev/null || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  echo "build-appliance: fetching ${missing[*]}"
  apt-get update -qq
  (cd "$debs" && apt-get download -qq "${missing[@]}" 2>/dev/null) || fail "apt-get could not fetch ${missing[*]}"
fi
files=()
for package in "${packages[@]}"; do
  found=("$debs/${package}"_*.deb)
  [ ${#found[@]} -eq 1 ] || fail "there are several versions of $package in $debs; keep one"
  files+=("${found[0]}")
done
if [ ! -d .cache/kernel/lib/modules ] || [ ! -e .cache/guest/vmlinuz ]; then scripts/build-guest.sh; fi

# Names and contents, not places and times.
list_inputs() {
  sha256sum < "$agent"
  sha256sum < "$(command -v busybox)"
  sha256sum .cache/guest/vmlinuz scripts/build-appliance.sh scripts/add-modules.sh scripts/appliance/* scripts/guest/rc scripts/guest/agent-loop
  for file in "${files[@]}"; do echo "$(basename "$file") $(sha256sum < "$file")"; done
  for hook in "${hooks[@]}"; do (cd "$hook" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r stat -c '%n %a' && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum); done
}
stamp=$(list_inputs | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && [ -e "$out/initrd" ] && [ -e "$out/vmlinuz" ]; then exit 0; fi

echo "build-appliance: building $out"
tree=$(mktemp -d "$work/tree.XXXXXX")
root=$(mktemp -d "$work/root.XXXXXX")
trap 'rm -rf "$tree" "$root"' EXIT
umask 022
for file in "${files[@]}"; do dpkg-deb -x "$file" "$tree"; done
mkdir -p "$root"/{bin,sbin,lib,lib64,dev,proc,sys,tmp,run,root,srv,mnt,modules,etc/channel-agent,usr/bin,usr/sbin,usr/lib/syslinux}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$agent" "$root/usr/sbin/channel-agent"
cp scripts/guest/rc "$root/etc/rc"
cp scripts/guest/agent-loop "$root/usr/sbin/agent-loop"
cp scripts/appliance/inittab "$root/etc/inittab"
cp scripts/appliance/agent.toml "$root/etc/channel-agent/"
cp scripts/appliance/os-release scripts/appliance/mke2fs.conf "$root/etc/"
chmod 755 "$root/etc/rc" "$root/usr/sbin/agent-loop" "$root/usr/sbin/channel-agent" "$root/bin/busybox"
ln -s /bin/busybox "$root/init"

# Programs of the packages, with the libraries that they name, and those that these name.
find_in_tree() { (cd "$tree" && for place in "$@"; do [ -e "$place" ] && echo "$place" && return; done; return 1); }
add_libraries() {
  local library path
  for library in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    [ -e "$root/lib/$library" ] && continue
    path=$(find_in_tree {usr/,}lib/x86_64-linux-gnu/"$library") || fail "no package has the library $library"
    cp -L "$tree/$path" "$root/lib/$library"
    add_libraries "$root/lib/$library"
  done
}
for program in mke2fs e2fsck resize2fs tune2fs sfdisk extlinux; do
  path=$(find_in_tree {usr/,}{sbin,bin}/"$program") || fail "no package has the program $program"
  cp -L "$tree/$path" "$root/usr/sbin/$program"
  add_libraries "$root/usr/sbin/$program"
done
for name in mkfs.ext2 mkfs.ext3 mkfs.ext4; do ln -s mke2fs "$root/usr/sbin/$name"; done
cp -L "$tree/$(find_in_tree {usr/,}lib/x86_64-linux-gnu/ld-linux-x86-64.so.2)" "$root/lib64/ld-linux-x86-64.so.2"
cp "$tree/usr/lib/syslinux/mbr/mbr.bin" "$root/usr/lib/syslinux/mbr.bin"

scripts/add-modules.sh .cache/kernel "$root/modules" order virtio_pci virtio_console virtio_blk virtio-rng virtio_net af_packet crc32c_generic \
  ext4 xfs loop vmw_vsock_virtio_transport qemu_fw_cfg

export APPLIANCE_KERNEL=$PWD/.cache/guest/vmlinuz APPLIANCE_MODULES=$PWD/.cache/kernel SOURCE_DATE_EPOCH=0
for folder in "${hooks[@]}"; do
  for hook in "$folder"/*; do
    [ -f "$hook" ] && [ -x "$hook" ] || continue
    echo "build-appliance: hook $(basename "$hook")"
    "$hook" "$root" || fail "the hook $hook failed with code $?"
  done
done

find "$root" -print0 | xargs -0 touch -h -d @0
(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --reproducible --quiet) > "$out/initrd.new"
cp .cache/guest/vmlinuz "$out/vmlinuz.new"
rm -f "$out/stamp"
mv "$out/initrd.new" "$out/initrd"
mv "$out/vmlinuz.new" "$out/vmlinuz"
echo "$stamp" > "$out/stamp"
echo "build-appliance: $(du -h "$out/initrd" | cut -f1) initramfs, sha256 $(sha256sum < "$out/initrd" | cut -c1-16)"
