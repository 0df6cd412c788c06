"""Where a benchmark's answer goes: a table on the terminal, and JSON with hardware and commit under `results/`."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks import quiet

_STARTED = quiet.now()
ROOT = Path(__file__).resolve().parent.parent


def hardware() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was otherwise."""
    model = next(
        (row.partition(":")[2].strip() for row in quiet.cpuinfo() if row.startswith("model name")), platform.machine()
    )
    flags = next((row for row in quiet.cpuinfo() if row.startswith("flags")), "").split()
    return {
        "processor": model,
        "cpus": os.cpu_count(),
        "avx512_bf16": "avx512_bf16" in flags,
        "amx": "amx_bf16" in flags,
        "vnni": "avx512_vnni" in flags,
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def save(name: str, answer: Mapping[str, Any]) -> Path:
    """Write `results/<name>.json`, and print what disturbed the run."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    document = {
        "benchmark": name,
        "command": " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]]),
        "commit": commit,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hardware": hardware(),
        "quiet": quiet.shares(_STARTED, quiet.now()),
        **answer,
    }
    for remark in quiet.remarks(document["quiet"], answer.get("share", {})):
        print(f"disturbed: {remark}")
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))
    return path


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of equal keys as a table."""
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(width=140).print(table)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
