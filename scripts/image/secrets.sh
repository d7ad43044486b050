# No secret in the image, its history, what the engine knows of it, or a log at any level. Part of
# scripts/check-image.sh.

# Secrets of this call, which no other text can hold by chance.
BY_ENV="by-env-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')"
BY_FILE="by-file-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')"

SECRETS=(
  SPEEDFIT_SOURCE_PASSWORD SPEEDFIT_STORE_PASSWORD SPEEDFIT_SOURCE_TOKEN SPEEDFIT_STORE_TOKEN
  SPEEDFIT_API_TOKENS SPEEDFIT_WEBHOOK_URL SPEEDFIT_WEBHOOK_SECRET
)

# What a secret must look like to be taken.
secret_value() {
  case "$1" in
    SPEEDFIT_WEBHOOK_URL) printf 'http://127.0.0.1:9/%s' "$2" ;;
    SPEEDFIT_API_TOKENS) printf 'operate:%s' "$2" ;;
    *) printf '%s' "$2" ;;
  esac
}

# without_secrets WHAT FILE: the file has none of them.
without_secrets() {
  local n
  n=$(grep -acE "$BY_ENV|$BY_FILE|$DECOY" "$2" || true)
  expect "$1: $(wc -c <"$2") bytes, $n lines with a secret" "$n" -eq 0
}

# Layers and configuration, unpacked: a layer may be compressed.
dump_image() {
  local folder=$WORK/layers blob
  mkdir -p "$folder"
  docker save "$IMAGE" | tar --extract --directory "$folder"
  find "$folder" -type f | sort | while read -r blob; do
    printf '%s\n' "${blob#"$folder"}"
    case "$(head -c 2 "$blob" | od -An -tx1 | tr -d ' ')" in
      1f8b) gzip --decompress --stdout "$blob" ;;
      *) cat "$blob" ;;
    esac
  done >"$WORK/layers.dump"
}

# Flags of the server that the secrets are for, which refuses; at the most talkative level. `demo` does
# not use it, and has most to log.
SERVER=(
  --log-level trace --set log.format=json --set source.kind=sqlserver --set store.kind=sqlserver
  --set source.host=127.0.0.1 --set source.port=9 --set source.database=d --set source.user=u --set source.attempts=1
  --set store.host=127.0.0.1 --set store.port=9 --set store.database=d --set store.user=u --set store.attempts=1
)

# logs_of NAME [flags of docker run with the secrets]: a container each; their logs and, where told
# so, what the engine knows of them.
logs_of() {
  local name=$1 id command
  shift
  for command in run migrate doctor show-config runs status demo; do
    id=$(locked_down --detach "$@" "$IMAGE" "$command" "${SERVER[@]}")
    docker wait "$id" >/dev/null
    docker logs "$id" >>"$WORK/$name.logs" 2>&1
    docker inspect "$id" >>"$WORK/$name.inspect"
    docker rm --volumes "$id" >/dev/null
  done
}

check_secrets() {
  local name by_env=() by_file=() folder
  docker history --no-trunc "$IMAGE" >"$WORK/history"
  docker image inspect "$IMAGE" >"$WORK/image.inspect"
  dump_image
  folder=$(folder_for_container secrets)
  for name in "${SECRETS[@]}"; do
    by_env+=(--env "$name=$(secret_value "$name" "$BY_ENV")")
    secret_value "$name" "$BY_FILE" >"$folder/$name"
    by_file+=(--env "${name}_FILE=/run/secrets/$name")
  done
  logs_of by_env "${by_env[@]}"
  logs_of by_file --volume "$folder:/run/secrets:ro" "${by_file[@]}"
  # The look itself is checked: it finds what must be found.
  expect "variables are in what docker tells of their container" -n "$(grep "$BY_ENV" "$WORK/by_env.inspect")"
  expect "there are logs" -s "$WORK/by_file.logs"
  without_secrets 'docker history' "$WORK/history"
  without_secrets 'docker inspect of the image' "$WORK/image.inspect"
  without_secrets 'a dump of the layers' "$WORK/layers.dump"
  without_secrets 'logs at trace level, secrets by variables' "$WORK/by_env.logs"
  without_secrets 'logs at trace level, secrets by files' "$WORK/by_file.logs"
  without_secrets 'docker inspect of a container with secrets by files' "$WORK/by_file.inspect"
}
