# One run of eight containers against one store. Part of scripts/check-image.sh.

N_SHARDS=8

# The current set of a scope as CSV, without what tells scopes and runs apart.
set_of() {
  locked_down --rm --volume "$1:/var/lib/speedfit" "$IMAGE" export current --scope "$2" \
    --output "set-$2.csv" --groups "groups-$2.csv" >/dev/null
  cut -d, -f3- "$1/set-$2.csv"
  cut -d, -f3- "$1/groups-$2.csv"
}

# Starts a shard in a container of its own, and tells its id.
start_shard() {
  locked_down --detach --volume "$1:/var/lib/speedfit" "$IMAGE" \
    run --scope shards --shard "$2/$N_SHARDS" --shard-key night --json
}

check_shards() {
  local folder index id code codes='' ids=()
  folder=$(folder_for_container shards)
  awk -v n=200000 -v regions=300 -f scripts/synthetic.awk >"$folder/records.csv"
  locked_down --rm --volume "$folder:/var/lib/speedfit" "$IMAGE" import records.csv >/dev/null
  locked_down --rm --volume "$folder:/var/lib/speedfit" "$IMAGE" run --scope single --quiet >/dev/null
  # One is killed and started again, one is started twice.
  id=$(start_shard "$folder" 3)
  docker kill "$id" >/dev/null 2>&1 || true
  for index in $(seq "$N_SHARDS") 5; do ids+=("$(start_shard "$folder" "$index")"); done
  for id in "${ids[@]}"; do
    code=$(docker wait "$id")
    [ "$code" -eq 0 ] || docker logs "$id" >&2
    codes="$codes $code"
  done
  expect "exit codes of the shards:$codes" "$(printf '%s' "$codes" | tr -d ' 0')" = ''
  set_of "$folder" single >"$WORK/single.set"
  set_of "$folder" shards >"$WORK/shards.set"
  expect "rows of the set: $(wc -l <"$WORK/single.set")" -s "$WORK/single.set"
  if cmp --silent "$WORK/single.set" "$WORK/shards.set"; then
    ok "$N_SHARDS shards published what one process does, byte by byte"
  else
    diff "$WORK/single.set" "$WORK/shards.set" | head -n 5 >&2
    failed 'the shards published another set than one process does'
  fi
  local runs
  runs=$(locked_down --rm --volume "$folder:/var/lib/speedfit" "$IMAGE" runs --scope shards --json |
    grep -c '"status": "done"')
  expect "runs of the shards: $runs" "$runs" -eq 1
}
