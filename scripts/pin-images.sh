#!/usr/bin/env bash
# Pins the images that we build from and start by the digests which their tags have today.
#
#   scripts/pin-images.sh [--check]     --check only tells whether a tag has moved, by exit code 1
#
# Needs docker with buildx, and the registries. Read what changed before you commit it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FILES=(Dockerfile compose.yaml .github/workflows/ci.yml)
moved=0

digest_of() {
  docker buildx imagetools inspect "$1" --format '{{ .Manifest.Digest }}'
}

while read -r pinned; do
  tagged=${pinned%@*}
  now=$(digest_of "$tagged")
  [[ $now == sha256:* ]] || { printf 'error: no digest for %s\n' "$tagged" >&2; exit 1; }
  [ "$now" != "${pinned#*@}" ] || continue
  moved=1
  printf '%s: %s is now %s\n' "$tagged" "${pinned#*@}" "$now"
  [ "${1:-}" = --check ] || sed -i "s|$pinned|$tagged@$now|g" "${FILES[@]}"
done < <(grep -hoE '[a-z0-9][a-z0-9./-]*:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}' "${FILES[@]}" | sort -u)

[ "${1:-}" != --check ] || exit "$moved"
