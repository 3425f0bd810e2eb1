# syntax=docker/dockerfile:1
# Quell in a container: `docker build -t quell .`, or `docker compose up --build` for everything around it.

FROM rust:1.95-bookworm AS build
# What bindgen and the C and C++ of RocksDB and librdkafka are built with.
RUN apt-get update && apt-get install -y --no-install-recommends cmake libclang-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /quell
COPY . .
# The registry and the target directory outlive the layer, so that a change of the source does not build RocksDB anew.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/quell/target \
    cargo build --release --locked -p quell && cp target/release/quell /usr/local/bin/quell

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/quell --create-home --shell /usr/sbin/nologin quell
COPY --from=build /usr/local/bin/quell /usr/local/bin/quell
USER quell
WORKDIR /var/lib/quell
VOLUME /var/lib/quell
# The engine's, and the gate's.
EXPOSE 9464 9465
# SIGTERM drains, commits and ends it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["quell"]
CMD ["run", "--config", "/etc/quell/quell.toml"]
