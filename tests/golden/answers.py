"""Today's answers to 40 recordings, for `answers.jsonl`: a line for each part of an answer.

    python -m tests.golden.answers          rewrites answers.jsonl; `git diff` then shows what changed

The recordings are simulated. The two models are tables of numbers drawn here, not networks: what a network answers in
its last digits depends on the processor, and the networks have goldens of their own. Everything else is the real thing:
ingress, graph, bulk route, examination, inbox document, cohort table. Times, ids and hashes of the
samples (their last bits depend on the processor) are left out, and of the other ways
of asking only what they say otherwise than `/analyze`.
"""

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request

from deployments.cohort.tables import recordings_table
from deployments.serve.graph import Graph, Handles
from deployments.serve.model_state import ModelState
from ecg.errors import UnusableRecording
from ecg.labels import LABELS, label_column
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.models.ecgfm.preparation import check_preparable
from ecg.pipeline import ALL, Examination, examine
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, Artefact, Scenario, simulate
from serve_app.edge.ingress import Ingress
from serve_app.settings import AppSettings
from tests.deployments.fakes import handle
from tests.e2e.payloads import as_json

FILE = Path(__file__).with_name("answers.jsonl")
EMBEDDING_DIM = 768
NAMED = (
    "sinus",
    "sinus_bradycardia",
    "sinus_tachycardia",
    "left_axis",
    "right_axis",
    "long_qt",
    "inverted_t",
    "low_voltage",
    "lbbb",
    "rbbb",
    "lafb",
    "bifascicular",
    "preexcitation",
    "st_elevation_inferior",
    "inferior_q",
    "anterior_q",
    "av_block_1",
    "wenckebach",
    "mobitz2",
    "av_block_3",
    "atrial_fibrillation",
    "atrial_flutter",
    "atrial_flutter_2to1",
    "supraventricular_tachycardia",
    "ventricular_tachycardia",
    "pvc",
    "bigeminy",
    "pac",
    "paced",
    "paced_dual",
    "muscle_noise",
    "reversal_la_ra",
    "lead_off",
    "missing_samples",
)
#: By recording, way of asking, and key of the answer ("" for the whole).
Answers = dict[tuple[str, str, str], Any]


def recordings() -> dict[str, EcgRecord]:
    """40 recordings by name: rhythms, shapes and faults, and what a sender can do otherwise."""
    found = {name: simulate(SCENARIOS[name], seed=7).record for name in NAMED}
    sinus = found["sinus"]
    eight = [sinus.leads.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
    noise = tuple(Artefact(kind, level) for kind, level in (("muscle", 0.6), ("mains50", 0.5), ("baseline", 2.0)))
    found |= {
        "at_250_hz_for_30_s": simulate(Scenario(duration_s=30, fs_hz=250), seed=8).record,
        "unknown_unit": replace(sinus, unit=None),
        "eight_leads": replace(sinus, signal=sinus.signal[eight], leads=tuple(sinus.leads[i] for i in eight)),
        "limb_leads_only": replace(sinus, signal=sinus.signal[:6], leads=sinus.leads[:6]),
        "four_seconds": replace(sinus, signal=sinus.signal[:, :2000]),
        "poor": simulate(Scenario(artefacts=noise), seed=9).record,
    }
    return {name: replace(record, name=None, format="json") for name, record in found.items()}


def model_results(index: int) -> dict[str, ModelResult]:
    """What the two models say of recording number `index`: numbers that every processor has exactly."""
    rng = np.random.default_rng(index)
    trained = index % 5 != 4
    drawn = rng.integers(0, 1024, (3, EMBEDDING_DIM)) / 1024
    scores = (rng.integers(0, 1024, len(LABELS)) / 1024) ** 2
    clinical = ModelIdentity("golden/clinical@sha256:0", trained, "golden", "float32")
    features = ModelIdentity("golden/features@sha256:0", trained, "golden", "float32")
    embedding, spread = drawn[:2].astype(np.float32)
    return {
        "clinical": ModelResult(clinical, scores.astype(np.float32), drawn[2].astype(np.float32), spread),
        "features": ModelResult(features, None, embedding, spread),
    }


async def _no_counts() -> bytes:
    """Of an inbox that the service begins and nobody sends to."""
    return b"{}"


class Service:
    """The ingress over stages in this process; the models answer for the recording that is `current`."""

    def __init__(self, store: str) -> None:
        self.current: dict[str, ModelResult] = {}
        self._examined: dict[str, Examination] = {}
        models = {name: self._model(name) for name in ("clinical", "features")}
        handles = Handles(None, models, handle(examine=self._examine))
        self.graph = Graph(handles)
        inbox = handle(accept=None, record=None, stats=_no_counts, metrics=None)
        self.ingress = Ingress(AppSettings(inbox_url=store), handles, inbox)

    async def post(self, path: str, body: bytes) -> dict[str, Any]:
        """The JSON answer of a route that takes one recording."""
        return dict(orjson.loads(await self._send(path, body, "application/json")))

    async def post_bulk(self, body: bytes) -> dict[str, Any]:
        """The one line that the bulk route answers for a recording."""
        return dict(orjson.loads(await self._send("/analyze/bulk", body, "application/x-ndjson")))

    async def _send(self, path: str, body: bytes, content_type: str) -> bytes:
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", content_type.encode())],
        }
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[dict[str, Any]] = []
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        response = await self.ingress(Request(scope, receive))
        await response(scope, receive, send)
        return b"".join(message.get("body", b"") for message in sent)

    async def _examine(self, record: EcgRecord, findings: bool, features: bool) -> Examination:
        key = f"{record.sha256} {record.unit} {record.leads} {features}"
        if key not in self._examined:
            self._examined[key] = examine(record, True, features)
        return self._examined[key] if findings else replace(self._examined[key], findings=())

    def _model(self, name: str) -> DeploymentHandle:
        async def state() -> ModelState:
            return ModelState("ready")

        async def infer(segments: Any) -> ModelResult:
            return self.current[name]

        return handle(state=state, infer=infer)


