# The context that is built from, and the builds. Part of scripts/check-image.sh, which see.

IMAGE=speedfit-check
CONTEXT=$WORK/context
# Stands in files that lie about where people build, and must not reach the image.
DECOY="decoy-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')"

# The sources that git knows, as they are on the disk, and what else lies about in a work tree.
prepare_context() {
  local name
  mkdir -p "$CONTEXT"
  git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' name; do if [ -f "$name" ]; then printf '%s\0' "$name"; fi; done |
    tar --create --null --files-from - | tar --extract --directory "$CONTEXT"
  mkdir -p "$CONTEXT/secrets" "$CONTEXT/target" "$CONTEXT/.git"
  for name in .env .sqlserver-dev.env secrets/store_password target/left .git/config; do
    printf 'SPEEDFIT_STORE_PASSWORD=%s\n' "$DECOY" >"$CONTEXT/$name"
  done
}

# The libraries' sources beside ours, so that the build needs no network.
vendor_libraries() {
  [ ! -d "$CONTEXT/.cargo/vendor" ] || return 0
  (cd "$CONTEXT" && cargo vendor --locked --quiet --versioned-dirs .cargo/vendor >/dev/null)
}

has_buildkit() { docker buildx version >/dev/null 2>&1; }

# docker_build LOG TAG [more arguments]: the one way in which all builds here are done.
docker_build() {
  local log=$1 tag=$2 argument arguments=()
  shift 2
  while read -r argument; do arguments+=(--build-arg "$argument"); done < <(scripts/build-image.sh --print-args)
  if "$STANDS_IN"; then
    vendor_libraries
    arguments+=(--network none)
  fi
  if has_buildkit; then arguments+=(--progress plain --load); else export DOCKER_BUILDKIT=0; fi
  docker build --tag "$tag" --build-arg "BUILDER_IMAGE=$BUILDER_IMAGE" "${arguments[@]}" "$@" "$CONTEXT" >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; die "the image \`$tag\` cannot be built"; }
  # The classic builder colours whatever comes at once, and so cuts lines anywhere.
  sed -i 's/\x1b\[[0-9;]*m//g' "$log"
}

# Crates that a build compiled, by its log.
n_compiled() { grep -oE 'Compiling [^ ]+ v[0-9]' "$1" | wc -l; }

build_first() {
  local started=$SECONDS
  docker_build "$WORK/first.log" "$IMAGE"
  say "built   in $((SECONDS - started)) s, $(n_compiled "$WORK/first.log") compilations"
}

# binary_of TAG FILE: copies the program out of an image.
binary_of() {
  local id
  id=$(docker create --label "$LABEL" "$1")
  docker cp --quiet "$id:/usr/bin/speedfit" "$2" 2>/dev/null || docker cp "$id:/usr/bin/speedfit" "$2" >/dev/null
  docker rm --volumes "$id" >/dev/null
}

# A folder that the container's user may write to.
folder_for_container() {
  local folder=$WORK/$1
  mkdir -p "$folder"
  if [ "$(id -u)" -eq 0 ]; then chown 65532:65532 "$folder"; else chmod 777 "$folder"; fi
  printf '%s' "$folder"
}

# Flags of a container that may do nothing; then the rest of `docker run`.
locked_down() {
  run --read-only --user 65532 --cap-drop ALL --security-opt no-new-privileges --network none "$@"
}
