# The image of the service: the program, the C library that it is linked with, the certificates that it trusts, and nothing
# else: no shell, no package manager. deploy/pin-images adds digests to the tags. `.ci/image` builds the same without an
# engine, out of the RUN and COPY lines below, and runs the service in it; tests/api/deploy/dockerfile.rs holds the rules.

FROM rust:1.95.0-slim-bookworm AS chef
WORKDIR /build
RUN apt-get update && \
    apt-get install -y --no-install-recommends build-essential ca-certificates && \
    rm -rf /var/lib/apt/lists/*
RUN cargo install --locked cargo-chef --version 0.1.78

# Lists the dependencies: changes with Cargo.lock and each Cargo.toml, not with our sources.
FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# Packed relocations make the program 1.4 MB smaller; they need glibc 2.36, which the image has.
ENV RUSTFLAGS=-Clink-arg=-Wl,-z,pack-relative-relocs
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --package aponta --no-default-features --recipe-path recipe.json
COPY . .
# No database while compiling: the query macros read .sqlx/. The only default feature is `aponta dev`, which a
# read-only container cannot run; without it the image is smaller and has fewer crates.
ENV SQLX_OFFLINE=true
RUN cargo build --release --locked --package aponta --no-default-features

# The root folder of the image, in /image.
FROM build AS root
WORKDIR /image
RUN install -D -m 755 /build/target/release/aponta usr/local/bin/aponta
# glibc resolves names by itself since 2.34, without nsswitch.conf too. Another library than these may need more than its
# file: look before adding it.
RUN libraries=$(ldd usr/local/bin/aponta | grep -o '/[^ ]*') && \
    for library in $libraries; do \
        case "${library##*/}" in \
            ld-linux-*.so.*|libc.so.6|libgcc_s.so.1|libm.so.6) install -D -m 755 "$library" ".$library" ;; \
            *) echo "the program needs $library, which is not among those known" >&2; exit 1 ;; \
        esac; \
    done
RUN install -D -m 644 /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ca-certificates.crt && \
    echo 'aponta:x:65532:65532:API Aponta:/:/sbin/nologin' > etc/passwd && \
    echo 'aponta:x:65532:' > etc/group

FROM scratch
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="API Aponta" \
      org.opencontainers.image.description="REST backend of an Azure DevOps extension for logging working hours" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=root /image /
ENV ENVIRONMENT=production
USER 65532:65532
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 CMD ["/usr/local/bin/aponta", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/aponta"]
CMD ["serve"]