async def _answers(store: str) -> Answers:
    service = Service(store)
    found: Answers = {}
    for index, (name, record) in enumerate(recordings().items()):
        service.current = model_results(index)
        body = as_json(record)["content"]
        analyze = _shortened(await service.post("/analyze", body))
        bulk = await service.post_bulk(body)
        stored = orjson.loads(await service.graph.document(record))
        found |= {(name, "analyze", key): value for key, value in analyze.items()}
        others = {
            "extract_features": _shortened(await service.post("/extract_features", body)),
            "assess_quality": _shortened(await service.post("/assess_quality", body)),
            "bulk": {"status": bulk["status"]} | _shortened(bulk.get("report") or bulk["problem"]),
            "inbox": _shortened(stored),
        }
        for way, answer in others.items():
            found[name, way, ""] = _against(analyze, answer)
        found[name, "cohort", ""] = await _cohort_row(service.graph, record, analyze)
    return found


async def _cohort_row(graph: Graph, record: EcgRecord, analyze: dict[str, Any]) -> dict[str, Any]:
    """The row of the recordings table, against the values of `/analyze` under its columns' names."""
    try:
        check_preparable(record)
    except UnusableRecording as error:
        return {"refused": error.code}
    (row,) = recordings_table([("archive/r", await graph.report(record, ALL))]).to_pylist()
    for key in ("measurements", "quality", "findings", "consistency", "provenance"):
        row[key] = orjson.loads(row[key])
    same_names = {
        **analyze,
        **analyze["clinical_analysis"],
        **analyze["provenance"]["input"],
        **{label_column(name): score for name, score in analyze["labels"].items()},
        **{name: value[0] for name, value in analyze["measurements"].items() if isinstance(value, list)},
        "acceptable": analyze["quality"]["acceptable"],
        "input_sha256": analyze["provenance"]["input_sha256"],
    }
    return _against(same_names, _shortened(row))


def _shortened(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without times and ids, its long parts in fewer characters and with no number left out."""
    answer = {key: value for key, value in answer.items() if key not in ("processing_time", "request_id")}
    if answer.get("features"):
        embedding, named = answer["features"][: 2 * EMBEDDING_DIM], answer["features"][2 * EMBEDDING_DIM :]
        checksum = zlib.crc32(np.round(np.array(embedding, np.float64) * 1024).astype(np.int64).tobytes())
        answer["features"] = [len(answer["features"]), checksum, *(_four_digits(value) for value in named)]
    if answer.get("labels"):
        answer["labels"] = {label["name"]: label["probability"] for label in answer["labels"]}
    if answer.get("findings"):
        answer["findings"] = {f.pop("label"): list(f.values()) for f in answer["findings"]}
    if answer.get("measurements"):
        answer["measurements"] = {name: _value(value) for name, value in answer["measurements"].items()}
    if "provenance" in answer:
        provenance = answer["provenance"]
        answer["provenance"] = provenance | {"service": "", "input": provenance["input"] | {"name": None}}
        answer["provenance"]["input_sha256"] = ""
    if "input_sha256" in answer:
        answer["input_sha256"] = ""
    return answer


def _four_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _value(value: Any) -> Any:
    """A measured value as the list of its fields, without the empty ones at the end; also inside a table of them."""
    if "value" not in value:
        return {key: _value(inner) for key, inner in value.items()}
    parts = list(value.values())
    while parts and parts[-1] is None:
        parts.pop()
    return parts


def _against(analyze: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """`answer` with its keys that hold the same as in `analyze` in one list."""
    same = [key for key, value in answer.items() if key in analyze and not any(differences(analyze[key], value))]
    return {"as in analyze": same} | {key: value for key, value in answer.items() if key not in same}


def answers(folder: Path) -> Answers:
    """Every answer; `folder` is for the inbox's store, which stays empty."""
    return asyncio.run(_answers(f"sqlite:///{folder / 'inbox.sqlite'}"))


def stored() -> Answers:
    """What answers.jsonl holds."""
    lines = (orjson.loads(line) for line in FILE.read_bytes().splitlines())
    return {(recording, way, key): value for recording, way, key, value in lines}


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two answers differ, one line each.

    Numbers may differ by 0.1 %, or 0.002 near zero: another processor's last digit, rounded to the wire's digits.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            if key not in expected or key not in found:
                yield f"{path}.{key} only in {'the file' if key in expected else 'the answer'}"
            else:
                yield from differences(expected[key], found[key], f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif isinstance(expected, float) and isinstance(found, float):
        if abs(expected - found) > max(0.002, 0.001 * abs(expected)):
            yield f"{path}: {expected} became {found}"
    elif expected != found:
        yield f"{path}: {expected!r:.100} became {found!r:.100}"


def main() -> None:
    """Write answers.jsonl."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        lines = [orjson.dumps([*place, value]) for place, value in answers(Path(folder)).items()]
    FILE.write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main()
