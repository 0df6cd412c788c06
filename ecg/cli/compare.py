"""`ecg compare`: one checkpoint on two engines."""

import argparse
import json
import sys

from ecg.cli.progress import terminal_progress
from ecg.models import load_model, resolve_weights
from ecg.models.compare import compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ecg compare`."""
    parser.description = (
        "Run a checkpoint on this project's torch network in float32 and on another engine, and print the largest "
        "differences as JSON. Exit status 1 when they are outside the tolerances. The engine `fairseq` is the authors' "
        "own code, where fairseq-signals is installed."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help='checkpoint, converted file, "hub" or "stand-in"')
    parser.add_argument("--backend", choices=("fairseq", "openvino", "torch"), default="fairseq")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--kind", choices=("finetuned", "pretrained"), help="which model, for hub and stand-in")


def run(args: argparse.Namespace) -> int:
    """Compare; 0 when every difference is within its tolerance, 1 otherwise."""
    with terminal_progress() as progress:
        weights = resolve_weights(args.checkpoint, args.kind, progress)
    other = load_model(weights, args.backend, args.precision)
    differences = compare(load_model(weights, "torch", "float32"), other)
    within = all(difference.within for difference in differences)
    report = {
        "weights": weights.identifier,
        "reference": "torch float32",
        "other": f"{other.backend} {other.precision}",
        "within": within,
        "differences": {
            d.quantity: {"largest": d.largest, "limit": d.limit, "within": d.within} for d in differences
        },
    }  # fmt: skip
    print(json.dumps(report))
    if not within:
        outside = ", ".join(difference.quantity for difference in differences if not difference.within)
        print(f"ecg compare: outside the tolerance: {outside}", file=sys.stderr)
    return 0 if within else 1
