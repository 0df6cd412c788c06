"""`make bench`: every question after the other, each in a process of its own.

python -m benchmarks.suite [--full]
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

SHORT = (
    ("engine", "--rounds", "3"),
    ("serve", "--rounds", "3"),
    ("serve", "overload", "--duration", "10"),
    ("hops", "--rounds", "3"),
    ("startup", "--rounds", "2"),
    ("cores",),
    ("autoscale",),
    ("compare", "--rounds", "3", "--seconds", "5"),
    ("batch", "throughput", "--rounds", "1"),
)
FULL = (
    ("engine", "--rounds", "7", "--seconds", "3"),
    ("serve", "--full"),
    ("serve", "--full", "saturation", "--precision", "int8"),
    ("serve", "--full", "overload"),
    ("serve", "--full", "soak", "--duration", "1800"),
    ("hops", "--rounds", "7"),
    ("startup", "--rounds", "5"),
    ("cores", "--seconds", "60"),
    ("autoscale", "--low", "120"),
    ("compare", "--rounds", "7"),
    ("compare", "--rounds", "7", "--precision", "int8"),
    ("batch", "throughput", "--rounds", "5"),
    ("batch", "kill", "--times", "10"),
    ("batch", "scaling"),
)
BENCH_PYTHON = Path(".venv-bench/bin/python")


def main() -> int:
    """Exit status 1 when any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="about two hours, for a quiet machine")
    failed = []
    for name, *options in FULL if parser.parse_args().full else SHORT:
        if name == "compare" and not BENCH_PYTHON.exists():
            print("LitServe and BentoML are not installed (benchmarks/README.md): only the seed's design is compared")
            options += ["--others", "seed"]
        if "int8" in options and importlib.util.find_spec("nncf") is None:
            print(f"{name}: skipped, NNCF is not installed")
            continue
        print("—" * min(120, shutil.get_terminal_size().columns), " ".join((name, *options)), sep="\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode:
            failed.append(" ".join((name, *options)))
    if failed:
        print("failed: " + "; ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
