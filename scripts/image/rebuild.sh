# Two builds give the same bytes, and an edit compiles only what it must. Part of
# scripts/check-image.sh.

digest_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# The program once more, from the same sources.
check_same_bytes() {
  local how=() first second
  if "$FULL"; then how=(--no-cache); else how=(--build-arg "SPEEDFIT_AGAIN=$BASHPID-$EPOCHREALTIME"); fi
  docker_build "$WORK/again.log" "$IMAGE-again" "${how[@]}"
  binary_of "$IMAGE" "$WORK/first"
  binary_of "$IMAGE-again" "$WORK/again"
  first=$(digest_of "$WORK/first")
  second=$(digest_of "$WORK/again")
  say "        $first, $(n_compiled "$WORK/first.log") compilations"
  say "        $second, $(n_compiled "$WORK/again.log") compilations"
  expect "the second build compiled the program: $(n_compiled "$WORK/again.log")" "$(n_compiled "$WORK/again.log")" -ge 1
  expect 'two builds, the same bytes' "$first" = "$second"
  expect "paths of the build in the program: $(grep -aoc '/build/' "$WORK/first" || true)" "$(grep -aoc '/build/' "$WORK/first" || true)" -eq 0
}

# An edit that the program shows, so that an image from before it cannot pass.
check_edit() {
  local mark="edited-$BASHPID" help
  grep -q 'Exit codes: docs/exit-codes.md' "$CONTEXT/src/cli/mod.rs" || die 'the line to edit is not in src/cli/mod.rs'
  sed -i "s|Exit codes: docs/exit-codes.md|$mark|" "$CONTEXT/src/cli/mod.rs"
  local started=$SECONDS
  docker_build "$WORK/edit.log" "$IMAGE-edit"
  help=$(run --rm "$IMAGE-edit" --help)
  expect "an edit in src/cli is in the image, after $((SECONDS - started)) s" -z "${help##*"$mark"*}"
  expect "crates that it compiled: $(compiled_names "$WORK/edit.log")" "$(compiled_names "$WORK/edit.log")" = speedfit
}

compiled_names() { grep -oE 'Compiling [^ ]+' "$1" | cut -d ' ' -f 2 | sort -u | tr '\n' ' ' | sed 's/ $//'; }

check_rebuild() {
  check_same_bytes
  check_edit
}
