# One image for the three services; the task definition says which of them runs. `scripts/tandem build images` builds it,
# with Docker or buildah. The target `twin` holds the local load balancer and the verbs, for compose.yaml.
ARG PYTHON_IMAGE=python:3.13-slim
ARG PYTHON_DIGEST=

# Empty, unless --build-context certificates=FOLDER puts a folder with rds.pem in its place.
FROM scratch AS certificates

FROM ${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS installer
RUN ["python3", "-m", "venv", "--without-pip", "/opt/tandem"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

FROM installer AS packages
COPY requirements/service.txt /tmp/
# The secret is for who sits behind a proxy with certificates of its own; it leaves nothing in any layer.
RUN --mount=type=secret,id=authorities \
    if [ -f /run/secrets/authorities ]; then export PIP_CERT=/run/secrets/authorities; fi; \
    python3 -m pip --python /opt/tandem/bin/python install --no-compile --only-binary :all: --require-hashes -r /tmp/service.txt \
    && /opt/tandem/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/tandem/lib

FROM installer AS twin-packages
COPY requirements/local.txt /tmp/
RUN --mount=type=secret,id=authorities \
    if [ -f /run/secrets/authorities ]; then export PIP_CERT=/run/secrets/authorities; fi; \
    python3 -m pip --python /opt/tandem/bin/python install --no-compile --only-binary :all: --require-hashes -r /tmp/local.txt \
    && /opt/tandem/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/tandem/lib

FROM installer AS code
COPY services /app/services
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/app"]

FROM code AS twin-code
COPY cfn /app/cfn
COPY scripts /app/scripts
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/app"]

# What runs has no pip and compiles nothing.
FROM ${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS base
COPY scripts/builds/interpreter.py /tmp/
RUN python3 /tmp/interpreter.py && rm /tmp/interpreter.py
ENV PATH=/opt/tandem/bin:${PATH} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app

FROM base AS twin
COPY --from=twin-packages /opt/tandem /opt/tandem
COPY --from=twin-code /app /app
USER 10001:10001
CMD ["python", "-m", "scripts"]

FROM base AS service
COPY --from=packages /opt/tandem /opt/tandem
COPY --from=certificates / /app/
COPY --from=code /app /app
USER 10001:10001
EXPOSE 8000 8001 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 8000)}/healthz', timeout=3)"]
CMD ["python", "-m", "services.chassis.server", "services.product.main:create"]
LABEL org.opencontainers.image.title="tandem" \
      org.opencontainers.image.description="The services of Tandem Commerce" \
      org.opencontainers.image.licenses="MIT"
