"""Design (a): one process, FastAPI on uvicorn, JSON through pydantic, float32 eager torch, both models in sequence.

python -m benchmarks.designs.seed PORT WEIGHTS
"""

import sys
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from ecg.labels import aggregate
from ecg.models.ecgfm.build import build_network
from ecg.models.ecgfm.preparation import prepare
from ecg.models.weights import resolve_weights
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report.json_form import measurements_dict


class Body(BaseModel):
    """A recording as JSON."""

    signal: list[list[float]]
    fs: float
    lead_names: list[str]
    units: str
    recording_duration: float


def application(weights: str) -> FastAPI:
    """The application with its models loaded."""
    networks = []
    for kind in ("finetuned", "pretrained"):
        found = resolve_weights(weights, kind)  # type: ignore[arg-type]
        networks.append(build_network(found.architecture, found.path))
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/analyze")
    async def analyze(body: Body) -> dict[str, Any]:
        record = EcgRecord(np.array(body.signal, np.float32), tuple(body.lead_names), body.fs, "mV")
        segments = torch.from_numpy(prepare(record).copy())
        with torch.inference_mode():
            clinical, features = (network(segments) for network in networks)
        examination = examine(record)
        return {
            "labels": [float(score) for score in aggregate(clinical.logits.numpy())],
            "features": [float(x) for x in features.embedding.mean(0)]
            + [float(x) for x in features.tokens.std((0, 1))],
            "measurements": measurements_dict(examination.measurements),
            "signal_quality": examination.quality.grade,
        }

    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[2]), port=int(sys.argv[1]), log_level="warning")
