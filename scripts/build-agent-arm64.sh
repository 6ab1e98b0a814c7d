#!/usr/bin/env bash
# build-agent-arm64.sh   publishes the agent for arm64, one static file, on an x86-64 machine: artifacts/agent-arm64/channel-agent.
# Installs Debian's cross compiler and user-mode emulator if they are missing. Nothing is rebuilt whose inputs are the same as last time.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/agent-arm64
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
fail() { echo "build-agent-arm64: $*" >&2; exit 1; }

scripts/prerequisites.sh arm64
sources=$(find src/GuestAgent src/Services src/Channel src/Transports src/Linux protocol scripts/arm64 Directory.*.props -type f \
  -not -path '*/obj/*' -not -path '*/bin/*' | LC_ALL=C sort)
stamp=$(cat $sources | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && [ -x artifacts/agent-arm64/channel-agent ] && exit 0

echo "build-agent-arm64: publishing the agent"
# An incremental publish after a change of linker settings would keep the old binary.
rm -rf artifacts/agent-arm64 src/GuestAgent/bin/Release/*/linux-arm64/native src/GuestAgent/obj/Release/*/linux-arm64/native
dotnet publish src/GuestAgent/ChannelSdk.GuestAgent.csproj -c Release -o artifacts/agent-arm64 -v q --nologo \
  -p:AgentRuntime=linux-arm64 -p:CppCompilerAndLinker="$PWD/scripts/arm64/gcc" -p:ObjCopyName=aarch64-linux-gnu-objcopy >"$out/publish.log" 2>&1 \
  || { tail -30 "$out/publish.log" >&2; fail "the agent could not be published"; }
echo "$stamp" > "$out/stamp"
echo "build-agent-arm64: $(du -h artifacts/agent-arm64/channel-agent | cut -f1) agent"
