#!/usr/bin/env bash
# Checks whatever is deployed with, by schemas and by what docs/container.md promises: manifests of
# Kubernetes, the compose file, workflows, systemd's units, and shell scripts where shellcheck is.
#
#   scripts/check-deploy.sh
#
# Needs Python 3 with venv, and the package index unless target/check-deploy has what
# deploy/requirements.txt names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=target/check-deploy
step() { printf '==> %s\n' "$*"; "$@"; }

if ! cmp -s deploy/requirements.txt "$VENV/requirements.txt"; then
  rm -rf "$VENV"
  mkdir -p target
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check --requirement deploy/requirements.txt
  cp deploy/requirements.txt "$VENV/requirements.txt"
fi

step "$VENV/bin/python" scripts/check_manifests.py deploy/kubernetes/*/*.yaml
step "$VENV/bin/check-jsonschema" --builtin-schema vendor.compose-spec compose.yaml
step "$VENV/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml

# Units name a program that need not be installed here, so one that is stands in.
if command -v systemd-analyze >/dev/null; then
  units=$(mktemp -d)
  trap 'rm -rf "$units"' EXIT
  for unit in deploy/systemd/*; do sed 's|/usr/bin/speedfit|/bin/true|' "$unit" >"$units/${unit##*/}"; done
  step systemd-analyze verify --man=no "$units"/*
  for unit in "$units"/*.service; do
    # Of 100, where 100 is a service that may do anything.
    systemd-analyze security --offline=true --threshold=20 "$unit" >"$units/exposure" ||
      { cat "$units/exposure"; exit 1; }
    tail -n 1 "$units/exposure"
  done
else
  echo 'skipped: systemd units, since there is no systemd-analyze here'
fi

if command -v shellcheck >/dev/null; then
  step shellcheck --shell=bash --external-sources .ci/run scripts/*.sh scripts/image/*.sh
else
  echo 'skipped: shell scripts, since there is no shellcheck here'
fi
