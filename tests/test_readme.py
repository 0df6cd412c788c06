"""The README's Python runs, and the answer that it shows is a real one."""

import re
from pathlib import Path

import orjson
import pytest

from ecg import local
from ecg.formats import json_body
from ecg.formats.stated import Stated
from ecg.models.contract import EngineOptions
from serve_app.openapi import sample_body

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_runs() -> None:
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})


def test_the_answer_is_that_to_the_sample() -> None:
    (printed,) = blocks("json")
    shown = orjson.loads(printed)
    record = json_body.parse({"sample": orjson.dumps(sample_body())}, "sample", Stated())
    real = orjson.loads(
        local.run(record, local.load_models("small", options=EngineOptions("torch", "float32", 1))).to_json()
    )
    assert shown.keys() <= real.keys()
    for name in ("signal_quality", "consistency", "warnings"):
        assert shown[name] == real[name]
    for label in ("Sinus rhythm", "1st degree atrioventricular block"):
        (ours,), (theirs,) = ([f for f in body["findings"] if f["label"] == label] for body in (shown, real))
        assert ours == theirs
    given = {label["name"]: label for label in real["labels"]}
    for label in shown["labels"]:
        theirs = given[label["name"]]
        assert (label["calibrated"], label.get("reason")) == (theirs["calibrated"], theirs.get("reason"))
        if label["probability"] is None:
            assert theirs["probability"] is None
        else:
            assert label["probability"] == pytest.approx(theirs["probability"], abs=0.005)
            assert label["with_rules"] == pytest.approx(theirs["with_rules"], abs=0.005)
    weights = shown["provenance"]["models"]["clinical"]["weights"]
    assert weights == real["provenance"]["models"]["clinical"]["weights"]
    clinical, measured = real["clinical_analysis"], real["measurements"]
    assert {**shown["clinical_analysis"], **clinical}.keys() == clinical.keys()
    # sine and exponential differ in the last bit between processors, and the sample is rounded: a step either way
    for name, value in shown["clinical_analysis"]["physiological_parameters"].items():
        assert value == pytest.approx(clinical["physiological_parameters"][name], abs=0.11)
    for name, value in shown["measurements"].items():
        for field in ("value", "spread"):
            assert value[field] == pytest.approx(measured[name][field], rel=0.02)
        assert (value["unit"], value["reason"]) == (measured[name]["unit"], measured[name]["reason"])


def test_every_linked_document_exists() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    missing = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert missing == []
