"""A Ray of its own for one machine, and the application of a Serve YAML on it: `python -m serve_app.cluster FILE`."""

import sys

import ray
from ray.serve.scripts import cli


def main(path: str) -> None:
    """Serve until interrupted.

    Like `serve run`, without Ray's dashboard: nine processes that a lone machine pays for and nobody looks at.
    """
    ray.init(namespace="serve", include_dashboard=False)
    cli(["run", path])


if __name__ == "__main__":
    main(sys.argv[1])
