#!/usr/bin/env bash
# Builds the image of the committed sources, with version, revision and time taken from Cargo.toml and
# git, so that two people who build one commit build the same binary.
#
#   scripts/build-image.sh TAG [more arguments of `docker build`]
#   scripts/build-image.sh --print-args     the build arguments, one a line
#
# SPEEDFIT_SOURCE is the address of the repository, for the image's label.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

build_args() {
  local version revision time
  version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
  revision=$(git rev-parse HEAD)
  time=$(git log -1 --format=%ct)
  printf 'SPEEDFIT_VERSION=%s\n' "$version"
  printf 'SPEEDFIT_REVISION=%s\n' "${revision:0:12}"
  printf 'SPEEDFIT_CREATED=%s\n' "$(date --utc --date="@$time" +%Y-%m-%dT%H:%M:%SZ)"
  printf 'SPEEDFIT_SOURCE=%s\n' "${SPEEDFIT_SOURCE:-}"
}

[ $# -gt 0 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
if [ "$1" = --print-args ]; then
  build_args
  exit
fi
[ -z "$(git status --porcelain -- Cargo.toml Cargo.lock config migrations src)" ] ||
  die 'there are changes that no commit has: the label would name the wrong revision'
arguments=()
while read -r argument; do arguments+=(--build-arg "$argument"); done < <(build_args)
tag=$1
shift
exec docker build --tag "$tag" "${arguments[@]}" "$@" .
