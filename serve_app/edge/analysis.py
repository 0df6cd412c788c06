"""Routes that take one recording: the whole answer, the feature vector alone, signal quality alone."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from deployments.serve.graph import Graph
from ecg.pipeline import parse_include
from ecg.record import EcgRecord
from ecg.report.encodings import JSON, negotiated, subject_for
from serve_app.edge.recordings import CONTENT_TYPES, PARAMETERS, receive
from serve_app.edge.status import json_response
from serve_app.settings import AppSettings

#: What may be stated on the routes for one part.
_ALONE = tuple(name for name in PARAMETERS if name not in {"include", "subject"})
#: What the answers of these routes hold beside it.
_BESIDE = ("processing_time", "warnings", "provenance")


class AnalysisRoutes:
    """`/analyze`, `/extract_features` and `/assess_quality`."""

    def __init__(self, graph: Graph, settings: AppSettings) -> None:
        self._graph = graph
        self._settings = settings

    async def analyze(self, request: Request) -> Response:
        """The whole answer, or the parts that `include` names, in the form that `Accept` asks for."""
        encoding = negotiated(request.headers.get("accept"))  # before any work is done for a form that does not exist
        record, parameters = await self._record(request, PARAMETERS)
        subject = subject_for(encoding, parameters.get("subject"))
        report = await self._graph.report(record, parse_include(parameters.get("include"), self._graph.parts))
        media_type = encoding.media_type
        if encoding is JSON:
            return Response(report.to_json(), media_type=media_type)
        return Response(await asyncio.to_thread(report.about(subject).encoded, media_type), media_type=media_type)

    async def extract_features(self, request: Request) -> Response:
        """The feature vector."""
        return await self._part(request, "features", ("features", *_BESIDE))

    async def assess_quality(self, request: Request) -> Response:
        """Signal quality, without any model."""
        return await self._part(request, "quality", ("signal_quality", "quality", *_BESIDE))

    async def _part(self, request: Request, part: str, names: Sequence[str]) -> Response:
        record, _ = await self._record(request, _ALONE)
        report = (await self._graph.report(record, frozenset({part}))).to_dict()
        return json_response({name: report[name] for name in names})

    async def _record(self, request: Request, allowed: Sequence[str]) -> tuple[EcgRecord, dict[str, str]]:
        """The recording of a request, and what is stated beside it."""
        settings = self._settings
        uploads, parameters = await receive(request, CONTENT_TYPES, allowed, settings.max_body_bytes)
        (upload,) = uploads
        return await upload.decode_offloaded(parameters, settings.max_duration_s), parameters
