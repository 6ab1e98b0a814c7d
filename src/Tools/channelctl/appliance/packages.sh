# Packages of an appliance: which (resolve), that the list of them is one (check_lock), and their files (fetch, deb_of). For build.sh,
# with its cache, temporary, kind, mirrors and update; $lock is a line "name version sha256 place-on-the-mirror" for each.
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
want "$keyring" debian-archive-keyring

# By an apt that knows nothing of this host: its sources, its architecture and what it has installed do not matter.
resolve() {
  local names mirror kernel archive
  names=$(package_names)
  lock=$cache/locks/$kind-$(printf '%s\n' "$names" "${mirrors[@]}" | sha256sum | cut -c1-16)
  if [ -z "$update" ] && [ -e "$lock" ]; then return; fi
  echo "appliance build: asking which packages there are"
  local apt=$temporary/apt
  mkdir -p "$apt/lists/partial" "$apt/cache" "$apt/empty"
  : > "$apt/status"
  cat > "$apt/apt.conf" <<CONF
Dir "$apt/empty";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc "$apt/empty";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
  for mirror in "${mirrors[@]}"; do
    archive=$suite
    [[ $mirror == *debian-security* ]] && archive=$suite-security
    # A snapshot is older than its lists say they may be.
    echo "deb [signed-by=$keyring check-valid-until=no] $mirror $archive main"
  done > "$apt/sources.list"
  APT_CONFIG=$apt/apt.conf apt-get update -qq || fail "the lists of ${mirrors[*]} cannot be had; is there a network?"
  kernel=$(APT_CONFIG=$apt/apt.conf apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$kernel" ] || fail "${mirrors[*]} have no linux-image-cloud-amd64"
  # shellcheck disable=SC2086 # names and patterns, none with a space
  APT_CONFIG=$apt/apt.conf apt-get install -s -qq $names > "$apt/plan" || fail "apt cannot put together the packages of an appliance of the kind $kind; its words are above"
  # shellcheck disable=SC2046
  APT_CONFIG=$apt/apt.conf apt-cache show --no-all-versions $(sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' "$apt/plan") "$kernel" | awk '
    /^Package: / { name = $2 } /^Version: / { version = $2 } /^SHA256: / { sha256 = $2 } /^Filename: / { place = $2 }
    function tell() { if (name != "") print name, version, sha256, place; name = "" }
    /^$/ { tell() } END { tell() }' | LC_ALL=C sort -u > "$apt/list"
  [ "$(wc -l < "$apt/list")" -eq "$(($(grep -c '^Inst ' "$apt/plan") + 1))" ] || fail "apt-cache does not tell all packages of its plan"
  { echo "# Packages of an appliance of the kind $kind: name, version, SHA-256, place on the mirror"; cat "$apt/list"; } > "$lock.new"
  mv "$lock.new" "$lock"
}

entries() { grep -v '^#' "$lock"; }

check_lock() {
  local line
  line=$(entries | grep -nvE '^[a-z0-9][a-z0-9+.-]* [A-Za-z0-9.+:~-]+ [0-9a-f]{64} pool/[A-Za-z0-9/.+:~%_-]+\.deb$' | head -1) || true
  [ -z "$line" ] || fail "$lock is no list of packages: '${line#*:}'"
  head -1 "$lock" | grep -q "kind $kind:" || fail "$lock is not of an appliance of the kind $kind"
  [ -n "$(kernel_package)" ] || fail "$lock names no kernel"
}

kernel_package() { entries | sed -n 's/^\(linux-image-[^ ]*\) .*/\1/p' | head -1; }

# A file of the cache is what its list says, whoever put it there.
is_fetched() { [ -e "$cache/debs/$1" ] && [ "$(sha256sum < "$cache/debs/$1" | cut -d' ' -f1)" = "$2" ]; }

fetch() {
  local name version sha256 place mirror count left
  for mirror in "${mirrors[@]}" ""; do
    left=() count=0
    while read -r name version sha256 place; do
      if is_fetched "${place##*/}" "$sha256"; then continue; fi
      count=$((count + 1))
      rm -f "$cache/debs/${place##*/}"
      left+=("$mirror/$place" "$cache/debs/${place##*/}" "SHA256:$sha256")
    done < <(entries)
    [ $count -gt 0 ] || return 0
    [ -n "$mirror" ] || break
    echo "appliance build: fetching $count packages from $mirror"
    # Each mirror has a part of them.
    /usr/lib/apt/apt-helper -o Acquire::Retries=3 -o APT::Sandbox::User=root download-file "${left[@]}" >"$temporary/fetch.log" 2>&1 || true
  done
  sed -n 's/^E: //p' "$temporary/fetch.log" | head -3 >&2
  fail "$count packages cannot be had from ${mirrors[*]}; an older version is at a mirror of http://snapshot.debian.org/ (--mirror)"
}

deb_of() {
  local place
  place=$(entries | sed -n "s/^$1 [^ ]* [^ ]* //p" | head -1)
  [ -n "$place" ] || fail "$lock does not name $1"
  echo "$cache/debs/${place##*/}"
}
