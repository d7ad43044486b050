# What stands in for images where no registry answers, from the system's packages and this machine's
# Rust. Part of scripts/check-image.sh, which see.
# shellcheck disable=SC2034 # read by the other parts

BUILDER_STAND_IN=speedfit-check-builder
STATIC_TRUE=speedfit-check-true
STANDS_IN=false

pinned_builder() { sed -n 's/^ARG BUILDER_IMAGE=//p' Dockerfile; }

# The pinned image where it is here or can be had; else the stand-in.
prepare_builder() {
  local pinned
  pinned=$(pinned_builder)
  if docker image inspect "$pinned" >/dev/null 2>&1 || timeout 300 docker pull --quiet "$pinned" >"$WORK/pull.log" 2>&1; then
    BUILDER_IMAGE=$pinned
    say "builder $pinned"
    return
  fi
  STANDS_IN=true
  BUILDER_IMAGE=$BUILDER_STAND_IN
  docker image inspect "$BUILDER_STAND_IN" >/dev/null 2>&1 || make_builder_stand_in
  say "builder a stand-in, since the pinned image is not here and cannot be pulled"
}

# A small system with a C compiler, and the Rust that builds everything else here.
make_builder_stand_in() {
  local root=$WORK/builder sysroot target mirror codename
  [ "$(id -u)" -eq 0 ] || skip 'no registry answers, and only root can make a stand-in for the builder image'
  command -v debootstrap >/dev/null || install_packages debootstrap
  codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  # The mirror that this machine's own packages come from.
  # shellcheck disable=SC2016 # apt's own notation
  mirror=$(apt-get indextargets --format '$(SITE)' "Codename: $codename" 'Created-By: Packages' | head -n 1)
  [ -n "$mirror" ] || skip "no registry answers, and apt knows no mirror of $codename for a stand-in"
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev "$codename" "$root" "$mirror" \
    >"$WORK/debootstrap.log" 2>&1 || { tail -n 20 "$WORK/debootstrap.log" >&2; skip 'no registry answers, and debootstrap failed'; }
  sysroot=$(rustc --print sysroot)
  target=$(rustc -vV | sed -n 's/^host: //p')
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/rustlib"
  cp "$sysroot/bin/cargo" "$sysroot/bin/rustc" "$root/usr/local/bin/"
  cp -L "$sysroot"/lib/*.so* "$root/usr/local/lib/"
  cp -r "$sysroot/lib/rustlib/$target" "$root/usr/local/lib/rustlib/"
  # Certificates of this machine, where they are more than Debian's.
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  tar --create --one-file-system --directory "$root" --exclude './dev/*' --exclude './proc/*' --exclude './sys/*' \
    --exclude './var/cache/apt/*' --exclude './var/lib/apt/lists/*' . |
    docker import --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' - "$BUILDER_STAND_IN" >/dev/null
  rm -rf --one-file-system "$root"
}

# A program that only ends: what starting a container costs in this engine.
make_static_true() {
  local root=$WORK/true
  mkdir -p "$root"
  printf 'int main(void) { return 0; }\n' | cc -static -O2 -s -x c -o "$root/true" -
  tar --create --directory "$root" true |
    docker import --change 'ENTRYPOINT ["/true"]' - "$STATIC_TRUE" >/dev/null
}

# An engine may answer where the machine lets nobody start containers.
check_engine_runs() {
  run --rm --network none "$STATIC_TRUE" >"$WORK/true.log" 2>&1 || {
    cat "$WORK/true.log" >&2
    skip_without_engine 'ours starts no container; what it said is above'
  }
}
