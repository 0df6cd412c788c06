"""`python -m benchmarks.hostile [FOLDER]`: what a hostile upload costs, in milliseconds and megabytes.

Each input is read in a fork of a process that has read an honest recording, as the ingress does. The processor time and
the growth of its peak memory are printed, for the inbox those of the message that is refused. What inflates within
`max_body_mib` may take that much. FOLDER holds WFDB headers beside `rec.dat` (default ../shared/cases/hostile). Exit
status 1 when an input is read, takes more than 200 ms or 50 MB, or ends in anything but a typed refusal.
"""

import argparse
import base64
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from ecg import formats
from ecg.cardioai.receipts import Limits
from ecg.cardioai.receiver import Receiver
from ecg.errors import EcgError, InputTooLarge
from ecg.formats.cardioai_message import NOTHING_KNOWN, Payload, Sender, encode_message
from ecg.formats.stated import Stated
from ecg.store.database import open_database
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


def inbox_rows() -> dict[str, Callable[[], object]]:
    """Messages to the inbox, of which the last one is too much."""
    hours = {"sequence": 6, "data": ["0,1,2"] * 205_000, "fs_hz": 100.0}
    return {
        "3.4 hours at 100 Hz in six parts": lambda: _refused_by_the_inbox(6, hours),
        "20 quarantined messages of 12 MB": lambda: _refused_by_the_inbox(20, {"version": "99", "padding": 12_000_000}),
    }


def _refused_by_the_inbox(count: int, content: dict[str, Any]) -> None:
    """Raises the refusal of the first message that is too much, after the others were kept; measured from there on."""
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(open_database(f"sqlite:///{folder}/inbox.sqlite"), Limits())
        try:
            for index in range(1, count + 1):
                body = _message(index, content)
                begin()
                receipt = receiver.accept(body, "http", content.get("fs_hz"))
                if receipt.reason and receipt.reason.startswith("recording_too_long"):
                    raise InputTooLarge(receipt.reason)
        finally:
            receiver.close()


def _message(index: int, content: dict[str, Any]) -> bytes:
    rows = content.get("data", ["0,1,2"])
    first = (index - 1) * len(rows)
    part = Payload(
        device_id="device-1",
        customer_id="customer-1",
        sequence_id="sequence-1",
        sequence=content.get("sequence", 1),
        index=index,
        headers="INDEX,I,II",
        data=[f"{first + number},1,2" for number in range(len(rows))],
        record_id="record-1",
        created_ms=1_700_000_000_000,
        calibration=NOTHING_KNOWN,
    )
    body = encode_message(part, Sender("origin-1", "clinical", "D3F153"), f"message-{index}", 1)
    if "version" not in content:
        return body
    changes = {
        "version": content["version"],
        "padding": base64.b64encode(os.urandom(content["padding"] * 3 // 4)).decode(),
    }
    return orjson.dumps(orjson.loads(body) | changes)


_begun = 0.0
_before = 0.0


def begin() -> None:
    """Measure from now on."""
    global _begun, _before
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    _before, _begun = peak_mb(), time.process_time()


def peak_mb() -> float:
    """Peak resident memory since it was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def measured(read: Callable[[], object]) -> tuple[str, float, float]:
    """How reading ends, milliseconds, megabytes; in a process of its own."""
    receiving, sending = os.pipe()
    if (child := os.fork()) == 0:
        os.close(receiving)
        begin()
        try:
            read()
            said = "read"
        except EcgError as error:
            said = error.code
        except BaseException as error:  # noqa: BLE001  it is what is looked for
            said = f"FAULT {type(error).__name__}"
        result = [said, (time.process_time() - _begun) * 1000, peak_mb() - _before]
        os.write(sending, json.dumps(result).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return tuple(json.loads(answer)) if answer else ("FAULT killed", 0.0, 0.0)


def main() -> int:
    """Exit status 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER")
    folder = parser.parse_args().folder
    signal = (folder / "rec.dat").read_bytes() if folder.is_dir() else SIGNAL
    rows = {path.name: wfdb(path.read_bytes(), signal) for path in sorted(folder.glob("*.hea"))}
    rows |= generated() | inbox_rows()
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
