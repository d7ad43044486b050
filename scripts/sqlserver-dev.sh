#!/usr/bin/env bash
# A SQL Server in a container, to develop and test against.
#
#   scripts/sqlserver-dev.sh up      start it, wait until it answers, make databases, logins, records
#   scripts/sqlserver-dev.sh env     print the variables with its passwords, to be sourced
#   scripts/sqlserver-dev.sh grants  run scripts/grants.sql again, after the first `speedfit migrate`
#   scripts/sqlserver-dev.sh test    run the tests with it; more arguments go to `cargo test`
#   scripts/sqlserver-dev.sh stack   the same, and beside it the image as in production: `migrate` once,
#                                    the nightly `schedule`, `serve` on port 8765 (SPEEDFIT_PORT)
#   scripts/sqlserver-dev.sh down    stop all of it and throw the data away
#
# Needs docker with compose, on x86-64 or with its emulation. Without docker the tests that need a real
# server say so and are skipped; those against the tests' own TDS server run all the same.
# Passwords come from the environment; those that are unset are made and kept in .sqlserver-dev.env,
# which git ignores. SQLSERVER_IMAGE and SQLSERVER_PORT choose another image and port.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

KEPT=.sqlserver-dev.env
PASSWORDS=(
  MSSQL_SA_PASSWORD SPEEDFIT_SOURCE_PASSWORD SPEEDFIT_STORE_PASSWORD SPEEDFIT_MIGRATOR_PASSWORD
  PLANNING_APP_PASSWORD API_TOKEN
)
SECRETS=.sqlserver-dev.secrets

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Letters and digits of the machine's chance, with what the server's rule for passwords wants.
make_password() {
  local random
  random=$(LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 24 || true)
  printf 'Sf1-%s' "$random"
}

# Sets and exports every password: the environment's, the kept one, or a new one.
load_passwords() {
  local name kept
  (umask 077 && touch "$KEPT")
  for name in "${PASSWORDS[@]}"; do
    if [ -z "${!name:-}" ]; then
      kept=$(sed -n "s/^$name=//p" "$KEPT" | tail -n 1)
      if [ -z "$kept" ]; then
        kept=$(make_password)
        printf '%s=%s\n' "$name" "$kept" >>"$KEPT"
      fi
      printf -v "$name" '%s' "$kept"
    fi
    export "${name?}"
  done
}

# Files for the containers of speedfit. Nobody else on this machine may enter their folder; in it
# anybody may read, since the container's user is not the one who makes them.
write_secrets() {
  mkdir -p "$SECRETS"
  chmod 700 "$SECRETS"
  printf '%s' "$SPEEDFIT_SOURCE_PASSWORD" >"$SECRETS/source_password"
  printf '%s' "$SPEEDFIT_STORE_PASSWORD" >"$SECRETS/store_password"
  printf '%s' "$SPEEDFIT_MIGRATOR_PASSWORD" >"$SECRETS/migrator_password"
  printf 'operate:%s' "$API_TOKEN" >"$SECRETS/api_tokens"
  chmod 444 "$SECRETS"/*
}

compose() {
  docker compose version >/dev/null 2>&1 || die 'docker compose is missing: see https://docs.docker.com/compose/install'
  docker compose "$@"
}

case "${1:-}" in
  up)
    load_passwords
    compose up --detach --wait sqlserver
    compose run --rm init
    printf 'ready on 127.0.0.1,%s; its passwords: scripts/sqlserver-dev.sh env\n' "${SQLSERVER_PORT:-1433}"
    ;;
  env)
    load_passwords
    for name in "${PASSWORDS[@]}"; do printf 'export %s=%q\n' "$name" "${!name}"; done
    ;;
  grants)
    load_passwords
    compose run --rm init
    ;;
  test)
    shift
    load_passwords
    export SPEEDFIT_TEST_SQLSERVER="Server=tcp:localhost,${SQLSERVER_PORT:-1433};Database=master;User Id=sa;Password=$MSSQL_SA_PASSWORD;Encrypt=true;TrustServerCertificate=true"
    cargo test --locked "$@"
    ;;
  stack)
    load_passwords
    write_secrets
    if [ -z "${SPEEDFIT_IMAGE:-}" ]; then scripts/build-image.sh speedfit:local; fi
    compose --profile stack up --detach schedule serve
    printf 'the API is on 127.0.0.1:%s; its token: scripts/sqlserver-dev.sh env\n' "${SPEEDFIT_PORT:-8765}"
    ;;
  down)
    load_passwords
    compose --profile init --profile stack down --volumes
    rm -rf "$KEPT" "$SECRETS"
    ;;
  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
