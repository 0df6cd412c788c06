"""`ecg analyze`: the whole analysis in this process, the same pipeline as the service."""

import argparse
import sys
from pathlib import Path

import orjson

from ecg import local
from ecg.cli.recordings import add_file_arguments, add_model_arguments, for_each
from ecg.models.cards import CARDS, cards_at
from ecg.models.contract import EngineOptions
from ecg.pipeline import WITHOUT_MODELS, parse_include
from ecg.record import EcgRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE…, weights and the output form."""
    add_file_arguments(parser)
    parser.add_argument("--jsonl", action="store_true", help="one line a recording instead of indented JSON")
    add_model_arguments(parser)
    parser.add_argument("--backend", choices=("auto", "torch", "openvino"), default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "int8"), default="auto")


def run(args: argparse.Namespace) -> int:
    """Analyse each file; one JSON document each on stdout."""
    cards = cards_at([*CARDS, *args.model])
    include = parse_include(args.include, frozenset(cards) | WITHOUT_MODELS)
    models = local.load_models(args.weights, include, EngineOptions(args.backend, args.precision), cards)
    for name, model in models.items():
        if not model.identity.trained:
            print(f"{name}: UNTRAINED weights; what this model says carries no meaning", file=sys.stderr)
        elif model.note:
            print(f"{name}: {model.note}", file=sys.stderr)

    def show(path: Path, record: EcgRecord) -> None:
        document = {"record": path.stem} | local.run(record, models, include, cards).to_dict()
        option = orjson.OPT_APPEND_NEWLINE | (0 if args.jsonl else orjson.OPT_INDENT_2)
        print(orjson.dumps(document, option=option).decode(), end="", flush=True)

    return for_each(args, show)
