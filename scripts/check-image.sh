#!/usr/bin/env bash
# Builds the image and checks what docs/container.md promises of it; prints the figures.
#
#   scripts/check-image.sh [--full] [--only NAME]… [--keep]
#
# --full   compares two builds that share nothing, libraries included; otherwise the second one takes
#          the libraries from the first and compiles the program anew
# --only   size, locked_down, exits, stop, health, secrets, rebuild: only these; may be repeated
# --keep   leaves the working folder, and says where it is
#
# Where no engine answers and this is root, one is installed from the system's packages, started in a
# folder of its own, and ended. Where no registry answers, the builder image is made from the
# system's packages and this machine's Rust; libraries come from a folder of vendored sources, and the
# build has no network at all. SPEEDFIT_IMAGE_STATE names a folder in which such an engine keeps its
# images from one call to the next.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

ALL_CHECKS=(size locked_down exits stop health secrets rebuild)
# shellcheck disable=SC2034 # read by the part that compares builds
FULL=false
KEEP=false
CHECKS=()

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# shellcheck disable=SC2034
while [ $# -gt 0 ]; do
  case "$1" in
    --full) FULL=true ;;
    --keep) KEEP=true ;;
    --only) CHECKS+=("${2:?--only needs a name}"); shift ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
[ ${#CHECKS[@]} -gt 0 ] || CHECKS=("${ALL_CHECKS[@]}")

WORK=$(mktemp -d "${TMPDIR:-/tmp}/speedfit-image.XXXXXX")
# Containers write to folders below this one, by another user.
chmod 755 "$WORK"
N_FAILED=0

ok() { say "ok      $*"; }
failed() { say "FAILED  $*"; N_FAILED=$((N_FAILED + 1)); }

# Whether a condition of `[ … ]` holds, told as one line.
expect() {
  local what=$1
  shift
  if [ "$@" ]; then ok "$what"; else failed "$what"; fi
}

# shellcheck source=scripts/image/engine.sh
. scripts/image/engine.sh
# shellcheck source=scripts/image/stand_ins.sh
. scripts/image/stand_ins.sh
# shellcheck source=scripts/image/build.sh
. scripts/image/build.sh
for part in "${ALL_CHECKS[@]}"; do
  # shellcheck disable=SC1090
  . "scripts/image/$part.sh"
done

finish() {
  local code=$?
  trap - EXIT INT TERM
  remove_containers || true
  stop_engine || true
  # What containers wrote belongs to their user.
  if "$KEEP"; then say "kept    $WORK"; else rm -rf "$WORK" 2>/dev/null || sudo -n rm -rf "$WORK" || say "left    $WORK"; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

start_engine
make_static_true
check_engine_runs
prepare_context
prepare_builder
build_first
for check in "${CHECKS[@]}"; do
  if declare -F "check_$check" >/dev/null; then
    say "==> $check"
    "check_$check"
  else
    failed "$check: there is no such check"
  fi
done
[ "$N_FAILED" -eq 0 ] || die "$N_FAILED of the checks of the image failed"
say 'the image is as docs/container.md says'
