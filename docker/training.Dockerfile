# Training as a one-off, on the CPU; data and results are mounted:
#   docker build -f docker/training.Dockerfile -t stance-training .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/data:/data:ro" -v "$PWD/runs:/runs" \
#       stance-training train --recipe mobilenetv2-heatmap … --output /runs/x
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS builder
COPY requirements/training.txt /requirements/
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install \
        --disable-pip-version-check --no-cache-dir --no-compile --require-hashes \
        -r /requirements/training.txt

FROM ${BASE_IMAGE}
# HOME: Keras keeps settings there, whoever the user is.
ENV PATH=/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TF_CPP_MIN_LOG_LEVEL=1
COPY --from=builder /venv /venv
WORKDIR /app
COPY LICENSE ./
COPY service/__init__.py service/
COPY service/inference service/inference
COPY training training
USER 10001:10001
# A run ends by itself, so there is nothing to probe.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]
