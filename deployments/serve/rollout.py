"""`Rollout`: whether the weights that were deployed are those that answer, as a deployment whose health says it."""

import asyncio
from collections.abc import Mapping

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.serve.model_watch import states_of


class Rollout:
    """Does nothing but fail its health check while a model goes on with older weights because the new ones do not load.

    Serve has no other way of saying so: a model replica that failed its own check would be replaced, and the weights
    that still answer would go with it. `serve status`, KubeRay and the alert EcgRolloutFails see an application that
    is not healthy; the models answer.
    """

    def __init__(self, models: Mapping[str, DeploymentHandle]) -> None:
        self._models = dict(models)

    async def check_health(self) -> None:
        """Raise when a replica of a model could not change to the weights it was given."""
        answers = await asyncio.gather(*map(states_of, self._models.values()), return_exceptions=True)
        for reference, states in zip(self._models, answers, strict=True):
            if isinstance(states, (RayError, RayServeException, TimeoutError)):
                continue  # a model that is not there is the trouble of its own deployment
            if isinstance(states, BaseException):
                raise states
            for state in states:
                if state.change == "failed":
                    raise RuntimeError(f"{reference} goes on with {state.weights}: {state.detail}")
