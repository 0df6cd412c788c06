"""How many replicas of the inbox Serve is asked for."""

import pytest
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from deployments.serve.inbox_scaling import WAITING, ReplicasForBacklog

INBOX = DeploymentID("Inbox", "inbox")


def context(waiting: list[float] | None, requests: float) -> AutoscalingContext:
    """What Serve's controller knows of two replicas, of which some have said how many recordings wait."""
    replicas = [ReplicaID(str(i), INBOX) for i in range(2)]
    said = None if waiting is None else {WAITING: dict(zip(replicas, waiting, strict=False))}
    return AutoscalingContext(
        deployment_id=INBOX,
        deployment_name="Inbox",
        app_name="inbox",
        current_num_replicas=2,
        target_num_replicas=2,
        running_replicas=replicas,
        total_num_requests=requests,
        total_queued_requests=0.0,
        aggregated_metrics=said,
        raw_metrics=None,
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=8,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=0.0,
        config=AutoscalingConfig(target_ongoing_requests=10),
    )


@pytest.mark.parametrize(
    ("waiting", "requests", "replicas"),
    [
        ([0, 0], 0, 0),  # Serve makes of it what min_replicas says
        (None, 0, 0),  # none has said anything yet
        ([], 31, 4),
        ([50, 50], 0, 1),
        ([51, 50], 0, 2),  # they share one store: the largest counts, not the sum
        ([200], 0, 4),
        ([200, 200], 55, 6),
    ],
)
def test_replicas_for_what_waits_and_for_what_is_asked(
    waiting: list[float] | None, requests: float, replicas: int
) -> None:
    assert ReplicasForBacklog(recordings_each=50)(context(waiting, requests)) == (replicas, {})
