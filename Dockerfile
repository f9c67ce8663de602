FROM python:3.13-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock /tmp/requirements.lock
RUN python -m venv /opt/sockpit \
    && /opt/sockpit/bin/pip install --quiet --require-hashes -r /tmp/requirements.lock

FROM python:3.13-slim
# The uid is a number so that a cluster can see that it is not root; the folder is there so that
# a volume mounted over it starts out owned by it.
RUN groupadd --gid 10001 sockpit \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data sockpit \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=packages /opt/sockpit /opt/sockpit
WORKDIR /srv/sockpit
COPY alembic.ini ./
COPY migrations ./migrations
COPY sockcore ./sockcore
COPY app ./app
COPY templates ./templates
COPY static ./static
COPY handlers /handlers
ENV PATH=/opt/sockpit/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SOCKPIT_HOST=0.0.0.0 \
    SOCKPIT_DATA_DIR=/data \
    SOCKPIT_HANDLERS_DIR=/handlers \
    SOCKPIT_LISTEN_HOSTS=0.0.0.0 \
    SOCKPIT_LISTEN_PORTS=20000-20019
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000 20000-20019/tcp 20000-20019/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-m", "app", "healthcheck"]
# Exec form: SIGTERM reaches Python itself, which stops in order within 8 s.
ENTRYPOINT ["python", "-m", "app"]
