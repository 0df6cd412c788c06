"""Routes that say what the service is and how it does: health, labels, the schema of the feature vector."""

import asyncio
from dataclasses import asdict

import orjson
from starlette.requests import Request
from starlette.responses import Response

from deployments.serve.graph import Graph, check_ready
from ecg._version import __version__
from ecg.features import SCHEMA, SCHEMA_VERSION
from ecg.labels import LABELS


class StatusRoutes:
    """`/health` and `/health/ready`, over the models that the graph watches."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def health(self, request: Request) -> Response:
        """Always 200 while the process lives."""
        watches = self._graph.models
        states = dict(zip(watches, await asyncio.gather(*(w.state() for w in watches.values())), strict=True))
        names = {state.state for state in states.values()}
        failed = any("failed" in (state.state, state.change, *(state.replicas or {})) for state in states.values())
        status = "degraded" if failed else "ready" if names == {"ready"} else "starting"
        models = {name: state.to_dict() for name, state in states.items()}
        return json_response({"status": status, "models": models, "versions": {"ecg-serve": __version__}})

    async def ready(self, request: Request) -> Response:
        """200 when `/analyze` can answer with its clinical part, else 503."""
        check_ready("clinical", await self._graph.models["clinical"].state())
        return json_response({"status": "ready"})


async def labels(request: Request) -> Response:
    """The labels in logit order."""
    return json_response({"labels": [{"index": i, **asdict(label)} for i, label in enumerate(LABELS)]})


async def features_schema(request: Request) -> Response:
    """What each position of `features` is."""
    features = [{"index": i, **asdict(feature)} for i, feature in enumerate(SCHEMA)]
    return json_response({"version": SCHEMA_VERSION, "dimension": len(SCHEMA), "features": features})


def json_response(body: object) -> Response:
    """A 200 with a JSON body, which may hold numpy values."""
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
