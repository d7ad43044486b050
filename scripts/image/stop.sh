# `docker stop` during a run. Part of scripts/check-image.sh.

MAX_STOP_MS=2000

# Waits until the ledger of a folder tells a running run, for a minute.
await_running() {
  local folder=$1
  for _ in $(seq 300); do
    if last_status "$folder" | grep -q running; then return 0; fi
    sleep 0.2
  done
  return 1
}

# Status of the newest run in the ledger of a folder.
last_status() {
  locked_down --rm --volume "$1:/var/lib/speedfit" "$IMAGE" runs --json --limit 1 2>/dev/null |
    sed -n 's/^ *"status": "\([a-z]*\)",*$/\1/p' | head -n 1
}

# stop_during WHAT FOLDER [arguments of speedfit]: starts a run, stops it, looks at what it left.
stop_during() {
  local what=$1 folder=$2 id from to took_ms code
  shift 2
  id=$(locked_down --detach --volume "$folder:/var/lib/speedfit" "$IMAGE" run "$@")
  if ! await_running "$folder"; then
    docker logs "$id" >&2
    failed "$what: the run never came to run"
    return
  fi
  sleep 1
  from=$EPOCHREALTIME
  # Killed after ten seconds, which `exit 137` would tell.
  docker stop --time 10 "$id" >/dev/null
  to=$EPOCHREALTIME
  took_ms=$(((${to/[.,]/} - ${from/[.,]/}) / 1000))
  code=$(docker inspect --format '{{ .State.ExitCode }}' "$id")
  docker rm --volumes "$id" >/dev/null
  expect "$what: exit $code" "$code" -eq 130
  expect "$what: docker stop took $took_ms ms, at most $MAX_STOP_MS" "$took_ms" -le "$MAX_STOP_MS"
  expect "$what: the ledger says $(last_status "$folder")" "$(last_status "$folder")" = cancelled
}

check_stop() {
  local reading fitting writer
  reading=$(folder_for_container stop_reading)
  mkfifo --mode 644 "$reading/feed.csv"
  # A source that never ends and delivers nothing more.
  sleep 600 >"$reading/feed.csv" &
  writer=$!
  stop_during 'while it waits for the source' "$reading" --set source.kind=file --set file.path=feed.csv
  kill "$writer"
  wait "$writer" 2>/dev/null || true
  fitting=$(folder_for_container stop_fitting)
  awk -v n=400000 -v regions=400 -f scripts/synthetic.awk >"$fitting/records.csv"
  # Profiles of every parameter take minutes.
  stop_during 'while it fits' "$fitting" --set source.kind=file --set file.path=records.csv \
    --set fit.intervals=profile --set fit.loss=student_t
}
