# The image of the service. Both bases can be replaced, by a mirror's or by your own:
#   docker build --build-arg BUILD_BASE=.. --build-arg RUNTIME_BASE=.. -t pipewarden .
# The build base needs Rust, and either apt or a C and a C++ compiler, make, pkg-config and the headers of OpenSSL and zlib.
# The runtime base needs glibc, no older than the build base's, and CA certificates. It needs no shell.
ARG BUILD_BASE=rust:1.95-slim-bookworm
ARG RUNTIME_BASE=gcr.io/distroless/base-debian12:nonroot

FROM ${BUILD_BASE} AS build
RUN if ! { command -v c++ && command -v make && pkg-config --exists openssl zlib; }; then \
        apt-get update -qq \
        && apt-get install -y -qq --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev \
        && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
COPY . .
# Dependencies, downloaded and built, outlive a change of the source in the builder's caches.
RUN --mount=type=cache,target=/cargo/registry --mount=type=cache,target=/src/target \
    CARGO_HOME=/cargo cargo build --release --locked --bin pipewarden \
    && install -D --strip target/release/pipewarden /out/usr/local/bin/pipewarden
# Its libraries other than glibc's come along, so that the runtime base does not have to have them.
RUN set -e; folder=/out/usr/lib/$(gcc -print-multiarch); mkdir -p "$folder"; \
    ldd /out/usr/local/bin/pipewarden | awk '/lib(z|ssl|crypto|gcc_s)\.so/ {print $3}' >/tmp/libraries; \
    while read -r library; do cp -L "$library" "$folder/"; done </tmp/libraries

FROM ${RUNTIME_BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pipewarden" \
      org.opencontainers.image.description="Finds remote use of sensitive named pipes, shares and accounts on protected Windows hosts" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/pipewarden/pipewarden" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
# Any user will do: nothing is written to the file system.
USER 10001:10001
ENV PIPEWARDEN_HTTP__LISTEN=0.0.0.0:9464
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["pipewarden", "health"]
# SIGTERM, Docker's own signal, ends the service in order; give it time: docker stop --time 90.
ENTRYPOINT ["pipewarden"]
CMD ["run"]
