#!/usr/bin/env bash
# Fetches Docker engines, as Debian packages them, into .cache/engines/<X.Y>/bin
# without installing anything: no service is started and nothing outside the
# repository is changed. What is there already is left alone.
#
# usage: test/engines.sh [VERSION ...]      (default: 20.10 26.1 28.5)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
engines=$root/.cache/engines
arch=$(dpkg --print-architecture)

# Where each engine was last seen. Testing and unstable move on: what they no
# longer carry is replaced by what is nearest, under its real version.
suites_of() {
  case $1 in
    20.10) echo bookworm ;;
    26.*) echo trixie ;;
    *) echo forky sid ;;
  esac
}

# The packages of an engine. Engines before 26 have the client in docker.io.
packages=(docker.io docker-cli containerd runc tini)
# Without these an engine is of no use; docker-init only serves `run --init`.
programs=(dockerd docker docker-proxy containerd containerd-shim-runc-v2 runc)

say() { printf 'engines: %s\n' "$*"; }
fail() { printf 'engines: %s\n' "$*" >&2; exit 1; }

# The mirror this machine already uses for Debian itself.
site() {
  local found
  found=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | sort -u | head -n 1)
  if [ -z "$found" ]; then
    found=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort -u | head -n 1)
  fi
  [ -n "$found" ] || fail "apt knows no Debian mirror; add one to its sources, or set DOCKWALL_APT_SITE"
  printf '%s\n' "$found"
}

# A private apt: own state, cache and sources, so that the machine's package
# lists never see the newer suites. Sets apt_options.
private_apt() {
  local dir=$1 suite
  shift
  mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
  for suite in "$@"; do
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
      "$mirror" "$suite"
  done >"$dir/sources.list"
  apt_options=(
    -q -o "Dir::State=$dir/state" -o "Dir::State::status=/dev/null"
    -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir/sources.list"
    -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null
    -o Dir::Etc::PreferencesParts=/dev/null -o Acquire::Languages=none
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::Retries=3 -o APT::Sandbox::User=root
  )
  apt-get "${apt_options[@]}" update >"$dir/update.log" 2>&1 ||
    { cat "$dir/update.log" >&2; fail "reading the package lists of $* failed"; }
}

# "version suite" of every docker.io the private apt knows.
offers() {
  apt-cache "${apt_options[@]}" madison docker.io |
    awk -F'|' '{ gsub(/ /, "", $2); split($3, at, " "); sub(/\/.*/, "", at[2]); print $2, at[2] }'
}

# The offer for one wanted X.Y: the same X.Y, else the next newer, else the
# newest older one. Prints "version suite", or nothing.
choose() {
  local want=$1 exact
  exact=$(offers | awk -v want="$want." 'index($1, want) == 1' | head -n 1)
  if [ -n "$exact" ]; then
    printf '%s\n' "$exact"
    return
  fi
  { offers; printf '%s wanted\n' "$want"; } | sort -V |
    awk '$2 == "wanted" { past = 1; next } past { print; found = 1; exit } { last = $0 }
         END { if (!found && last != "") print last }'
}

