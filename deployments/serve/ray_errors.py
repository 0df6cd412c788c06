"""What Ray raises, as errors of this project: the only module that knows both."""

import grpc
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

from ecg.errors import AnalysisLost, EcgError, Overloaded

#: What gRPC says when the other process died or was shut down. Any other code is a fault of this program.
_GONE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,  # a stream that was reset
        grpc.StatusCode.UNKNOWN,
    }
)
#: How long it takes Serve to notice a lost replica and to start another one, at least.
RESTART_S = 5.0


def is_replica_lost(error: BaseException) -> bool:
    """Whether a replica died or could not be reached, so that another one may answer the same question."""
    error = _cause_of(error)
    if isinstance(error, grpc.RpcError):
        code = getattr(error, "code", None)
        return code is None or code() in _GONE
    return isinstance(error, (RayActorError, ReplicaUnavailableError))


def is_queue_full(error: BaseException) -> bool:
    """Whether a deployment refused because too much waits for it."""
    return isinstance(_cause_of(error), BackPressureError)


def as_ecg_error(error: BaseException) -> EcgError | None:
    """The `EcgError` behind an exception, also one that crossed processes; None for a fault of this program."""
    error = _cause_of(error)
    if isinstance(error, EcgError):
        return error
    if isinstance(error, BackPressureError):
        return Overloaded("The service is at its limit; try again shortly.")
    if isinstance(error, DeploymentUnavailableError) or is_replica_lost(error):
        kind = Overloaded if isinstance(error, DeploymentUnavailableError) else AnalysisLost
        return kind("A part of the service is being restarted; try again shortly.", retry_after_s=RESTART_S)
    return None


def _cause_of(error: BaseException) -> BaseException:
    """What was raised in the other process: the text of Ray's wrapper holds paths, addresses and source lines."""
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException) and error.cause is not error:
        error = error.cause
    return error
