"""Damaged files: read or refused with a typed error, whatever the damage, in bounded memory.

`ECG_MUTATIONS=20000` sets how many damaged copies of each file are tried; an ordinary run tries a few hundred.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.ecg.formats import device_files
from tests.ecg.formats.every_format import samples

MUTATIONS = int(os.environ.get("ECG_MUTATIONS", "300"))
LEADS = ("I", "II", "V1")
ROOM = 300 * 2**20  # bytes of address space beyond what the imports take
SECONDS_EACH = 2.0

_TRY = """
import json, resource, sys, time
from pathlib import Path
from ecg import formats
from ecg.errors import EcgError
from ecg.formats.stated import Stated
from tests.ecg.formats.mutation import damaged
folder, main, count, room, slow = Path(sys.argv[1]), *sys.argv[2:3], *map(float, sys.argv[3:6])
files = {path.name: path.read_bytes() for path in folder.iterdir()}
stated = Stated(500.0, ("I", "II", "V1"), "mV") if main.endswith(".csv") else Stated()
formats.parse(files, stated, 600.0)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(room)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
read, worst = 0, 0.0
for target in files:
    for number, data in enumerate(damaged(files[target], 17, int(count))):
        start = time.process_time()
        try:
            formats.parse(files | {target: data}, stated, 600.0)
            read += 1
        except EcgError:
            pass
        except BaseException as error:
            (folder.parent / "culprit").write_bytes(data)
            raise SystemExit(f"{target}, copy {number}: {type(error).__name__}: {error}")
        worst = max(worst, time.process_time() - start)
assert worst < slow, f"one copy took {worst:.1f} s"
print(json.dumps(read))
"""


def assert_sturdy(folder: Path, main: str, count: int = MUTATIONS) -> None:
    """Fail unless every damaged copy of the files in `folder` is read or refused."""
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(folder), main, str(count), str(ROOM), str(SECONDS_EACH)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) > 0, "the damage must not be so heavy that nothing is read"


def three_leads() -> np.ndarray:
    return (np.sin(np.arange(3 * 200).reshape(3, 200) / 9) * 1000).astype("<i2")


def wfdb_files(fmt: str) -> dict[str, bytes]:
    lines = ["rec 3 500 190 12:00:00 1/2/2003", *(f"rec.dat {fmt} 1000(0)/mV 12 0 0 0 0 {lead}" for lead in LEADS)]
    return {"rec.hea": "\n".join([*lines, "# age: 50"]).encode() + b"\n", "rec.dat": three_leads().T.tobytes()}


def table() -> bytes:
    rows = "\n".join(",".join(map(str, column)) for column in (three_leads().T / 1000).tolist())
    return f"# fs: 500\n# units: mV\nI,II,V1\n{rows}\n".encode()


FILES = {
    **{f"wfdb {fmt}": wfdb_files(fmt) for fmt in ("16", "212", "311", "8", "16x1:3+24")},
    "table": {"x.csv": table()},
    "scp reference beat": {"x.scp": device_files.scp(device_files.counts(), 2, beat=device_files.counts(8, 100))},
}


@pytest.mark.parametrize("case", FILES)
def test_damaged_files_are_read_or_refused(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, data in FILES[case].items():
        (folder / name).write_bytes(data)
    assert_sturdy(folder, next(iter(FILES[case])))


@pytest.mark.parametrize("name", [name for name in samples(device_files.counts()) if name != "wfdb"])
def test_a_damaged_file_of_any_format_is_read_or_refused(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.ecg.formats.fuzz", "--here", name, "--culprits", str(tmp_path)]
    done = subprocess.run(
        [*command, "--mutations", str(max(50, MUTATIONS // 3))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["read"] > 0, "the damage must not be so heavy that nothing is read"
