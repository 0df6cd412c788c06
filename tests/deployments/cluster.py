"""`python -m tests.deployments.cluster NODES`: a Ray cluster of so many one-processor nodes on this machine.

Prints its address, and ends with its standard input. A process of its own, because Ray settles its authentication when
it is imported.
"""

import sys

from ray.cluster_utils import Cluster

from deployments.ray_ports import choose_ports_first


def main(nodes: int) -> None:
    choose_ports_first()
    node = {"num_cpus": 1, "object_store_memory": 512 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(**node)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
