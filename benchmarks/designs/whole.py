"""The analysis of a batch of recordings in one process, with our engine: what the other servers are given to serve."""

from collections.abc import Sequence

from ecg.models import load_model
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import infer
from ecg.pipeline import ALL, examine
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import assemble


class Whole:
    """Both models and the measurements; `analyze` gives the documents that the service gives."""

    def __init__(self, weights: str, precision: str, threads: int | None = None) -> None:
        self._clinical, self._features = (
            load_model(weights, precision=precision, kind=kind, threads=threads)  # type: ignore[arg-type]
            for kind in ("finetuned", "pretrained")
        )

    def analyze(self, records: Sequence[EcgRecord]) -> list[bytes]:
        """One JSON document a recording; the models see all recordings in one pass each."""
        segments = [prepare(record) for record in records]
        clinical, features = infer(self._clinical, segments), infer(self._features, segments)
        return [
            Report(assemble(record, ALL, examine(record), {"clinical": c, "features": f}, 0.0)).to_json()
            for record, c, f in zip(records, clinical, features, strict=True)
        ]
