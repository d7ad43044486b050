# The whole job with no rights, no network and a root that cannot be written. Part of
# scripts/check-image.sh.

# What could be started in an image, but for libraries; the engine adds empty files of its own.
programs_in() {
  local id
  id=$(docker create --label "$LABEL" "$1")
  docker export "$id" | tar --list --verbose | awk '$1 ~ /^-..x/ && $3 > 0 { print $6 }' | grep -v '\.so' || true
  docker rm --volumes "$id" >/dev/null
}

check_locked_down() {
  local folder code=0 report
  folder=$(folder_for_container demo)
  locked_down --rm --volume "$folder:/var/lib/speedfit" "$IMAGE" demo --records 20000 >"$WORK/demo.out" 2>"$WORK/demo.err" || code=$?
  [ "$code" -eq 0 ] || tail -n 20 "$WORK/demo.err" >&2
  expect "demo, read-only and without rights or network: exit $code" "$code" -eq 0
  report=$(find "$folder" -name '*.html' | head -n 1)
  expect "its report is on the host: ${report#"$WORK"/}" -s "${report:-/nonexistent}"
  expect "so is run_results.json" -s "$(find "$folder" -name run_results.json | head -n 1)"
  expect "files belong to $(stat --format %u:%g "$report")" "$(stat --format %u "$report")" = 65532
  expect "user of the image: $(docker image inspect --format '{{ .Config.User }}' "$IMAGE")" \
    "$(docker image inspect --format '{{ .Config.User }}' "$IMAGE")" = 65532:65532
  expect "programs in the image: $(programs_in "$IMAGE" | tr '\n' ' ')" "$(programs_in "$IMAGE")" = usr/bin/speedfit
}
