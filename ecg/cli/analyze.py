"""`ecg analyze`: the whole analysis in this process, the same pipeline as the service."""

import argparse
from pathlib import Path

import orjson

from ecg import local
from ecg.cli.recordings import add_file_arguments, add_model_arguments, for_each
from ecg.pipeline import parse_include
from ecg.record import EcgRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE…, weights and the output form."""
    add_file_arguments(parser)
    parser.add_argument("--jsonl", action="store_true", help="one line a recording instead of indented JSON")
    add_model_arguments(parser)
    parser.add_argument("--backend", choices=("auto", "torch", "openvino", "fairseq"), default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "int8"), default="auto")


def run(args: argparse.Namespace) -> int:
    """Analyse each file; one JSON document each on stdout."""
    include = parse_include(args.include)
    models = local.load_models(args.weights, include, args.backend, args.precision)

    def show(path: Path, record: EcgRecord) -> None:
        document = {"record": path.stem} | local.run(record, models, include).to_dict()
        option = orjson.OPT_APPEND_NEWLINE | (0 if args.jsonl else orjson.OPT_INDENT_2)
        print(orjson.dumps(document, option=option).decode(), end="", flush=True)

    return for_each(args, show)
