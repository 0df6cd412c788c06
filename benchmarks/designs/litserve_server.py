"""Design (b): LitServe with our engine and its own batching; .npy in, the service's document out.

python -m benchmarks.designs.litserve_server PORT WEIGHTS PRECISION
"""

import sys
from typing import Annotated, Any

import litserve
from fastapi import Depends, Request, Response

from benchmarks.designs.whole import Whole
from ecg.record import EcgRecord
from serve_app.edge.recordings import NPY, Upload


async def received(request: Request) -> dict[str, Any]:
    """Body and query as plain values: LitServe itself would take the body for JSON."""
    return {"body": await request.body(), "parameters": dict(request.query_params)}


class Analyzer(litserve.LitAPI):  # type: ignore[misc]
    """The four verbs of LitServe."""

    def __init__(self, weights: str, precision: str) -> None:
        super().__init__(max_batch_size=8, batch_timeout=0.01)
        self._weights, self._precision = weights, precision

    def setup(self, device: str) -> None:
        self._whole = Whole(self._weights, self._precision)

    def decode_request(self, request: Annotated[dict[str, Any], Depends(received)]) -> EcgRecord:
        return Upload(NPY, {"body": request["body"]}).decode(request["parameters"])

    def batch(self, inputs: list[EcgRecord]) -> list[EcgRecord]:
        return inputs

    def predict(self, x: list[EcgRecord]) -> list[bytes]:
        return self._whole.analyze(x)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes, **context: Any) -> Response:
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        Analyzer(sys.argv[2], sys.argv[3]),
        accelerator="cpu",
        api_path="/analyze",
        healthcheck_path="/health",
        timeout=120,
    )
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
