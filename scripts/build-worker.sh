#!/usr/bin/env bash
# build-worker.sh   publishes channel-worker, in which a host manager parses the bytes of an instance's guest, to artifacts/host, and the program
# by which tests try what such a process may do to artifacts/tests. Nothing is rebuilt whose inputs are the same as last time.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "build-worker: $*" >&2; exit 1; }
mkdir -p .cache artifacts
# Tests and builds of guests may call this at the same time.
exec 9>.cache/worker.lock
flock 9

# name, project, output
publish() {
  local sources stamp
  sources=$(find "$2" src/Worker src/Channel src/Transports src/Linux protocol Directory.*.props -type f \( -name '*.cs' -o -name '*.csproj' -o -name '*.proto' -o -name '*.props' -o -name '*.targets' \) \
    -not -path '*/obj/*' -not -path '*/bin/*' | LC_ALL=C sort -u)
  stamp=$(cat $sources "$0" | sha256sum | cut -d' ' -f1)
  [ "$(cat ".cache/$1.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$3/$1" ] && return
  echo "build-worker: publishing $1"
  # An incremental publish after a change of linker settings would keep the old binary.
  rm -rf "$3/$1" "$2"/bin/Release/*/linux-x64/native "$2"/obj/Release/*/linux-x64/native
  dotnet publish "$2" -c Release -o "$3" -v q --nologo >.cache/worker-publish.log 2>&1 || { tail -30 .cache/worker-publish.log >&2; fail "$1 could not be published"; }
  if ldd "$3/$1" >/dev/null 2>&1; then fail "$1 is not a static executable"; fi
  echo "$stamp" > ".cache/$1.stamp"
}
publish channel-worker src/Worker artifacts/host
publish in-worker tests/InWorker artifacts/tests
