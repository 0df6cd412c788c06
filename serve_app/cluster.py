"""`python -m serve_app.cluster FILE [PORT]`: a Ray of its own for one machine, and the application of a Serve YAML.

With PORT it takes `serve deploy` there.
"""

import math
import sys
from pathlib import Path
from typing import Any

import ray
import yaml
from ray.serve.scripts import cli


def main(path: str, deploy_port: int | None = None) -> None:
    """Serve until interrupted.

    Like `serve run`, without Ray's dashboard: nine processes that a lone machine pays for and nobody looks at. With a
    `deploy_port` they are there, and `serve deploy` reaches this cluster on it. On a machine with fewer processors than
    the file asks for Ray is told of as many: the service is slow there, but starts.
    """
    dashboard: dict[str, Any] = {"include_dashboard": deploy_port is not None}
    if deploy_port is not None:
        dashboard["dashboard_port"] = deploy_port
    ray.init(namespace="serve", **dashboard)
    needed = processors(yaml.safe_load(Path(path).read_text()))
    if ray.cluster_resources().get("CPU", 0.0) < needed:
        ray.shutdown()
        ray.init(namespace="serve", num_cpus=math.ceil(needed), **dashboard)
    cli(["run", path])


def processors(config: dict[str, Any]) -> float:
    """What the replicas that a Serve YAML starts with take of Ray's count of processors."""
    total = 0.0
    for application in config["applications"]:
        for deployment in application.get("deployments", []):
            scaling = deployment.get("autoscaling_config") or {}
            replicas = scaling.get("initial_replicas") or scaling.get("min_replicas") or deployment.get("num_replicas")
            each = (deployment.get("ray_actor_options") or {}).get("num_cpus", 1.0)
            total += (replicas if isinstance(replicas, int) else 1) * each
    return round(total, 6)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
