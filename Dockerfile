# speedfit in a container: the program, the five libraries of glibc and gcc that it loads, the
# certificates of the system, and nothing else; no shell, no package manager, no root.
#
#   scripts/build-image.sh speedfit:local       with the labels' values taken from Cargo.toml and git
#   docker build --tag speedfit:local .         without
#
# Builds with BuildKit and with the classic builder, for amd64 and arm64, and without a network where
# `.cargo/vendor` holds the libraries (docs/container.md). One commit gives one binary: the compiler
# is pinned with its image, libraries by Cargo.lock, and no path, time or revision but the commit's
# enters what is compiled. Relocations are packed, which glibc 2.36 and newer unpack: a megabyte less.

# Pinned by the digest of its index of platforms; scripts/pin-images.sh asks for newer ones.
ARG BUILDER_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
# Nothing to pin by default. Another one may bring what a house wants in its images.
ARG RUNTIME_IMAGE=scratch

# ---- The libraries, in a layer of their own: only Cargo.toml and Cargo.lock make it anew.
FROM ${BUILDER_IMAGE} AS libraries
ENV CARGO_HOME=/build/cargo \
    CARGO_TARGET_DIR=/build/target \
    CARGO_INCREMENTAL=0 \
    CARGO_TERM_COLOR=never \
    CFLAGS=-ffile-prefix-map=/build=. \
    RUSTFLAGS="--remap-path-prefix=/build/cargo/registry/src=/crates --remap-path-prefix=/build/speedfit/.cargo/vendor=/crates --remap-path-prefix=/build/target=/target --remap-path-prefix=/build/speedfit=/speedfit -C link-arg=-Wl,-z,pack-relative-relocs" \
    SOURCE_DATE_EPOCH=0
WORKDIR /build/speedfit
COPY .cargo ./.cargo
COPY Cargo.toml Cargo.lock ./
# Stand-ins for the targets that Cargo.toml names. What was made of the crate itself is thrown away,
# so that no time stamp makes cargo take it for the real one.
RUN set -eu; \
    mkdir -p "$CARGO_HOME" benches src tests/it; \
    echo 'fn main() {}' >src/main.rs; \
    touch src/lib.rs tests/it/main.rs; \
    sed -n '/^\[\[bench\]\]/{n;s/^name = "\(.*\)"$/\1/p}' Cargo.toml | while read -r name; do touch "benches/$name.rs"; done; \
    if [ -d .cargo/vendor ]; then \
      printf '[net]\noffline = true\n[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "/build/speedfit/.cargo/vendor"\n' >"$CARGO_HOME/config.toml"; \
    fi; \
    cargo build --locked --release --bin speedfit; \
    cargo clean --locked --release --package speedfit; \
    rm -r src

# ---- The program.
FROM libraries AS program
COPY config ./config
COPY migrations ./migrations
COPY src ./src
ARG SPEEDFIT_REVISION=
# A value never seen before compiles the crate anew, libraries from the cache: to compare two builds.
ARG SPEEDFIT_AGAIN=
RUN cargo build --locked --release --bin speedfit

# ---- All files of the final image, with the times of the epoch.
FROM program AS files
COPY LICENSE-APACHE LICENSE-MIT ./
ARG SPEEDFIT_VERSION=
RUN set -eu; \
    root=/build/root; \
    install -D -m 0555 "$CARGO_TARGET_DIR/release/speedfit" "$root/usr/bin/speedfit"; \
    case "$("$root/usr/bin/speedfit" --version) " in \
      "speedfit ${SPEEDFIT_VERSION:+$SPEEDFIT_VERSION }"*) ;; \
      *) echo "error: this is not version $SPEEDFIT_VERSION" >&2; exit 1 ;; \
    esac; \
    # The loader and the libraries, at the paths at which the loader looks on this platform.
    ldd "$root/usr/bin/speedfit" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' >/build/needed; \
    test -s /build/needed; \
    while read -r library; do cp -L --parents "$library" "$root"; done </build/needed; \
    test -s /etc/ssl/certs/ca-certificates.crt || { echo 'error: the builder image has no certificates' >&2; exit 1; }; \
    install -D -m 0444 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"; \
    echo 'speedfit:x:65532:65532:speedfit:/var/lib/speedfit:/nonexistent' >"$root/etc/passwd"; \
    echo 'speedfit:x:65532:' >"$root/etc/group"; \
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"; \
    mkdir -p "$root/etc/speedfit" /build/state; \
    install -D -m 0444 -t "$root/usr/share/doc/speedfit" LICENSE-APACHE LICENSE-MIT; \
    for package in libc6 libgcc-s1 ca-certificates; do \
      if [ -f "/usr/share/doc/$package/copyright" ]; then cp -L --parents "/usr/share/doc/$package/copyright" "$root"; fi; \
    done; \
    find "$root" /build/state -exec touch --no-dereference --date=@0 {} +

# ---- What is shipped.
FROM ${RUNTIME_IMAGE} AS image
COPY --from=files /build/root/ /
COPY --from=files --chown=65532:65532 /build/state/ /var/lib/speedfit/
# One file tells the schedule's health to whoever asks in this container.
ENV SPEEDFIT_CONFIG_DIR=/etc/speedfit \
    SPEEDFIT__SCHEDULE__HEALTH_FILE=/var/lib/speedfit/schedule-health.json
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# The one place that is written to: database, results, report. The root may be read-only.
WORKDIR /var/lib/speedfit
VOLUME ["/var/lib/speedfit"]
EXPOSE 8765
STOPSIGNAL SIGTERM
# Of `schedule` by its file, of `serve` by its API; whatever runs once is well.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/speedfit", "health", "--container"]
ENTRYPOINT ["/usr/bin/speedfit"]
CMD ["--help"]
ARG SPEEDFIT_VERSION=
ARG SPEEDFIT_REVISION=
ARG SPEEDFIT_CREATED=
ARG SPEEDFIT_SOURCE=
LABEL org.opencontainers.image.title="speedfit" \
      org.opencontainers.image.description="Fits travel-speed parameters per region from incident records, every night, and publishes them safely" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${SPEEDFIT_VERSION}" \
      org.opencontainers.image.revision="${SPEEDFIT_REVISION}" \
      org.opencontainers.image.created="${SPEEDFIT_CREATED}" \
      org.opencontainers.image.source="${SPEEDFIT_SOURCE}"
