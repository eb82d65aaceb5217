# Horarium beside servers of your own: give it HORARIUM_DATABASE_URL, HORARIUM_REDIS_URL and HORARIUM_BROKER_URL.
# With its own servers inside instead: docker build --build-arg EXTRAS=embedded .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS builder
ARG EXTRAS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml README.md ./
COPY horarium/ horarium/
RUN python -m venv /opt/horarium \
 && pip wheel --no-deps --wheel-dir /wheels . \
 && wheel="$(ls /wheels/horarium-*.whl)" \
 && /opt/horarium/bin/pip install "${wheel}${EXTRAS:+[${EXTRAS}]}"

FROM python:${PYTHON}-slim
RUN groupadd --gid 10001 horarium \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/horarium --shell /usr/sbin/nologin horarium \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/horarium
COPY --from=builder /opt/horarium /opt/horarium
# PYTHONSAFEPATH keeps the working directory off sys.path, so that no folder there can shadow a module.
ENV PATH=/opt/horarium/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HORARIUM_DATA_DIR=/var/lib/horarium
USER 10001:10001
VOLUME /var/lib/horarium
EXPOSE 8080
STOPSIGNAL SIGTERM
# Without a proxy: the engine hands HTTP_PROXY of its own settings to every container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('HORARIUM_PORT', '8080') + '/livez', timeout=4)"]
ENTRYPOINT ["horarium"]
CMD ["up", "--host", "0.0.0.0"]
