# docker build -t tokamak . && docker run -p 6379:6379 -v tokamak:/data tokamak
FROM debian:12-slim AS build
WORKDIR /src
COPY tools/install-deps.sh tools/
RUN tools/install-deps.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN meson setup /build && ninja -C /build tokamak-server tokamak-bench tokamak-check

FROM debian:12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libjemalloc2 liblzf1 libssl3 redis-tools \
    && rm -rf /var/lib/apt/lists/* && useradd --system --home-dir /data --create-home tokamak
COPY --from=build /build/tokamak-server /build/tokamak-bench /build/tokamak-check /usr/bin/
USER tokamak
WORKDIR /data
VOLUME /data
EXPOSE 6379
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s CMD redis-cli -h 127.0.0.1 ping | grep -qE '^(PONG|LOADING|NOAUTH)'
ENTRYPOINT ["tokamak-server"]
# Other containers reach it; protected mode would refuse them without a password, so give one:
# docker run tokamak --requirepass secret --bind "* -::*" --dir /data
CMD ["--bind", "*", "-::*", "--dir", "/data", "--appendonly", "yes"]
