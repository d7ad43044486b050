# A run in eight containers: one is killed and started again, one started twice. Part of
# scripts/check-image.sh.

N_SHARDS=8
KILLED=3
TWICE=5

# shard_of FOLDER DATA INDEX: starts one, and tells its container's id. All see the same path.
shard_of() {
  locked_down --detach --volume "$1:/var/lib/speedfit" --volume "$2:/data:ro" "$IMAGE" \
    run --shard "$3/$N_SHARDS" --shard-key checked --set source.kind=file --set file.path=/data/records.csv
}

# Rows of the tables that a set is read from, without the run's number.
set_of() {
  locked_down --rm --volume "$1:/var/lib/speedfit" "$IMAGE" \
    export "$2" --output parameters.csv --groups groups.csv >/dev/null 2>"$WORK/export.err" || cat "$WORK/export.err" >&2
  awk -F, -v OFS=, '{ $2 = "-"; print }' "$1/parameters.csv" "$1/groups.csv"
}

# count_of FOLDER QUERY: a number out of the store.
count_of() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' "$1/speedfit.db" "$2"; }

# A shard that reads from a source that stops half-way, killed without a word.
kill_one() {
  local folder=$1 data=$2 stuck=$WORK/stuck id writer
  mkdir -p "$stuck"
  mkfifo --mode 644 "$stuck/records.csv"
  { head -n 20000 "$data/records.csv"; exec sleep 600; } >"$stuck/records.csv" &
  writer=$!
  id=$(shard_of "$folder" "$stuck" "$KILLED")
  sleep 3
  docker kill "$id" >/dev/null
  expect "shard $KILLED, killed while it reads: exit $(docker wait "$id")" "$(docker wait "$id")" -eq 137
  kill "$writer" 2>/dev/null || true
  wait "$writer" 2>/dev/null || true
}

# Containers to the end; their exit codes, one a line.
codes_of() { for id in "$@"; do docker wait "$id"; done; }

check_shards() {
  local data=$WORK/data folder single ids=() nth late published
  mkdir -p "$data"
  awk -v n=200000 -v regions=120 -f scripts/synthetic.awk >"$data/records.csv"
  folder=$(folder_for_container shards)
  kill_one "$folder" "$data"
  expect 'after that nothing is published' "$(count_of "$folder" 'SELECT count(*) FROM publication')" -eq 0
  for nth in 8 1 7 2 6 "$TWICE" "$TWICE" 4 "$KILLED"; do ids+=("$(shard_of "$folder" "$data" "$nth")"); done
  expect "nine containers of eight shards: exits $(codes_of "${ids[@]}" | sort | uniq -c | tr -s ' \n' ' ')" \
    "$(codes_of "${ids[@]}" | sort -u)" = 0
  late=$(shard_of "$folder" "$data" "$TWICE")
  expect "shard $TWICE once more, when all is over: exit $(docker wait "$late")" "$(docker wait "$late")" -eq 0
  published=$(count_of "$folder" 'SELECT count(*) FROM publication')
  expect "publications: $published" "$published" -eq 1
  single=$(folder_for_container single)
  locked_down --rm --volume "$single:/var/lib/speedfit" --volume "$data:/data:ro" "$IMAGE" \
    run --set source.kind=file --set file.path=/data/records.csv >/dev/null 2>"$WORK/single.err"
  set_of "$folder" "$(count_of "$folder" 'SELECT run_id FROM publication')" >"$WORK/set_of_shards"
  set_of "$single" "$(count_of "$single" 'SELECT run_id FROM publication')" >"$WORK/set_of_one"
  expect "rows of the set: $(wc -l <"$WORK/set_of_shards")" "$(wc -l <"$WORK/set_of_shards")" -gt 240
  if cmp "$WORK/set_of_shards" "$WORK/set_of_one" >&2; then
    ok "the set is that of a single run, byte by byte: $(digest_of "$WORK/set_of_one" | head -c 16)"
  else
    failed 'the set is not that of a single run'
  fi
}
