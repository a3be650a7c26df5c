#!/usr/bin/env bash
# Makes dist/*.deb or dist/*.rpm from the commit that is checked out: the same
# commit and the same Go give the same bytes.
#
# usage: packaging/build.sh deb|rpm ...
#
# environment: VERSION (git describe), PACKAGE_VERSION (made of it), GOARCH,
# SOURCE_DATE_EPOCH (the commit's), DIST (dist)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 022
export LC_ALL=C TZ=UTC

say() { printf 'packaging: %s\n' "$*"; }

# Packages need a version that begins with a digit and grows. Where no tag says
# one, it is the commit's time.
package_version() {
  case $VERSION in
    v[0-9]*) printf '%s\n' "${VERSION#v}" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-dirty$/+dirty/; s/-/~/g' ;;
    [0-9]*.[0-9]*) printf '%s\n' "$VERSION" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-dirty$/+dirty/; s/-/~/g' ;;
    *) printf '0.0.0~git%s.%s\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)" "$(tr -c 'A-Za-z0-9\n' . <<<"$VERSION")" ;;
  esac
}

# build makes what goes into the packages below $1.
build() {
  local stage=$1 page shell
  mkdir -p "$stage/man" "$stage/completions"
  say "building agentd and agentctl $VERSION for $ARCH"
  CGO_ENABLED=0 GOARCH=$ARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid= -X main.version=$VERSION" -o "$stage/" ./agent/cmd/agentd ./agent/cmd/agentctl
  # The tool documents itself, and so it has to run here, whatever it is for.
  mkdir "$stage/native"
  if [ "$ARCH" = "$(GOARCH='' go env GOARCH)" ]; then
    ln "$stage/agentctl" "$stage/native/"
  else
    GOARCH='' CGO_ENABLED=0 go build -o "$stage/native/" ./agent/cmd/agentctl
  fi
  for shell in bash zsh fish; do
    "$stage/native/agentctl" completion "$shell" >"$stage/completions/agentctl.$shell"
  done
  GOARCH='' go run ./packaging/man -date "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" -agentctl "$stage/native/agentctl" -to "$stage/man"
  for page in "$stage"/man/*; do gzip -9 -n "$page"; done
}

# fill writes nfpm.yaml with its variables filled in.
fill() {
  local mtime
  mtime=$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
  sed -e "s|\${ARCH}|$ARCH|g; s|\${PACKAGE_VERSION}|$PACKAGE_VERSION|g; s|\${MTIME}|$mtime|g; s|\${STAGE}|$1|g" \
    packaging/nfpm.yaml
}

main() {
  [ $# -gt 0 ] || { say "usage: packaging/build.sh deb|rpm ..." >&2; exit 2; }
  VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
  PACKAGE_VERSION=${PACKAGE_VERSION:-$(package_version)}
  ARCH=${GOARCH:-$(go env GOARCH)}
  local dist=${DIST:-dist} kind
  export SOURCE_DATE_EPOCH
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  build "$stage"
  fill "$stage" >"$stage/nfpm.yaml"
  mkdir -p "$dist"
  for kind; do
    rm -f "$dist"/dockwall*."$kind"
    GOARCH='' go tool -modfile=packaging/tools/go.mod nfpm package --config "$stage/nfpm.yaml" --packager "$kind" --target "$dist/"
  done
}

main "$@"
