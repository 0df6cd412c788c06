"""`ecg analyze`: the whole analysis in this process, the same pipeline as the service."""

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from ecg import local
from ecg.cli.recordings import add_file_arguments, add_model_arguments, for_each, record_name
from ecg.models.cards import CARDS, cards_at
from ecg.models.contract import EngineOptions
from ecg.pipeline import WITHOUT_MODELS, parse_include
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.encodings import ENCODINGS, JSON, Encoding, encoding_named, subject_for

#: Forms of an answer that are JSON documents; `ecg report` makes pages.
FORMS = tuple(encoding.name for encoding in ENCODINGS.values() if encoding.media_type.endswith("json"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE…, weights and the form of the answer."""
    add_file_arguments(parser)
    parser.add_argument(
        "--format", choices=FORMS, default=JSON.name, help="form of the answer (docs/api.md); default json"
    )
    parser.add_argument(
        "--subject", metavar="REFERENCE", help="FHIR reference to the patient, such as Patient/123, for --format fhir"
    )
    parser.add_argument("--jsonl", action="store_true", help="one line a recording instead of indented JSON")
    add_model_arguments(parser)
    parser.add_argument("--backend", choices=("auto", "torch", "openvino"), default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "int8"), default="auto")


def run(args: argparse.Namespace) -> int:
    """Analyse each file; one JSON document each on stdout."""
    encoding = encoding_named(args.format)
    subject = subject_for(encoding, args.subject)
    cards = cards_at([*CARDS, *args.model])
    include = parse_include(args.include, frozenset(cards) | WITHOUT_MODELS)
    models = local.load_models(args.weights, include, EngineOptions(args.backend, args.precision), cards)
    for name, model in models.items():
        if not model.identity.trained:
            print(f"{name}: UNTRAINED weights; what this model says carries no meaning", file=sys.stderr)
        elif model.note:
            print(f"{name}: {model.note}", file=sys.stderr)

    def show(path: Path, record: EcgRecord) -> None:
        document = _document(path, local.run(record, models, include, cards).about(subject), encoding)
        option = orjson.OPT_APPEND_NEWLINE | (0 if args.jsonl else orjson.OPT_INDENT_2)
        print(orjson.dumps(document, option=option).decode(), end="", flush=True)

    return for_each(args, show)


def _document(path: Path, report: Report, encoding: Encoding) -> dict[str, Any]:
    """The answer in one form; in the JSON form it begins with the name of the file."""
    if encoding is JSON:
        return {"record": record_name(path)} | report.to_dict()
    document: dict[str, Any] = orjson.loads(report.encoded(encoding.media_type))
    return document
