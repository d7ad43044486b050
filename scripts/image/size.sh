# How large the image is, and what starting the program costs. Part of scripts/check-image.sh.

MAX_IMAGE_BYTES=40000000
MAX_BINARY_BYTES=25000000
MAX_START_MS=150
N_STARTS=20

millis() { awk -v n="$1" 'BEGIN { printf "%.1f", n / 1000 }'; }

# Microseconds that one container takes from `docker run` to its end.
start_micros() {
  local from=$EPOCHREALTIME
  run --rm "$@" >/dev/null
  local to=$EPOCHREALTIME
  printf '%d\n' "$((${to/[.,]/} - ${from/[.,]/}))"
}

median() { sort -n "$1" | awk '{ at[NR] = $1 } END { print (at[int((NR + 1) / 2)] + at[int((NR + 2) / 2)]) / 2 }'; }

check_size() {
  local image_bytes binary_bytes ours theirs over
  image_bytes=$(docker image inspect --format '{{ .Size }}' "$IMAGE")
  binary_of "$IMAGE" "$WORK/binary"
  binary_bytes=$(stat --format %s "$WORK/binary")
  expect "image $image_bytes bytes, at most $MAX_IMAGE_BYTES" "$image_bytes" -le "$MAX_IMAGE_BYTES"
  expect "binary $binary_bytes bytes, at most $MAX_BINARY_BYTES" "$binary_bytes" -le "$MAX_BINARY_BYTES"
  # In turns, so that what else the machine does meets both alike.
  for _ in $(seq "$N_STARTS"); do
    start_micros "$STATIC_TRUE" >>"$WORK/starts_of_true"
    start_micros "$IMAGE" --version >>"$WORK/starts_of_ours"
  done
  ours=$(median "$WORK/starts_of_ours")
  theirs=$(median "$WORK/starts_of_true")
  over=$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.0f", (a - b) / 1000 }')
  expect "--version $(millis "$ours") ms, a static true $(millis "$theirs") ms (medians of $N_STARTS): $over ms over, at most $MAX_START_MS" \
    "$over" -le "$MAX_START_MS"
}
