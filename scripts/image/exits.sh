# Exit codes pass through, names are resolved, the labels are there. Part of scripts/check-image.sh.

# exits_with CODE WHAT [arguments of docker run, then of speedfit]
exits_with() {
  local expected=$1 what=$2 code=0
  shift 2
  run --rm "$@" >"$WORK/exit.out" 2>&1 || code=$?
  [ "$code" -eq "$expected" ] || tail -n 5 "$WORK/exit.out" >&2
  expect "$what: exit $code, expected $expected" "$code" -eq "$expected"
}

label() { docker image inspect --format "{{ index .Config.Labels \"org.opencontainers.image.$1\" }}" "$IMAGE"; }

check_exits() {
  local revision
  exits_with 0 'no command: the help' "$IMAGE"
  exits_with 2 'a command that is none' "$IMAGE" nonsense
  exits_with 3 'a setting that is none' "$IMAGE" show-config --set no.such=1
  exits_with 4 'a source that is not there' "$IMAGE" run --set source.kind=file --set file.path=/nowhere.csv
  # The C library looks names up by /etc/hosts and DNS: the server is found, and refuses.
  exits_with 5 'a server that refuses' --network none --add-host db.example:127.0.0.1 \
    --env SPEEDFIT_STORE_PASSWORD=not-looked-at "$IMAGE" migrate --set store.kind=sqlserver \
    --set store.host=db.example --set store.database=planning --set store.user=speedfit --set store.attempts=1
  expect "it was found by its name: $(grep -io 'connection refused' "$WORK/exit.out" | head -n 1)" \
    -n "$(grep -i 'connection refused' "$WORK/exit.out")"
  revision=$(git rev-parse HEAD)
  expect "label revision: $(label revision)" "$(label revision)" = "${revision:0:12}"
  expect "label version: $(label version)" -n "$(label version)"
  expect "label created: $(label created)" -n "$(label created)"
  expect "the program tells its revision: $(run --rm "$IMAGE" --version)" \
    "$(run --rm "$IMAGE" --version)" = "speedfit $(label version) (${revision:0:12})"
}
