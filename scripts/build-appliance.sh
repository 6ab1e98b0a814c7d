#!/usr/bin/env bash
# build-appliance.sh [--kind small|debian] [--output FOLDER] [--agent FILE] [OPTION]...
#   makes an appliance in FOLDER (.cache/appliance or .cache/debian-appliance) as src/Tools/channelctl/appliance/build.sh does, which
#   tells of the other options, with this project's agent and with what it fetches kept in .cache.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
kind=small agent=
for ((i = 1; i < $#; i++)); do
  case ${!i} in
    --kind) value=$((i + 1)); kind=${!value} ;;
    --agent) agent=1 ;;
  esac
done
if [ -z "$agent" ]; then
  "$tree/scripts/build-guest.sh"
  set -- --agent "$tree/artifacts/agent/channel-agent" "$@"
fi
[ "$kind" = small ] && name=appliance || name=$kind-appliance
exec "$tree/src/Tools/channelctl/appliance/build.sh" --output "$tree/.cache/$name" --cache "$tree/.cache" "$@"
