# The Debian appliance, for build.sh: a root file system that is read only, over which each start has a layer in memory.
results=(initrd root.squashfs appliance.toml)
[ "$(id -u)" = 0 ] || fail "a Debian appliance is built as root"
want mmdebstrap mmdebstrap
want mksquashfs squashfs-tools

package_names() { sed 's/#.*//' "$here/debian/packages" | xargs echo '?essential' apt usr-is-merged; }

build() {
  local repository=$1/repository root=$1/early
  make_repository "$repository"
  # What customize has to know beside the kernel.
  declare -p here kind agent hooks > "$1/settings"
  declare -f fail add_agent run_hooks >> "$1/settings"
  # The root's folder goes with the others, even if this is killed.
  TMPDIR=$1 mmdebstrap --quiet --variant=apt --architectures=amd64 --include="$(entries | sed -n '/^linux-image-/!s/ .*//p' | paste -sd,)" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt=force-unsafe-io --aptopt='APT::Sandbox::User "root"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --customize-hook="bash '$here/debian/customize' '$1/settings' \"\$1\"" \
    "$suite" "$1/root.tar" "deb [trusted=yes] copy:$repository ./" >"$1/mmdebstrap.log" 2>&1 \
    || { tail -20 "$1/mmdebstrap.log" >&2; fail "mmdebstrap failed; its last words are above"; }
  sed -n '/^appliance build: hook /p' "$1/mmdebstrap.log"
  # Quick to unpack: the processor of a machine without KVM is slow, and its disk is not.
  mksquashfs - "$1/root.squashfs" -tar -comp lz4 -b 128K -no-xattrs -quiet -no-progress < "$1/root.tar" >"$1/squashfs.log" 2>&1 \
    || { tail -5 "$1/squashfs.log" >&2; fail "mksquashfs failed; its last words are above"; }
  rm "$1/root.tar"

  mkdir -p "$root"/{bin,dev,proc,sys,lower,upper,new,modules}
  dpkg-deb --fsys-tarfile "$(deb_of busybox-static)" | tar -x -C "$root" -f - ./bin/busybox
  cp "$here/debian/init" "$root/init"
  chmod 755 "$root/init"
  bash "$here/add-modules.sh" "$APPLIANCE_MODULES" "$root/modules" order virtio_pci virtio_blk squashfs overlay
  pack "$root" > "$1/initrd"
  cp "$here/debian/appliance.toml" "$1/appliance.toml"
}

# The packages of the list, and no others, as a mirror.
make_repository() {
  local name sha256 place
  mkdir "$1"
  while read -r name _ sha256 place; do
    case $name in linux-image-*) continue ;; esac
    ln "$cache/debs/${place##*/}" "$1/" 2>/dev/null || cp "$cache/debs/${place##*/}" "$1/"
    dpkg-deb -f "$1/${place##*/}"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${place##*/}" "$(stat -c %s "$1/${place##*/}")" "$sha256"
  done < <(entries) > "$1/Packages"
  printf 'Suite: %s\nCodename: %s\nArchitectures: amd64\nDate: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n %s %s Packages\n' \
    "$suite" "$suite" "$(sha256sum < "$1/Packages" | cut -d' ' -f1)" "$(stat -c %s "$1/Packages")" > "$1/Release"
}
