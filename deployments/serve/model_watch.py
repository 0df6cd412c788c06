"""`ModelWatch`: what the ingress knows about each model, without ever waiting for one that is not there yet."""

import asyncio
from dataclasses import replace

from ray.exceptions import RayError
from ray.serve.exceptions import DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.serve.model_state import ModelState, of_all

_FRESH_S = 1.0
_PATIENCE_S = 0.25
#: A replica that is frozen or cut off is not waited for longer; the others' answers then count without its own.
_FANOUT_S = 5.0
_SILENCE_S = 15.0  # under load a question waits for its turn; a model silent for so long has no running replica


async def states_of(handle: DeploymentHandle) -> list[ModelState]:
    """The state of every replica of a model deployment that answers.

    Raises what Ray raises when there is none, and `TimeoutError` when a replica does not answer within five seconds.
    """
    answers = await handle.broadcast("state").results_async(timeout_s=_FANOUT_S, return_exceptions=True)
    states = [answer for answer in answers if isinstance(answer, ModelState)]
    if not states:
        raise next(answer for answer in answers if isinstance(answer, BaseException))
    return states


class ModelWatch:
    """Asks all replicas of a model for their state at most once a second and remembers what they said.

    A deployment without a running replica does not answer: the question stays open in the background, and the state
    is ``waiting`` until it does.
    """

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle
        self._known = ModelState("waiting", detail="no replica is running yet")
        self._answered_at = float("-inf")
        self._asked_at = float("-inf")
        self._question: asyncio.Task[None] | None = None

    async def ready_or_state(self) -> ModelState:
        """The last known state when that is ready, without asking again; else `state`."""
        return self._known if self._known.state == "ready" else await self.state()

    async def state(self) -> ModelState:
        """The state now, or the last known when the model does not answer within a quarter of a second."""
        now = asyncio.get_running_loop().time()
        if self._question is None and now - self._answered_at > _FRESH_S:
            self._question = asyncio.create_task(self._ask())
            self._asked_at = now
        if self._question is not None:
            await asyncio.wait({self._question}, timeout=_PATIENCE_S)
        if self._question is not None and now - self._asked_at > _SILENCE_S:
            self._known = ModelState("waiting", detail="no replica answers")
        return self._known

    async def _ask(self) -> None:
        try:
            try:
                self._known = of_all(await states_of(self._handle))
            except (TimeoutError, DeploymentUnavailableError) as error:
                missing = "one of its replicas does not answer" if isinstance(error, TimeoutError) else None
                # A lone replica that takes a new configuration is missing for a moment; a question waits for it.
                one = await self._handle.state.remote()
                self._known = replace(one, detail=one.detail or missing)
        except (RayError, RayServeException) as error:
            self._known = ModelState("waiting", detail=f"no replica answers ({type(error).__name__})")
        finally:
            self._answered_at = asyncio.get_running_loop().time()
            self._question = None
