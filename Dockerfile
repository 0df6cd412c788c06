# syntax=docker/dockerfile:1
# The service, for head and workers alike:
#   docker build --build-arg DEVICE=gpu -t ecg-serve:gpu .      (CUDA comes with the torch wheel; the node gives the driver)
#   docker build --build-arg DEVICE=cpu -t ecg-serve:cpu .      (OpenVINO, no CUDA libraries)
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG DEVICE=gpu
WORKDIR /src
RUN python -m venv /opt/ecg
ENV PATH=/opt/ecg/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.txt ./
# PyPI's torch for Linux carries CUDA; the CPU build is in PyTorch's own index.
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ "$DEVICE" = cpu ]; then \
        pip install --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)"; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY ecg ecg
COPY deployments deployments
COPY serve_app serve_app
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$DEVICE" in cpu) extras=all ;; gpu) extras=torch,serve,inbox,batch ;; *) echo "DEVICE is cpu or gpu" >&2; exit 2 ;; esac; \
    pip install -c constraints.txt ".[$extras]"

FROM ${PYTHON_IMAGE}
# wget is what KubeRay's probes call.
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home ecg \
    && echo 'export PATH=/opt/ecg/bin:$PATH' > /etc/profile.d/ecg.sh
COPY --from=build /opt/ecg /opt/ecg
ENV PATH=/opt/ecg/bin:$PATH PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /home/ecg
EXPOSE 8000
# KubeRay brings its own command (`ray start …`).
CMD ["ecg", "--help"]
