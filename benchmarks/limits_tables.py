"""Write the tables of limits in the documents from the dataclasses that hold the numbers.

    python -m benchmarks.limits_tables [--check]

`--check` changes nothing and exits with 1 when a document is not up to date.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from ecg.findings import limits as findings
from ecg.limits import table
from ecg.measurement import limits as measurement
from ecg.quality import limits as quality

DOCS = Path(__file__).resolve().parents[1] / "docs"
STAGES: dict[str, tuple[Any, ...]] = {
    "measurement.md": measurement.ALL,
    "rules.md": findings.ALL,
    "quality.md": quality.ALL,
}
MARKED = re.compile(r"(<!-- limits -->\n).*?(<!-- end of limits -->)", re.DOTALL)


def written(name: str) -> str:
    """A document's text with its table as it should be. Raises `ValueError` when it has no place for one."""
    text = (DOCS / name).read_text()
    if not MARKED.search(text):
        raise ValueError(f"docs/{name} has no <!-- limits --> … <!-- end of limits -->")
    return MARKED.sub(lambda mark: f"{mark[1]}{table(*STAGES[name])}\n{mark[2]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 when a document is stale")
    check = parser.parse_args().check
    stale = [name for name in STAGES if written(name) != (DOCS / name).read_text()]
    for name in stale:
        print(f"docs/{name} is {'stale' if check else 'written'}")
        if not check:
            (DOCS / name).write_text(written(name))
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
