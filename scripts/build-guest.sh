#!/usr/bin/env bash
# build-guest.sh   makes the test guest under .cache/guest: vmlinuz (Debian's cloud kernel) and initrd (busybox, the
# virtio modules, channel-agent). Nothing is rebuilt whose inputs are the same as last time.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/guest
# It starts as the small appliance does.
appliance=src/Tools/channelctl/appliance
mkdir -p "$out" .cache/debs
# Tests and ./demo call this at the same time: the second waits for what the first makes.
exec 9>"$out/lock"
flock 9
fail() { echo "build-guest: $*" >&2; exit 1; }

# The kernel, unpacked beside everything else; nothing goes to /boot.
if [ ! -e "$out/vmlinuz" ]; then
  apt-get update -qq
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$kernel" ] || fail "apt knows no linux-image-cloud-amd64; is this Debian 12 with its main archive in sources.list?"
  echo "build-guest: fetching $kernel"
  (cd .cache/debs && apt-get download -qq "$kernel")
  rm -rf .cache/kernel
  # The builder of appliances may have others of the name there.
  dpkg-deb -x "$(ls -t .cache/debs/"$kernel"_*.deb | head -1)" .cache/kernel
  cp .cache/kernel/boot/vmlinuz-* "$out/vmlinuz"
fi

# The agent: one static file.
sources=$(find src/GuestAgent src/Services src/Channel src/Transports src/Linux protocol Directory.*.props -type f \
  \( -name '*.cs' -o -name '*.csproj' -o -name '*.proto' -o -name '*.props' -o -name '*.targets' -o -name '*.xml' \) -not -path '*/obj/*' -not -path '*/bin/*' | LC_ALL=C sort)
stamp=$(cat $sources | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/agent.stamp" 2>/dev/null)" != "$stamp" ] || [ ! -x artifacts/agent/channel-agent ]; then
  echo "build-guest: publishing the agent"
  # An incremental publish after a change of linker settings would keep the old binary.
  rm -rf artifacts/agent src/GuestAgent/bin/Release/*/linux-x64/native src/GuestAgent/obj/Release/*/linux-x64/native
  dotnet publish src/GuestAgent/ChannelSdk.GuestAgent.csproj -c Release -o artifacts/agent -v q --nologo >"$out/publish.log" 2>&1 \
    || { tail -30 "$out/publish.log" >&2; fail "the agent could not be published"; }
  if ldd artifacts/agent/channel-agent >/dev/null 2>&1; then fail "the agent is not a static executable"; fi
  echo "$stamp" > "$out/agent.stamp"
fi

# What QEMU starts for each connection of a guest on its user network.
sources=$(find src/Tools/ForwardHelper src/Linux Directory.*.props -type f -name '*.cs' -o -name '*.props' -o -name '*.csproj' -path 'src/*' | grep -v /obj/ | LC_ALL=C sort)
stamp=$(cat $sources | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/forward.stamp" 2>/dev/null)" != "$stamp" ] || [ ! -x artifacts/host/channel-forward ]; then
  echo "build-guest: publishing channel-forward"
  rm -rf artifacts/host/channel-forward src/Tools/ForwardHelper/bin/Release/*/linux-x64/native src/Tools/ForwardHelper/obj/Release/*/linux-x64/native
  dotnet publish src/Tools/ForwardHelper/ChannelSdk.ForwardHelper.csproj -c Release -o artifacts/host -v q --nologo >"$out/publish.log" 2>&1 \
    || { tail -30 "$out/publish.log" >&2; fail "channel-forward could not be published"; }
  echo "$stamp" > "$out/forward.stamp"
fi

stamp=$(cat artifacts/agent/channel-agent scripts/guest/* "$appliance"/add-modules.sh "$appliance"/small/rc "$appliance"/common/rc.channel "$0" "$out/vmlinuz" "$(command -v busybox)" | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/initrd.stamp" 2>/dev/null)" = "$stamp" ] && [ -e "$out/initrd" ] && exit 0

echo "build-guest: building the initramfs"
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,sbin,etc/channel-agent,proc,sys,dev,tmp,run,root,usr/bin,usr/sbin,modules}
chmod 755 "$root"
cp "$(command -v busybox)" "$root/bin/busybox"
cp artifacts/agent/channel-agent "$root/usr/sbin/channel-agent"
cp scripts/guest/inittab "$root/etc/inittab"
cat "$appliance/small/rc" "$appliance/common/rc.channel" scripts/guest/rc.test > "$root/etc/rc"
cp scripts/guest/agent-loop "$root/usr/sbin/agent-loop"
cp scripts/guest/agent.toml "$root/etc/channel-agent/agent.toml"
chmod 755 "$root/etc/rc" "$root/usr/sbin/agent-loop" "$root/usr/sbin/channel-agent"
ln -s /bin/busybox "$root/init"
scripts/guest/add-modules.sh .cache/kernel "$root/modules"
(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --quiet) > "$out/initrd.new"
mv "$out/initrd.new" "$out/initrd"
echo "$stamp" > "$out/initrd.stamp"
echo "build-guest: $(du -h "$out/initrd" | cut -f1) initramfs, $(du -h artifacts/agent/channel-agent | cut -f1) agent"
