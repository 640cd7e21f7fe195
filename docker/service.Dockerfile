# The service with its models. One file for both devices:
#   docker build -f docker/service.Dockerfile -t stance-service .
#   docker build -f docker/service.Dockerfile -t stance-service:cuda --build-arg DEVICE=cuda .
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS builder
ARG DEVICE=cpu
COPY requirements/service.txt requirements/gpu.txt requirements/otel.txt /requirements/
RUN python -m venv --without-pip /venv
# The CUDA provider in the wheel takes 284 MB and is of no use in an image without the CUDA libraries.
RUN case "${DEVICE}" in \
        cpu) set -- -r /requirements/service.txt ;; \
        cuda) set -- -r /requirements/service.txt -r /requirements/gpu.txt ;; \
        *) echo "DEVICE is \"${DEVICE}\", expected cpu or cuda" >&2; exit 1 ;; \
    esac \
    && python -m pip --python /venv/bin/python install \
        --disable-pip-version-check --no-cache-dir --no-compile --require-hashes \
        -r /requirements/otel.txt "$@" \
    && if [ "${DEVICE}" = cpu ]; then \
        find /venv -name 'libonnxruntime_providers_cuda.so' -delete \
        && find /venv -name 'libonnxruntime_providers_tensorrt.so' -delete; \
    fi

FROM ${BASE_IMAGE}
ARG DEVICE=cpu
# The NVIDIA variables make NVIDIA's container runtime lend its driver; others ignore them.
ENV PATH=/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POSE_HOST=0.0.0.0 \
    POSE_PORT=8000 \
    POSE_DEVICE=${DEVICE} \
    POSE_LOG_FORMAT=json \
    POSE_MODELS_DIR=/app/models \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=builder /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY service service
COPY models models
# No name is needed: nothing is written, so the file system may be mounted read-only.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"POSE_PORT\"]}/health/ready', timeout=4)"]
# Exec form: SIGTERM reaches the service, which drains.
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]
