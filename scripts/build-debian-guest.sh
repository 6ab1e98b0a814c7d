#!/usr/bin/env bash
# build-debian-guest.sh   makes a Debian guest with systemd, cloud-init and channel-agent under .cache/debian: vmlinuz,
# initrd and root.img (ext4 without a partition table). The system is built once; the agent in it is replaced when it changes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/debian
mkdir -p "$out"
fail() { echo "build-debian-guest: $*" >&2; exit 1; }
scripts/build-guest.sh
# Test processes call this at the same time.
exec 9>"$out/lock"
flock 9

stamp=$(sha256sum "$0" | cut -d' ' -f1)
if [ "$(cat "$out/system.stamp" 2>/dev/null)" != "$stamp" ]; then
  echo "build-debian-guest: building the system (once; some minutes)"
  root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
  mmdebstrap --quiet --variant=minbase \
    --include=systemd-sysv,udev,dbus,cloud-init,openssh-server,iproute2,kmod,linux-image-cloud-amd64,initramfs-tools \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' bookworm "$root/r" \
    || fail "mmdebstrap failed; its words are above"
  r=$root/r
  sed -i '1s/.*/root::0:0:root:\/root:\/bin\/bash/' "$r/etc/passwd"
  echo '/dev/vda / ext4 defaults 0 1' > "$r/etc/fstab"
  echo guest > "$r/etc/hostname"
  mkdir -p "$r/etc/channel-agent" "$r/usr/bin"
  # The link to the host, if there is one; cloud-init leaves networks alone.
  printf '[Match]\nMACAddress=02:00:a9:fe:a9:01\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' > "$r/etc/systemd/network/10-host.network"
  printf 'network: {config: disabled}\n' > "$r/etc/cloud/cloud.cfg.d/90-network.cfg"
  chroot "$r" systemctl enable -q systemd-networkd
  # A root shell on the console, which a test can drive.
  mkdir -p "$r/etc/systemd/system/serial-getty@ttyS0.service.d"
  printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty -o "-p -- \\\\u" -a root --keep-baud 115200 - dumb\n' > "$r/etc/systemd/system/serial-getty@ttyS0.service.d/login.conf"
  cp src/GuestAgent/packaging/channel-agent.service "$r/etc/systemd/system/"
  cp src/GuestAgent/packaging/agent.toml "$r/etc/channel-agent/"
  cp artifacts/agent/channel-agent "$r/usr/bin/channel-agent"
  chroot "$r" systemctl enable -q channel-agent
  cp "$r"/boot/vmlinuz-* "$out/vmlinuz"
  cp "$r"/boot/initrd.img-* "$out/initrd"
  rm -rf "$r"/var/cache/apt/archives/*.deb "$r"/var/lib/apt/lists/*
  rm -f "$out/root.img"
  truncate -s 1500M "$out/root.img"
  mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -d "$r" "$out/root.img"
  echo "$stamp" > "$out/system.stamp"
  rm -f "$out/agent.stamp"
fi

files=(artifacts/agent/channel-agent src/GuestAgent/packaging/channel-agent.service src/GuestAgent/packaging/agent.toml)
stamp=$(cat "${files[@]}" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/agent.stamp" 2>/dev/null)" != "$stamp" ]; then
  debugfs -w -f - "$out/root.img" >/dev/null 2>&1 <<COMMANDS
rm /usr/bin/channel-agent
write ${files[0]} /usr/bin/channel-agent
sif /usr/bin/channel-agent mode 0100755
rm /etc/systemd/system/channel-agent.service
write ${files[1]} /etc/systemd/system/channel-agent.service
rm /etc/channel-agent/agent.toml
write ${files[2]} /etc/channel-agent/agent.toml
COMMANDS
  echo "$stamp" > "$out/agent.stamp"
fi
