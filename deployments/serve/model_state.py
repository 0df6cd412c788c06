"""`ModelConfig` and `ModelState`: what a model deployment is told, and what it says of itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ecg.models.contract import EngineOptions


@dataclass(frozen=True)
class ModelConfig(EngineOptions):
    """`user_config` of a model deployment: what a running replica can change without a restart.

    `must_load` makes a replica that cannot load its model fail, so that Serve does not take it for a healthy one. It
    then does not answer `state` while it loads.
    """

    weights: str = "auto"
    max_batch_segments: int = 16
    must_load: bool = False
    #: File of `deployments.serve.drift`, by which the replica says how far its recordings are from those of the file.
    baseline: str | None = None

    def loads_as(self, other: "ModelConfig") -> bool:
        """Whether both load the same model; batch size, `must_load` and `baseline` change nothing in it."""
        beside = {name: getattr(other, name) for name in ("max_batch_segments", "must_load", "baseline")}
        return replace(self, **beside) == other


@dataclass(frozen=True)
class ModelState:
    """How far a model is: the weights in use, progress of what is being done, and why it failed."""

    state: Literal["waiting", "loading", "ready", "failed"]
    weights: str | None = None
    trained: bool | None = None
    backend: str | None = None
    precision: str | None = None
    step: str | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    detail: str | None = None
    #: What becomes of other weights that were asked for, while these answer.
    change: Literal["loading", "failed"] | None = None
    #: Replicas by state; set where the state is that of a whole deployment.
    replicas: dict[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with a `progress` part while something is going on."""
        wire = asdict(self)
        progress = {name: wire.pop(name) for name in ("step", "done_bytes", "total_bytes")}
        return wire | {"progress": progress if self.step else None}


#: The state of a deployment is the first of these that one of its replicas has: that one answers.
_ORDER = ("ready", "loading", "waiting", "failed")


def of_all(states: Sequence[ModelState]) -> ModelState:
    """The state of a deployment from those of its replicas, of which there is at least one.

    It is ready when a replica is, and its detail names what is wrong with another one.
    """
    best = min(states, key=lambda state: (_ORDER.index(state.state), state.change is not None))
    wrong = next((state for state in states if state.state == "failed" or state.change is not None), None)
    detail = best.detail if wrong is None or best.state == "failed" else wrong.detail
    weights = sorted({state.weights for state in states if state.state == "ready" and state.weights})
    if wrong is None and len(weights) > 1:
        detail = f"replicas answer with different weights: {', '.join(weights)}"
    changes = {state.change for state in states}
    change: Literal["loading", "failed"] | None = (
        "failed" if "failed" in changes else "loading" if "loading" in changes else None
    )
    counts: dict[str, int] = dict(Counter(str(state.state) for state in states))
    return replace(best, detail=detail, change=change, replicas=counts)
