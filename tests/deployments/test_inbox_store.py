"""The deployed inbox while its store does not answer. Ray's local testing mode: the same classes, no cluster."""

import time
from pathlib import Path

import orjson
import pytest
from ray import serve

from deployments.serve import inbox
from deployments.serve.graph import Handles
from deployments.serve.inbox import GraphInbox
from deployments.serve.measure import Measure
from ecg.errors import StoreUnavailable
from tests.builders.messages import message, payload

LIMIT_S = 60


def deployed(url: str) -> serve.handle.DeploymentHandle:
    handles = Handles(None, {}, serve.deployment(Measure).bind(), None)
    application = serve.deployment(GraphInbox, name="Inbox").bind(url, 900.0, None, handles)
    return serve.run(application, name="inbox", _local_testing_mode=True)


def test_it_starts_without_its_store_and_takes_messages_once_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "EVERY_S", 0.05)
    handle = deployed(f"sqlite:///{tmp_path}/mounted/inbox.sqlite")
    for call in (handle.accept.remote(message(payload()), 500.0), handle.stats.remote(), handle.metrics.remote()):
        with pytest.raises(StoreUnavailable) as refused:
            call.result()
        assert refused.value.retry_after_s == 0.05
    handle.check_health.remote().result()  # another replica would have no store, either
    assert handle.record_autoscaling_stats.remote().result() == {}

    (tmp_path / "mounted").mkdir()
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            receipt = handle.accept.remote(message(payload()), 500.0).result()
            break
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert orjson.loads(receipt.json())["status"] == "accepted"
    assert handle.record_autoscaling_stats.remote().result()["waiting"] in (0, 1)  # it may be done by now
    handle.check_health.remote().result()


def test_a_store_that_can_never_open_fails_the_deployment(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="address is not understood"):
        deployed("mysql://there").check_health.remote().result()
