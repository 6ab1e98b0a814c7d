# The small appliance, for build.sh: all of it is in the initial RAM disk, so each start is from the same state.
results=(initrd)
want readelf binutils

# What Debian has for disks, of each package its files and not what it depends on.
small_packages=(e2fsprogs libext2fs2 libss2 libcom-err2 libuuid1 libblkid1 libc6 fdisk libfdisk1 libmount1 libselinux1 libpcre2-8-0
  libsmartcols1 libreadline8 libtinfo6 extlinux syslinux-common busybox-static)
package_names() { echo "${small_packages[*]}"; }

build() {
  local tree=$1/tree root=$1/root package program path name
  mkdir -p "$tree" "$root"/{bin,sbin,lib,lib64,dev,proc,sys,tmp,run,root,srv,mnt,modules,etc,usr/bin,usr/sbin,usr/lib/syslinux}
  for package in "${small_packages[@]}"; do dpkg-deb -x "$(deb_of "$package")" "$tree"; done
  cp "$tree/bin/busybox" "$root/bin/busybox"
  add_agent "$root"
  cp "$here"/small/{os-release,mke2fs.conf} "$root/etc/"
  ln -s /bin/busybox "$root/init"

  for program in mke2fs e2fsck resize2fs tune2fs sfdisk extlinux; do
    path=$(find_in_tree {usr/,}{sbin,bin}/"$program") || fail "no package has the program $program"
    cp -L "$tree/$path" "$root/usr/sbin/$program"
    add_libraries "$root/usr/sbin/$program"
  done
  for name in mkfs.ext2 mkfs.ext3 mkfs.ext4; do ln -s mke2fs "$root/usr/sbin/$name"; done
  cp -L "$tree/$(find_in_tree {usr/,}lib/x86_64-linux-gnu/ld-linux-x86-64.so.2)" "$root/lib64/ld-linux-x86-64.so.2"
  cp "$tree/usr/lib/syslinux/mbr/mbr.bin" "$root/usr/lib/syslinux/mbr.bin"

  bash "$here/add-modules.sh" "$APPLIANCE_MODULES" "$root/modules" order virtio_pci virtio_console virtio_blk virtio-rng virtio_net af_packet \
    crc32c_generic ext4 xfs loop vmw_vsock_virtio_transport qemu_fw_cfg
  run_hooks "$root"
  pack "$root" > "$1/initrd"
}

# Programs of the packages, with the libraries that they name, and those that these name; in build's tree and root.
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
