#!/usr/bin/env bash
# Installs the Debian packages that the tests need on this machine. Their
# services are not started: a policy-rc.d that forbids it stands in for the
# time of the installation, and whatever was there before comes back.
#
# usage: sudo test/setup.sh [demo]      (demo: only what `make demo` needs)
set -euo pipefail

# program -> package that has it
needs=(
  iptables:iptables ipset:ipset ip:iproute2 bridge:iproute2 nft:nftables
  conntrack:conntrack sysctl:procps nsenter:util-linux unshare:util-linux
  dpkg-deb:dpkg ps:procps openssl:openssl curl:curl
)
# For the tests that boot a whole system.
boot_needs=(debootstrap:debootstrap systemd-nspawn:systemd-container rpm:rpm)
# For the alert rules.
checks=(promtool:prometheus)
# What the bench measures beside.
beside=(ufw:ufw)
# Shells that the completions are for.
shells=(zsh:zsh fish:fish)
policy=/usr/sbin/policy-rc.d

say() { printf 'setup: %s\n' "$*"; }

missing() {
  local need
  for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || printf '%s\n' "${need##*:}"
  done | sort -u
  # dockerd is linked against these, and starts no service.
  local library
  for library in libsystemd.so.0:libsystemd0 libdevmapper.so.1.02.1:libdevmapper1.02.1 libseccomp.so.2:libseccomp2; do
    ldconfig -p | grep -F "${library%%:*}" >/dev/null || printf '%s\n' "${library##*:}"
  done
}

forbid_services() {
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$policy.dockwall-saved"; fi
  trap allow_services EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

allow_services() {
  rm -f "$policy"
  if [ -e "$policy.dockwall-saved" ] || [ -L "$policy.dockwall-saved" ]; then
    mv "$policy.dockwall-saved" "$policy"
  fi
}

main() {
  PATH=$PATH:/usr/sbin:/sbin
  if [ "${1:-}" != demo ]; then needs+=("${boot_needs[@]}" "${checks[@]}" "${shells[@]}" "${beside[@]}"); fi
  local packages
  mapfile -t packages < <(missing)
  if [ ${#packages[@]} -eq 0 ]; then
    say "everything that is needed is installed"
    return
  fi
  say "installing ${packages[*]}, with their services forbidden to start"
  if [ "$(id -u)" -ne 0 ]; then
    say "that needs root: sudo test/setup.sh" >&2
    exit 1
  fi
  forbid_services
  apt-get -q update
  DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends "${packages[@]}"
}

main "$@"
