"""A third model by one card: in the library, the service, its health, settings and configuration, and the tables."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from pydantic import ValidationError

from deployments.cohort.stages import Analysed, Listed, ModelStage, compose_chunk, pack, read_chunk, unpack
from deployments.cohort.tables import RECORDINGS
from ecg import local
from ecg.cli import main
from ecg.errors import MalformedInput, RecordingTooShort
from ecg.formats.stated import Stated
from ecg.models.cards import CARDS, cards_at
from ecg.pipeline import WITHOUT_MODELS
from ecg.record import EcgRecord
from serve_app.config_check import load_config
from serve_app.settings import AppSettings
from tests.builders.local_service import LocalService, serving
from tests.e2e.payloads import as_json
from tests.third_model import CARD, REFERENCE

ROOT = Path(__file__).resolve().parents[2]
MODELS = [*CARDS, REFERENCE]
ALL_PARTS = frozenset(cards_at(MODELS)) | WITHOUT_MODELS
SETTINGS: dict[str, Any] = {
    "clinical_weights": "stand-in",
    "feature_weights": "stand-in",
    "precision": "float32",
    "preprocess_inline": True,
    "models": {"voltage": {"card": REFERENCE, "weights": "small"}},
}


def test_no_file_of_the_packages_names_it() -> None:
    files = [f for room in ("ecg", "deployments", "serve_app", "config", "k8s") for f in (ROOT / room).rglob("*")]
    naming = [
        str(f)
        for f in files
        if f.suffix in (".py", ".yaml", ".json", ".html")
        and any(name in f.read_text() for name in ("third_model", "VoltageModel"))
    ]
    assert len(files) > 100
    assert naming == []


def test_the_library_answers_with_it(sinus: EcgRecord) -> None:
    cards = cards_at([*CARDS, REFERENCE])
    include = frozenset({"voltage", "quality"})
    models = {"voltage": CARD.load(CARD.resolve("small", None), local.EngineOptions())}
    report = local.run(sinus, models, include, cards)
    labels = {label.name: label.score for label in report.conclusion.additional["voltage"]}
    spread = float(sinus.signal[sinus.leads.index("II"), :4000:5].std())
    assert labels["High voltage"] == pytest.approx(1 / (1 + np.exp(-4 * spread)), abs=0.05)
    assert labels["High voltage"] + labels["Low voltage"] == pytest.approx(1, abs=0.1)  # type: ignore[operator]
    answer = report.to_dict()
    assert [label["name"] for label in answer["models"]["voltage"]["labels"]] == ["High voltage", "Low voltage"]
    assert answer["provenance"]["models"]["voltage"]["weights"] == "third/small"
    assert answer["clinical_analysis"] is None


def test_untrained_it_does_not_speak_and_a_short_recording_is_answered_without_it(sinus: EcgRecord) -> None:
    cards = cards_at(MODELS)
    models = local.load_models("stand-in", ALL_PARTS, cards=cards)
    report = local.run(sinus, models, ALL_PARTS, cards)
    assert {label.score for label in report.conclusion.additional["voltage"]} == {None}
    assert any("The voltage model is untrained" in warning for warning in report.conclusion.warnings)
    short = replace(sinus, signal=sinus.signal[:, :3000])
    answer = local.run(short, models, ALL_PARTS, cards).to_dict()
    assert "No voltage: Eight seconds are needed." in answer["warnings"]
    assert answer["labels"] is not None
    with pytest.raises(RecordingTooShort):
        local.run(short, models, frozenset({"voltage"}), cards)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    store = f"sqlite:///{tmp_path_factory.mktemp('inbox') / 'inbox.sqlite'}"
    with serving(AppSettings.model_validate(SETTINGS | {"inbox_url": store}), "third") as started:
        yield started


def test_the_service_serves_it(service: LocalService, sinus: EcgRecord) -> None:
    health = service.get("/health").json()
    assert list(health["models"]) == ["clinical", "features", "voltage"]
    assert health["models"]["voltage"] | {"detail": None} == {
        "state": "ready",
        "weights": "third/small",
        "trained": True,
        "backend": "numpy",
        "precision": "float32",
        "detail": None,
        "progress": None,
        "change": None,
        "replicas": {"ready": 1},
    }
    sent = as_json(sinus)
    answer = service.post("/analyze", **sent).json()
    alone = local.run(
        sinus,
        {"voltage": CARD.load(CARD.resolve("small", None), local.EngineOptions())},
        frozenset({"voltage"}),
        cards_at(MODELS),
    ).to_dict()
    assert answer["models"] == alone["models"]
    assert answer["provenance"]["models"].keys() == {"clinical", "features", "voltage"}
    only = service.post("/analyze", **sent, params={"include": "voltage"})
    assert only.json()["provenance"]["models"].keys() == {"voltage"}


def test_a_cohort_table_has_its_columns(sinus: EcgRecord, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(as_json(sinus)["content"])
    short = tmp_path / "short.json"
    short.write_bytes(as_json(replace(sinus, signal=sinus.signal[:, :3000]))["content"])
    include = frozenset({"voltage", "clinical"})
    row = read_chunk(pack(Listed(0, (str(path), str(short)))), Stated(), include, MODELS)
    for reference, source in (("clinical", "stand-in"), (REFERENCE, "small")):
        identifier = cards_at([reference]).popitem()[1].resolve(source, None).identifier
        row = ModelStage(reference, source, identifier, 1, 16)(row)
    result: Analysed = unpack(compose_chunk(row, include, MODELS))
    whole, without = result.recordings.to_pylist()
    assert result.failures == ()
    assert set(result.recordings.column_names) - set(RECORDINGS.names) == {
        "voltage_label_high_voltage",
        "voltage_label_low_voltage",
    }
    assert 0.5 < whole["voltage_label_high_voltage"] < 1
    assert without["voltage_label_high_voltage"] is None
    assert any("No voltage" in warning for warning in without["warnings"])


def test_the_configuration_takes_it(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config" / "local.yaml").read_text())
    (application,) = config["applications"]
    application["args"]["models"] = {"voltage": {"card": REFERENCE, "threads": 3}}
    file = tmp_path / "third.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(MalformedInput, match="no entry for VoltageModel"):
        load_config(file)
    application["deployments"].append({"name": "VoltageModel", "ray_actor_options": {"num_cpus": 0.1}})
    file.write_text(yaml.safe_dump(config))
    load_config(file)


def test_settings_of_one_model_go_before_those_of_all() -> None:
    settings = AppSettings.model_validate(
        SETTINGS
        | {"threads": 2, "models": {"voltage": {"card": REFERENCE, "threads": 3}, "features": {"weights": "hub"}}}
    )
    assert settings.model_settings("clinical")["threads"] == 2
    assert settings.model_settings("voltage") == {
        "weights": "auto",
        "backend": "auto",
        "precision": "float32",
        "threads": 3,
        "max_batch_segments": 16,
        "must_load": False,
    }
    assert settings.model_settings("features")["weights"] == "hub"


@pytest.mark.parametrize(
    "models",
    [
        {"voltage": {}},
        {"voltage": {"card": "nowhere:CARD"}},
        {"voltage": {"card": "tests.third_model:REFERENCE"}},
        {"voltage": {"card": "tests.third_model"}},
        {"other": {"card": REFERENCE}},
        {"voltage": {"card": REFERENCE, "x": 1}},
        {"second": {"card": "ecg.models.ecgfm.cards:FEATURES"}},
    ],
)
def test_a_card_that_is_not_there_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AppSettings.model_validate({"models": models})


def test_the_command_line_takes_it(sinus: EcgRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(as_json(sinus)["content"])
    assert main(["analyze", str(path), "--model", REFERENCE, "--include", "voltage", "--weights", "small"]) == 0
    assert orjson.loads(capsys.readouterr().out)["models"]["voltage"]["labels"][0]["probability"] > 0.5


def test_asyncio_is_not_needed_by_the_library(sinus: EcgRecord) -> None:
    async def inside_a_loop() -> bytes:
        return local.analyze(sinus, include=frozenset({"quality"})).to_json()

    assert orjson.loads(asyncio.run(inside_a_loop()))["signal_quality"] == "Excellent"
