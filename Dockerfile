# Masked copies of files:  docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" veilcast file /data/meeting.mp4
# A masked live stream:    docker run --rm -p 8554:8554 -p 8080:8080 veilcast live rtsp://camera/stream1 \
#                              --rtsp 0.0.0.0:8554/door --webrtc 0.0.0.0:8080
# The HTTP service:        docker run -p 8080:8080 -e VEILCAST_TOKEN -v veilcast-data:/data veilcast serve --listen 0.0.0.0:8080
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3.11 python3-pip make && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/veilcast
# There is no .git here to tell the version: --build-arg VERSION=1.2.3, otherwise the newest release's (pyproject.toml).
ARG VERSION=
COPY pyproject.toml uv.lock requirements-uv.txt README.md LICENSE ./
COPY core core
COPY streamer streamer
COPY configs configs
RUN python3.11 -m venv --without-pip .venv \
    && python3.11 -m pip --python .venv/bin/python install --no-cache-dir --require-hashes -r requirements-uv.txt \
    && if [ -n "$VERSION" ]; then export SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION"; fi \
    && .venv/bin/uv sync --locked --all-extras --no-dev --no-editable --no-cache --compile-bytecode --python .venv/bin/python \
    && .venv/bin/uv pip uninstall --python .venv/bin/python uv

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3.11 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 veilcast && install -d -o veilcast -g veilcast /data
COPY --from=build /opt/veilcast/.venv /opt/veilcast/.venv
USER veilcast
# `veilcast serve` keeps everything in ./veilcast-data. A new named volume belongs to veilcast, as this folder does; a
# folder of the host belongs to whoever made it, hence --user.
WORKDIR /data
# Whoever runs it as another user has no home to write to.
ENV MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 8554 8080
# A live stream and `serve` answer on the port that their settings name; a file job has none, and its process is its health.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["/opt/veilcast/.venv/bin/python", "-m", "streamer.cli.healthcheck"]
ENTRYPOINT ["/opt/veilcast/.venv/bin/veilcast"]
CMD ["--help"]
