# The engine that builds and runs: the one that is there, or one of our own.
# Part of scripts/check-image.sh, which see.

ENGINE_PID=
ENGINE_STATE=
# Containers of this call carry it, so that only these are removed.
LABEL="speedfit-check=$$"

engine_answers() { docker info >/dev/null 2>&1; }

# Ends the whole script with code 0 where there can be no engine or no builder: that is no fault of the
# image, but is told.
skip() {
  say "skipped: the image was not checked, since $1"
  exit 0
}

skip_without_engine() { skip "no container engine is at hand and $1"; }

install_packages() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$WORK/apt.log" 2>&1 ||
    { DEBIAN_FRONTEND=noninteractive apt-get update >"$WORK/apt.log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$WORK/apt.log" 2>&1; } ||
    { cat "$WORK/apt.log" >&2; die "cannot install $*"; }
}

start_engine() {
  if command -v docker >/dev/null && engine_answers; then
    say 'engine  the one that is there'
    return
  fi
  [ "$(id -u)" -eq 0 ] || skip_without_engine 'only root can start one'
  if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    command -v apt-get >/dev/null || die 'there is no container engine, and no apt-get to install one'
    install_packages docker.io
  fi
  ENGINE_STATE=${SPEEDFIT_IMAGE_STATE:-$WORK/engine}
  mkdir -p "$ENGINE_STATE"
  export DOCKER_HOST="unix://$WORK/docker.sock"
  dockerd --data-root "$ENGINE_STATE/data" --exec-root "$WORK/exec" --pidfile "$WORK/docker.pid" \
    --host "$DOCKER_HOST" >"$WORK/dockerd.log" 2>&1 &
  ENGINE_PID=$!
  local tries
  for tries in $(seq 60); do
    if engine_answers; then
      say "engine  our own, $(docker version --format '{{ .Server.Version }}'), after $tries s at most"
      return
    fi
    kill -0 "$ENGINE_PID" 2>/dev/null || break
    sleep 1
  done
  tail -n 20 "$WORK/dockerd.log" >&2
  skip_without_engine 'ours did not start; what it said is above'
}

remove_containers() {
  local ids
  engine_answers || return 0
  ids=$(docker ps --all --quiet --filter "label=$LABEL")
  # shellcheck disable=SC2086
  [ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
}

# By the number of the process that we started; the engine ends what it started itself.
stop_engine() {
  [ -n "$ENGINE_PID" ] || return 0
  kill -TERM "$ENGINE_PID" 2>/dev/null || return 0
  wait "$ENGINE_PID" 2>/dev/null || true
  local mounted
  # What a container's end left mounted would keep the folder from being removed.
  while read -r mounted; do umount "$mounted" 2>/dev/null || true; done < <(
    awk -v under="$WORK/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r
  )
}

# docker run with our label.
run() { docker run --label "$LABEL" "$@"; }