# Unpacks the programs of the packages in $1 into $2/bin.
unpack() {
  local debs=$1 into=$2 deb
  mkdir -p "$into/bin" "$debs/tree"
  for deb in "$debs"/*.deb; do
    dpkg-deb -x "$deb" "$debs/tree"
    dpkg-deb -f "$deb" Package Version | paste -sd' ' >>"$into/packages"
  done
  local program
  for program in "${programs[@]}" docker-init tini; do
    find "$debs/tree/usr/bin" "$debs/tree/usr/sbin" "$debs/tree/usr/libexec" -name "$program" \
      -type f -perm /111 -exec cp {} "$into/bin/$program" \; 2>/dev/null || true
  done
  if [ -e "$into/bin/tini" ]; then ln -sf tini "$into/bin/docker-init"; fi
}

# runs PROGRAM: whether this machine can load it. Not all of them know
# --version, so it is the loader's complaint that counts, not the exit code.
runs() {
  local out code=0
  out=$(timeout 10 "$1" --version 2>&1 </dev/null) || code=$?
  [ "$code" -lt 124 ] && ! grep -qE 'GLIBC|shared librar' <<<"$out"
}

# runc is linked against its suite's libc: where that is too new for this
# machine, the runc of the machine's own suite serves as well.
own_runc() {
  local into=$1 dir=$2
  say "  its runc needs a newer libc than this machine has; taking runc of the machine's own suite"
  mkdir -p "$dir/tree"
  (cd "$dir" && apt-get -q -o APT::Sandbox::User=root download runc >download.log 2>&1) ||
    { cat "$dir/download.log" >&2; fail "apt-get download runc failed (do you need 'apt-get update'?)"; }
  dpkg-deb -x "$dir"/runc_*.deb "$dir/tree"
  cp "$dir/tree/usr/sbin/runc" "$into/bin/runc"
  dpkg-deb -f "$dir"/runc_*.deb Package Version | paste -sd' ' >>"$into/packages"
}

# fetch VERSION SUITE X.Y: downloads, unpacks, tries, and moves into place.
fetch() {
  local version=$1 suite=$2 name=$3 dir=$work/$3 package program
  mkdir -p "$dir/debs" "$dir/out"
  say "engine $name: fetching docker.io $version ($suite, $arch) with its containerd and runc; nothing is installed"
  for package in "${packages[@]}"; do
    (cd "$dir/debs" && apt-get "${apt_options[@]}" download "$package/$suite" >>"$dir/log" 2>&1) && continue
    if [ "$package" != docker-cli ]; then
      cat "$dir/log" >&2
      fail "engine $name: downloading $package from $suite failed"
    fi
  done
  unpack "$dir/debs" "$dir/out"
  runs "$dir/out/bin/runc" || own_runc "$dir/out" "$dir/runc"
  for program in "${programs[@]}"; do
    [ -x "$dir/out/bin/$program" ] || fail "engine $name: the packages hold no $program"
    runs "$dir/out/bin/$program" ||
      fail "engine $name: $program does not run on this machine: $("$dir/out/bin/$program" --version 2>&1 | head -n 1)"
  done
  # Another run may have been quicker; both are whole.
  mv -T "$dir/out" "$engines/$name" 2>/dev/null || [ -x "$engines/$name/bin/dockerd" ]
  say "engine $name: $("$engines/$name/bin/dockerd" --version), in .cache/engines/$name"
}

# get WANTED: finds the engine and fetches it, or says why it cannot be had.
get() {
  local want=$1 offer version suite name
  offer=$(choose "$want")
  if [ -z "$offer" ]; then
    say "engine $want: not to be had: $(suites_of "$want") carries no docker.io for $arch"
    return
  fi
  read -r version suite <<<"$offer"
  name=$(printf '%s' "$version" | sed -E 's/^([0-9]+:)?([0-9]+\.[0-9]+).*/\2/')
  if [ "$name" != "$want" ]; then
    say "engine $want: not in $(suites_of "$want") any more; the nearest is $version"
    if [ -x "$engines/$name/bin/dockerd" ]; then
      say "engine $name: already in .cache/engines/$name"
      return
    fi
  fi
  fetch "$version" "$suite" "$name"
}

main() {
  local want missing=()
  [ $# -gt 0 ] || set -- 20.10 26.1 28.5
  for want in "$@"; do
    if [ -x "$engines/$want/bin/dockerd" ]; then
      say "engine $want: already in .cache/engines/$want"
    else
      missing+=("$want")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  mkdir -p "$engines"
  # Beside its destination, so that the last step is a rename.
  work=$(mktemp -d "$engines/.fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mirror=${DOCKWALL_APT_SITE:-$(site)}
  for want in "${missing[@]}"; do
    say "engine $want: reading the package lists of $(suites_of "$want") from the mirror this machine's apt uses"
    # shellcheck disable=SC2046 # the suites are separate words
    private_apt "$work/apt-$want" $(suites_of "$want")
    get "$want"
  done
}

main "$@"
