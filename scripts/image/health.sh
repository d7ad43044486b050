# What the image's health check says of containers that stay up. Part of scripts/check-image.sh.

# healthy ID: waits until the check's own command says that a container is well, for a minute.
healthy() {
  for _ in $(seq 60); do
    if docker exec "$1" /usr/bin/speedfit health --container >"$WORK/health.out" 2>&1; then return 0; fi
    sleep 1
  done
  return 1
}

# stays_well COMMAND CODE [arguments of docker run]: starts it, asks for its health, and stops it.
stays_well() {
  local command=$1 expected=$2 id
  shift 2
  id=$(run --detach --read-only --cap-drop ALL --security-opt no-new-privileges "$@" "$IMAGE" "$command")
  if healthy "$id"; then
    ok "$command: $(tail -n 1 "$WORK/health.out")"
  else
    docker logs "$id" 2>&1 | tail -n 5 >&2
    failed "$command: $(tail -n 3 "$WORK/health.out" | tr '\n' ' ')"
  fi
  docker stop --time 10 "$id" >/dev/null
  expect "$command, stopped: exit $(docker wait "$id")" "$(docker wait "$id")" -eq "$expected"
}

check_health() {
  local folder tokens
  expect "the image's own check: $(docker image inspect --format '{{ .Config.Healthcheck.Test }}' "$IMAGE")" \
    "$(docker image inspect --format '{{ .Config.Healthcheck.Test }}' "$IMAGE")" = '[CMD /usr/bin/speedfit health --container]'
  folder=$(folder_for_container health)
  locked_down --rm --volume "$folder:/var/lib/speedfit" "$IMAGE" migrate >/dev/null
  # No run is stopped, so both have done what they were asked for.
  stays_well schedule 0 --volume "$folder:/var/lib/speedfit"
  tokens=$(folder_for_container tokens)
  printf 'operate:0123456789abcdef0123456789abcdef\n' >"$tokens/api_tokens"
  stays_well serve 0 --volume "$folder:/var/lib/speedfit" --volume "$tokens:/run/secrets:ro" \
    --env SPEEDFIT_API_TOKENS_FILE=/run/secrets/api_tokens --env SPEEDFIT__HTTP__BIND=0.0.0.0:8765
}
