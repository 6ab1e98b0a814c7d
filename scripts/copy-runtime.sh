#!/usr/bin/env bash
# copy-runtime.sh FOLDER   copies this machine's .NET 10 runtime to FOLDER/dotnet, for tests that run inside a guest.
set -euo pipefail
folder=${1:?usage: copy-runtime.sh FOLDER}
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
mkdir -p "$folder/dotnet/host"
cp "$dotnet/dotnet" "$folder/dotnet/"
cp -r "$dotnet/host/fxr" "$folder/dotnet/host/"
for framework in Microsoft.NETCore.App Microsoft.AspNetCore.App; do
  version=$(ls "$dotnet/shared/$framework" | grep '^10\.' | sort -V | tail -1)
  mkdir -p "$folder/dotnet/shared/$framework"
  cp -r "$dotnet/shared/$framework/$version" "$folder/dotnet/shared/$framework/"
done
