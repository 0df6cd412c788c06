"""`ecg convert`: a fairseq-signals checkpoint to a weights-only file."""

import argparse
import json
from pathlib import Path

from ecg.atomic_write import replacing
from ecg.cli.progress import terminal_progress
from ecg.errors import EcgError, MalformedInput
from ecg.models import conversion_process
from ecg.models.weight_file import file_sha256, read_header
from ecg.models.weights import refuse_known_mistakes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ecg convert`."""
    parser.description = (
        "Read a fairseq-signals checkpoint without running anything in it, and write its weights as safetensors, a "
        "third of the size. Prints what was written as JSON."
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=Path, help="checkpoint written by fairseq-signals (.pt)"
    )
    parser.add_argument("out", metavar="OUT.safetensors", type=Path, help="file to write; replaced when it exists")


def run(args: argparse.Namespace) -> int:
    """Convert; `EcgError` for a checkpoint that is refused."""
    checkpoint: Path = args.checkpoint
    out: Path = args.out
    if out.suffix != ".safetensors":
        raise MalformedInput("The output is a safetensors file.", "OUT", "a name that ends in .safetensors", out.name)
    try:
        refuse_known_mistakes(checkpoint)
        with terminal_progress() as progress:
            sha256 = file_sha256(checkpoint, progress)
            progress("converting", 0, None)
            with replacing(out) as partial:
                conversion_process.convert(checkpoint, partial, sha256)
    except OSError as error:
        raise EcgError(f"{error.filename}: {error.strerror}.", "CHECKPOINT, OUT") from error
    header = read_header(out)
    written = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "kind": header.architecture.kind,
        "source_sha256": header.source_sha256,
        "architecture": header.architecture.to_dict(),
    }
    print(json.dumps(written))
    return 0
