"""`python -m benchmarks.hostile [FOLDER]`: what a hostile upload costs, in milliseconds and megabytes.

Each input is read in a fork of a process that has read an honest recording, as the ingress does; the time and the
growth of its peak memory are printed. What inflates within `max_body_mib` may take that much. FOLDER holds WFDB headers
beside `rec.dat` (default ../shared/cases/hostile). Exit status 1 when an input is read, takes more than 200 ms or
50 MB, or ends in anything but a typed refusal.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard

from ecg import formats
from ecg.errors import EcgError
from ecg.formats.stated import Stated
from serve_app.edge.bodies import inflate

FOLDER = Path(__file__).resolve().parents[2] / "shared/cases/hostile"
MOST_MS, MOST_MB = 200.0, 50.0
MAX_BODY, MAX_DURATION_S = 64 * 2**20, 600.0
SIGNAL = np.zeros(1500, "<i2").tobytes()
LINE = "rec.dat 16 1000/mV 16 0 0 0 0 I"


def wfdb(header: bytes, signal: bytes = SIGNAL) -> Callable[[], object]:
    """Reading a header and its signal file."""
    files = {"rec.hea": header, "rec.dat": signal}
    return lambda: formats.parse(files, Stated(), MAX_DURATION_S)


def generated() -> dict[str, Callable[[], object]]:
    """Inputs that need no file."""
    frames = zstandard.ZstdCompressor().compress(b"") * 500_000
    flac = "rec 1 250 190000000\n" + LINE.replace(" 16 ", " 516 ", 1)
    return {
        "half a million empty zstd frames": lambda: inflate(frames, "zstd", MAX_BODY),
        "FLAC of 190 million samples": wfdb(flac.encode()),
        "format 16-1": wfdb(f"rec 1 250 1500\n{LINE}".replace(" 16 1000", " 16-1 1000").encode()),
        "gain 1_000/mV": wfdb(f"rec 1 250 1500\n{LINE}".replace("1000/", "1_000/").encode()),
        "sample count 1e3": wfdb(f"rec 1 250 1e3\n{LINE}".encode()),
        "U+2028 in a signal line": wfdb(f"rec 1 250 1500\n{LINE}\u2028x".encode()),
    }


def peak_mb() -> float:
    """Peak resident memory since it was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def measured(read: Callable[[], object]) -> tuple[str, float, float]:
    """How reading ends, milliseconds, megabytes; in a process of its own."""
    receiving, sending = os.pipe()
    if (child := os.fork()) == 0:
        os.close(receiving)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, begun = peak_mb(), time.perf_counter()
        try:
            read()
            said = "read"
        except EcgError as error:
            said = error.code
        except BaseException as error:  # noqa: BLE001  it is what is looked for
            said = f"FAULT {type(error).__name__}"
        result = [said, (time.perf_counter() - begun) * 1000, peak_mb() - before]
        os.write(sending, json.dumps(result).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return tuple(json.loads(answer)) if answer else ("FAULT killed", 0.0, 0.0)


def main() -> int:
    """Exit status 1 when a bound is broken."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    signal = (folder / "rec.dat").read_bytes() if folder.is_dir() else SIGNAL
    rows = {path.name: wfdb(path.read_bytes(), signal) for path in sorted(folder.glob("*.hea"))} | generated()
    wfdb(f"rec 1 250 1500\n{LINE}\n".encode())()  # imports are not the upload's cost
    broken = 0
    for name, read in rows.items():
        said, ms, mb = measured(read)
        bad = said == "read" or said.startswith("FAULT") or ms > MOST_MS or mb > MOST_MB
        broken += bad
        print(f"{name:36s} {said:22s} {ms:8.1f} ms {mb:7.1f} MB{'  <-' if bad else ''}")
    return int(broken > 0)


if __name__ == "__main__":
    raise SystemExit(main())
