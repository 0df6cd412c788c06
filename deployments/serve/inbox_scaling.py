"""How many replicas of the inbox there are: as many as its backlog needs. Run by Serve's controller."""

import math
from typing import Any

from ray.serve.config import AutoscalingContext

#: Recordings that wait for their analysis, as each replica reports them: all share one store and say the same.
WAITING = "waiting"


class ReplicasForBacklog:
    """A replica for every so many recordings that wait, and for every so many requests in progress; the larger number.

    Named in a Serve YAML as `policy: {policy_function: deployments.serve.inbox_scaling:ReplicasForBacklog}`. Serve
    keeps the answer within `min_replicas` and `max_replicas` and holds to its delays. A replica analyses one recording
    after another, so that the models are asked for as many at once as there are replicas.
    """

    def __init__(self, recordings_each: int = 50) -> None:
        if recordings_each < 1:
            raise ValueError(f"recordings_each is at least 1, not {recordings_each}")
        self._each = recordings_each

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The number of replicas, and nothing to remember."""
        reported = (context.aggregated_metrics or {}).get(WAITING, {})
        by_backlog = max(reported.values(), default=0.0) / self._each
        by_requests = context.total_num_requests / context.config.get_target_ongoing_requests()
        return math.ceil(max(by_backlog, by_requests)), {}
