#!/usr/bin/env bash
# build.sh --output FOLDER --agent FILE [--kind small|debian] [--hooks FOLDER]... [--cache FOLDER] [--lock FILE] [--mirror URL]... [--update]
#   makes an appliance in FOLDER: a kernel, an initial RAM disk and, of the kind debian, a root file system, from packages of Debian 12.
#   small: busybox, what partitions, formats and makes bootable, and the agent, all in memory. debian: a Debian with the tools of
#   installs (debian/packages). Their versions stand in FOLDER/packages.lock; --lock builds from such a file again, and --mirror says
#   where its packages are still to be had. They stay as they are until --update. The same inputs give the same bytes; nothing is
#   rebuilt whose inputs are the same as last time. docs/INSTALL.md tells of hooks.
set -euo pipefail
fail() { echo "appliance build: $*" >&2; exit 1; }
usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kind=small out= agent= lock= update=
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/channelsdk
hooks=() mirrors=()
while [ $# -gt 0 ]; do
  case $1 in
    --update) update=1; shift; continue ;;
  esac
  [ $# -ge 2 ] || usage
  case $1 in
    --kind) kind=$2 ;;
    --output) out=$(realpath -m -- "$2") ;;
    --cache) cache=$(realpath -m -- "$2") ;;
    --agent) agent=$(realpath -e -- "$2" 2>/dev/null) || fail "there is no agent $2" ;;
    --lock) lock=$(realpath -e -- "$2" 2>/dev/null) || fail "there is no file $2" ;;
    --hooks) hooks+=("$(realpath -e -- "$2" 2>/dev/null)") || fail "there is no folder $2" ;;
    --mirror) mirrors+=("${2%/}") ;;
    *) usage ;;
  esac
  shift 2
done
case $kind in small|debian) ;; *) fail "there is no kind '$kind' of appliances; there are small and debian" ;; esac
[ -n "$out" ] || fail "where the appliance goes is not said; give --output FOLDER"
[ -n "$agent" ] || fail "there is no agent to put into it; give --agent FILE with the static channel-agent"
for hook in "${hooks[@]}"; do [ -d "$hook" ] || fail "$hook is no folder"; done
[ ${#mirrors[@]} -gt 0 ] || mirrors=(http://deb.debian.org/debian http://deb.debian.org/debian-security)

# What the host has to have: program or file, and its package.
missing=()
want() { if [[ $1 == /* ]]; then [ -e "$1" ]; else command -v "$1" >/dev/null; fi || missing+=("$2"); }
want dpkg-deb dpkg
want /usr/lib/apt/apt-helper apt
want cpio cpio
want modprobe kmod
# shellcheck source=small.sh
source "$here/$kind.sh"
source "$here/packages.sh"
[ ${#missing[@]} -eq 0 ] || fail "this host lacks programs; apt-get install --no-install-recommends ${missing[*]}"

umask 022
mkdir -p "$out" "$cache" || fail "the folders $out and $cache cannot be made"
work=$cache/work
mkdir -p "$work" "$cache/debs" "$cache/locks"
# One build at a time; the second finds everything done.
exec 9>"$work/lock"
flock 9
# What a killed build has left.
rm -rf --one-file-system "$work"/build.*
temporary=$(mktemp -d "$work/build.XXXXXX")
trap 'rm -rf --one-file-system "$temporary"' EXIT
chmod 755 "$temporary"

[ -n "$lock" ] || resolve
check_lock

# Names and contents, not places and times.
list_inputs() {
  cat "$lock"
  sha256sum < "$agent"
  cd "$here"
  sha256sum build.sh packages.sh add-modules.sh "$kind.sh" common/* "$kind"/*
  for hook in "${hooks[@]}"; do
    cd "$hook"
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r stat -c '%n %a'
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
  done
}
stamp=$(list_inputs | sha256sum | cut -d' ' -f1)
is_built() { local file; for file in vmlinuz packages.lock "${results[@]}"; do [ -e "$out/$file" ] || return 1; done; [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; }
if is_built; then exit 0; fi

echo "appliance build: building $out"
fetch
SOURCE_DATE_EPOCH=0
kernel=$(deb_of "$(kernel_package)")
APPLIANCE_MODULES=$work/kernel-$(sha256sum < "$kernel" | cut -c1-16)
if [ ! -e "$APPLIANCE_MODULES" ]; then
  dpkg-deb -x "$kernel" "$temporary/kernel"
  depmod -b "$temporary/kernel" "$(basename "$temporary"/kernel/lib/modules/*)"
  mv "$temporary/kernel" "$APPLIANCE_MODULES"
fi
APPLIANCE_KERNEL=$(echo "$APPLIANCE_MODULES"/boot/vmlinuz-*)
export SOURCE_DATE_EPOCH APPLIANCE_KERNEL APPLIANCE_MODULES

# What both kinds have below /etc and /usr/sbin.
add_agent() {
  mkdir -p "$1/etc/channel-agent" "$1/usr/sbin"
  cp "$agent" "$1/usr/sbin/channel-agent"
  cp "$here/common/agent-loop" "$1/usr/sbin/agent-loop"
  cp "$here/common/inittab" "$1/etc/inittab"
  cp "$here/common/agent.toml" "$1/etc/channel-agent/agent.toml"
  cat "$here/$kind/rc" "$here/common/rc.channel" > "$1/etc/rc"
  chmod 755 "$1/etc/rc" "$1/usr/sbin/agent-loop" "$1/usr/sbin/channel-agent"
}
run_hooks() {
  local folder hook
  for folder in "${hooks[@]}"; do
    for hook in "$folder"/*; do
      [ -f "$hook" ] && [ -x "$hook" ] || continue
      echo "appliance build: hook $(basename "$hook")"
      "$hook" "$1" || fail "the hook $hook failed with code $?"
    done
  done
}
pack() {
  find "$1" -print0 | xargs -0 touch -h -d @0
  (cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --reproducible --quiet)
}
build "$temporary"

cp "$APPLIANCE_KERNEL" "$temporary/vmlinuz"
cp "$lock" "$temporary/packages.lock"
rm -f "$out/stamp"
for file in vmlinuz packages.lock "${results[@]}"; do
  cp "$temporary/$file" "$out/$file.new"
  mv "$out/$file.new" "$out/$file"
done
echo "$stamp" > "$out/stamp"
for file in "${results[@]}"; do
  echo "appliance build: $file, $(du -h "$out/$file" | cut -f1), sha256 $(sha256sum < "$out/$file" | cut -c1-16)"
done
