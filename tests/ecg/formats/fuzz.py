"""Damage to a file of every format, far more than an ordinary test run does.

    python -m tests.ecg.formats.fuzz                          20,000 seeded mutations of each
    python -m tests.ecg.formats.fuzz --seconds 120 dicom mfer two minutes of coverage-guided fuzzing (atheris) of these

Each format is read in a process of its own, whose memory may grow by 300 MB; a copy may take two seconds of processor
time. A line a format says what came of it; exit status 1 when any let another error than a refusal through.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from ecg import formats
from ecg.errors import EcgError
from tests.ecg.formats import device_files
from tests.ecg.formats.every_format import Sample, samples
from tests.ecg.formats.mutation import damaged

ROOM = 300 * 2**20  # bytes of address space beyond what the imports take
SECONDS_EACH = 2.0


def main() -> int:
    """Run every format that was named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, help="fuzz with atheris instead, so long each")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--culprits", type=Path, default=Path("culprits"), help="folder for copies that went wrong")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    known = samples(device_files.counts())
    unknown = set(args.formats) - set(known)
    if unknown:
        parser.error(f"no such format: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if args.here:
        return _mutated(known[args.formats[0]], args)
    failed = 0
    for name in args.formats or known:
        start = time.monotonic()
        done = subprocess.run(_command(name, args), capture_output=True, text=True, check=False)
        failed += done.returncode != 0
        said = done.stdout if done.returncode == 0 and done.stdout else done.stdout + done.stderr
        print(f"{name:15s} {time.monotonic() - start:5.0f} s  {' '.join(said.split())[-500:]}", flush=True)
    return 1 if failed else 0


def _command(name: str, args: argparse.Namespace) -> list[str]:
    if args.seconds:
        return [sys.executable, "-m", "tests.ecg.formats.guided", name, str(args.seconds), str(args.culprits)]
    command = [sys.executable, "-m", "tests.ecg.formats.fuzz", "--here", name, "--seed", str(args.seed)]
    return [*command, "--mutations", str(args.mutations), "--culprits", str(args.culprits)]


def _mutated(sample: Sample, args: argparse.Namespace) -> int:
    formats.parse(sample.files, sample.stated, 600.0)  # imports decoders, and fails when the sample is not read
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    counts = {"read": 0, "refused": 0}
    worst = 0.0
    for target in sample.files:
        for number, data in enumerate(damaged(sample.files[target], args.seed, args.mutations)):
            start = time.process_time()
            try:
                formats.parse({**sample.files, target: data}, sample.stated, 600.0)
                counts["read"] += 1
            except EcgError:
                counts["refused"] += 1
            except BaseException as error:
                args.culprits.mkdir(exist_ok=True)
                (args.culprits / f"{number}-{target}").write_bytes(data)
                raise SystemExit(f"{target}, copy {number}: {type(error).__name__}: {error}") from error
            worst = max(worst, time.process_time() - start)
    print(json.dumps({**counts, "slowest_ms": round(worst * 1000)}))
    return int(worst > SECONDS_EACH)


if __name__ == "__main__":
    raise SystemExit(main())
