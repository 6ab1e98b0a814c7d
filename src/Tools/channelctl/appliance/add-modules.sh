#!/usr/bin/env bash
# add-modules.sh TREE FOLDER LIST MODULE...   copies kernel modules, and what they need, from an unpacked kernel package to
# FOLDER, and names them in FOLDER/LIST in the order to load them. What FOLDER/order names is loaded before, and not again.
set -euo pipefail
tree=$1 folder=$2 list=$3
shift 3
version=$(basename "$tree"/lib/modules/*)
[ -e "$tree/lib/modules/$version/modules.dep.bin" ] || depmod -b "$tree" "$version"
: > "$folder/$list"
for module in "$@"; do
  modprobe -d "$tree" -S "$version" --show-depends "$module" | while read -r kind path _; do
    [ "$kind" = insmod ] || continue
    name=$(basename "$path")
    grep -qxF "$name" "$folder/order" "$folder/$list" && continue
    cp "$path" "$folder/$name"
    echo "$name" >> "$folder/$list"
  done
done
