# syntax=docker/dockerfile:1
# Two images of the same code.
#   serve  for head and workers of a Ray cluster:
#          docker build --target serve --build-arg DEVICE=gpu -t ecg-serve:gpu .    (CUDA comes with the torch wheel)
#          docker build --target serve --build-arg DEVICE=cpu -t ecg-serve:cpu .    (OpenVINO, no CUDA libraries)
#   space  one container that starts the whole service by itself, on port 7860: docker build --build-arg DEVICE=cpu .
# Pin the base by digest where images are released: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG DEVICE=gpu
# PyPI's torch for Linux carries CUDA; the CPU build has an index of its own. Where that is out of reach, name another,
# or an empty one to take what pip's own configuration finds.
ARG CPU_WHEELS=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python3 -m venv /opt/ecg
ENV PATH=/opt/ecg/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.lock ./
# What is installed has one of the lock's hashes, pip itself and the build backend included.
RUN --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^pip==/,/[^\\]$/p' constraints.lock > pip.lock \
    && pip install --require-hashes --no-deps -r pip.lock \
    && if [ "$DEVICE" = cpu ]; then \
        pip install --no-require-hashes --no-deps -c constraints.lock ${CPU_WHEELS:+--index-url "$CPU_WHEELS"} torch; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY ecg ecg
COPY deployments deployments
COPY serve_app serve_app
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$DEVICE" in cpu) extras=all ;; gpu) extras=torch,serve,inbox,batch,formats,report ;; *) echo "DEVICE is cpu or gpu" >&2; exit 2 ;; esac; \
    pip install --no-require-hashes -c constraints.lock --build-constraint constraints.lock ".[$extras]"

FROM ${PYTHON_IMAGE} AS serve
# wget is what KubeRay's probes call. Its version is that of the base's release, which PYTHON_IMAGE pins.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home ecg \
    && echo "export PATH=/opt/ecg/bin:\$PATH" > /etc/profile.d/ecg.sh
COPY --from=build /opt/ecg /opt/ecg
COPY --from=build /src/config /opt/ecg/config
# What Ray starts in HAProxy's place (serve_app/haproxy.py).
RUN /opt/ecg/bin/python -m serve_app.haproxy /opt/ecg/haproxy
ENV PATH=/opt/ecg/bin:$PATH PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="ecg-serve" \
      org.opencontainers.image.description="12-lead ECG analysis on Ray Serve" \
      org.opencontainers.image.licenses="MIT"
USER 1000:1000
WORKDIR /home/ecg
EXPOSE 8000
# KubeRay brings its own command (`ray start …`) and its own probes; this one is for a container that runs alone.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8000/health/ready"]
CMD ["ecg", "--help"]

# Last, because a builder that is not told a target, such as the one of Hugging Face Spaces, takes the last.
FROM serve AS space
# The file of one machine, open to the outside of the container.
RUN sed 's/host: 127\.0\.0\.1/host: 0.0.0.0/' /opt/ecg/config/local.yaml > /home/ecg/space.yaml
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=6 \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:7860/health/ready"]
CMD ["python", "-m", "serve_app", "--config", "/home/ecg/space.yaml", "--demo"]
