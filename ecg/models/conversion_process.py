"""Conversions in a process of their own.

Converting needs torch and several times the memory of the weights, once. A process that serves keeps neither: it starts
`python -m ecg.models.conversion_process`, which does one task and ends.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import ecg
from ecg.errors import CheckpointRejected, ModelError

_REJECTED = 3


def convert(source: Path, destination: Path, source_sha256: str) -> None:
    """`ecg.models.weight_file.convert` in a child process, with the same errors."""
    _run("convert", str(source), str(destination), source_sha256)


def export_openvino(weights: Path | None, kind: str, directory: Path, form: str) -> None:
    """`ecg.models.engines.openvino_export.export` in a child process; `weights` None is the stand-in of that kind."""
    _run("export", str(weights or ""), kind, str(directory), form)


def _run(*arguments: str) -> None:
    # The child must find the same `ecg`, also where it is not installed but on the parent's path.
    root = str(Path(ecg.__file__).resolve().parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-m", "ecg.models.conversion_process", *arguments],
        env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == _REJECTED:
        raise CheckpointRejected(*json.loads(done.stdout.splitlines()[-1]))
    if done.returncode < 0:
        raise ModelError(
            f"The conversion was ended by signal {-done.returncode}; most often that is a lack of memory.", "weights"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"The conversion failed: {last}", "weights")


def main(arguments: list[str]) -> int:
    """Do one task; a rejected checkpoint is one line of JSON on standard output."""
    try:
        if arguments[0] == "convert":
            from ecg.models import weight_file

            source, destination, sha256 = arguments[1:]
            weight_file.convert(Path(source), Path(destination), sha256)
        else:
            from ecg.models.engines import openvino_export

            weights, kind, directory, form = arguments[1:]
            openvino_export.export(Path(weights) if weights else None, kind, Path(directory), form)  # type: ignore[arg-type]
    except CheckpointRejected as error:
        print(json.dumps([error.message, error.field, error.expected, error.got], default=str))
        return _REJECTED
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
