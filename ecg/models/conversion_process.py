"""Run weight conversions in a subprocess.

Converting needs torch and several times the memory of the weights, once. A process that serves keeps neither: it starts
`python -m ecg.models.conversion_process`, which does one task and ends. Both ends are this module: the task comes
pickled on standard input, and what the task raised goes back pickled on standard output.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path

from ecg.errors import EcgError, ModelError
from ecg.models.ecgfm.architecture import Architecture

_REFUSED = 3


def convert(source: Path, destination: Path, source_sha256: str) -> None:
    """`ecg.models.weight_file.convert` in a subprocess, with the same errors."""
    _run("convert", source, destination, source_sha256)


def export_openvino(weights: Path | None, architecture: Architecture, directory: Path, form: str) -> None:
    """`ecg.models.engines.openvino_export.export` in a subprocess, with the same errors."""
    _run("export", weights, architecture, directory, form)


def _run(task: str, *arguments: object) -> None:
    # The child must find the same `ecg`, also where it is not installed but on the parent's path.
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(  # our own interpreter and module
        [sys.executable, "-m", "ecg.models.conversion_process"],
        env={**os.environ, "PYTHONPATH": path},
        input=pickle.dumps((task, arguments)),
        capture_output=True,
        check=False,
    )
    if done.returncode == _REFUSED:
        raise pickle.loads(done.stdout)  # noqa: S301  # from our own process, which pickles nothing it has read
    if done.returncode < 0:
        raise ModelError(
            f"The conversion was ended by signal {-done.returncode}; most often that is a lack of memory.", "weights"
        )
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"The conversion failed: {last}", "weights")


def main() -> int:
    """Do the one task that standard input holds."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answer's bytes
    task, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our own process
    try:
        if task == "convert":
            from ecg.models import weight_file

            weight_file.convert(*arguments)
        else:
            from ecg.models.engines import openvino_export

            openvino_export.export(*arguments)
    except EcgError as error:
        with answer:
            pickle.dump(error, answer)
        return _REFUSED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
