# `docker stop` during a run. Part of scripts/check-image.sh.

MAX_STOP_MS=2000

# Waits until a container's log has an event, for two minutes.
await_event() {
  local id=$1 event=$2
  for _ in $(seq 1200); do
    if docker logs "$id" 2>&1 | grep -q "$event"; then return 0; fi
    if [ "$(docker inspect --format '{{ .State.Running }}' "$id")" = false ]; then return 1; fi
    sleep 0.1
  done
  return 1
}

# Status of the newest run in the ledger of a folder.
last_status() {
  locked_down --rm --volume "$1:/var/lib/speedfit" "$IMAGE" runs --json --limit 1 2>/dev/null |
    sed -n 's/^ *"status": "\([a-z]*\)",*$/\1/p' | head -n 1
}

# Milliseconds from a time to the end of a container, as the engine noticed it.
millis_until_end() {
  local ended
  ended=$(docker inspect --format '{{ .State.FinishedAt }}' "$2")
  awk -v from="$1" -v to="$(date --date="$ended" +%s.%N)" 'BEGIN { printf "%.0f", (to - from) * 1000 }'
}

# stop_during WHAT EVENT FOLDER [arguments of speedfit]: starts a run, stops it after the event, looks
# at what it left.
stop_during() {
  local what=$1 event=$2 folder=$3 id from took_ms code
  shift 3
  id=$(locked_down --detach --volume "$folder:/var/lib/speedfit" "$IMAGE" run --progress json "$@")
  if ! await_event "$id" "$event"; then
    docker logs "$id" 2>&1 | tail -n 5 >&2
    failed "$what: the run never came to that"
    return
  fi
  from=$(date +%s.%N)
  # Killed after ten seconds, which `exit 137` would tell.
  docker stop --time 10 "$id" >/dev/null
  took_ms=$(millis_until_end "$from" "$id")
  code=$(docker inspect --format '{{ .State.ExitCode }}' "$id")
  docker rm --volumes "$id" >/dev/null
  expect "$what: exit $code" "$code" -eq 130
  expect "$what: it ended $took_ms ms after docker stop, at most $MAX_STOP_MS" "$took_ms" -le "$MAX_STOP_MS"
  expect "$what: the ledger says $(last_status "$folder")" "$(last_status "$folder")" = cancelled
}

check_stop() {
  local reading fitting writer
  fitting=$(folder_for_container stop_fitting)
  awk -v n=400000 -v regions=400 -f scripts/synthetic.awk >"$fitting/records.csv"
  reading=$(folder_for_container stop_reading)
  mkfifo --mode 644 "$reading/feed.csv"
  # A source that never ends and delivers nothing more.
  { head -n 10001 "$fitting/records.csv"; exec sleep 600; } >"$reading/feed.csv" &
  writer=$!
  stop_during 'while it waits for the source' '"name":"read"' "$reading" --set source.kind=file --set file.path=feed.csv
  kill "$writer" 2>/dev/null || true
  wait "$writer" 2>/dev/null || true
  # Five models and profiles of every parameter: some seconds of fits on any machine.
  stop_during 'while it fits' '"event":"groups"' "$fitting" --set source.kind=file --set file.path=records.csv \
    --set fit.model=auto --set fit.intervals=profile --set fit.errors=student_t
}
