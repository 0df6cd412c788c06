"""The benchmark of the cohort job."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.batch import steady_rate, weights_of
from benchmarks.service import process_tree, stopped


def test_the_cohort_benchmark_says_that_its_models_are_the_stand_in():
    assert {part: name.split("/")[0] for part, name in weights_of("stand-in").items()} == {
        "clinical": "stand-in",
        "features": "stand-in",
    }


def test_only_the_parts_in_the_middle_count_and_no_pauses(tmp_path: Path):
    (tmp_path / "done").mkdir()
    for part, at in enumerate((10.0, 90.0, 100.0, 110.0, 130.0, 131.0, 132.0, 139.0)):
        mark = tmp_path / "done" / f"part-{part}.json"
        mark.write_bytes(b'{"recordings": 31, "errors": 1}')
        os.utime(mark, (at, at))
    assert steady_rate(tmp_path) == 64 / 30  # three parts fill the stages, and three empty them
    assert steady_rate(tmp_path, pauses=[(95.0, 98.0), (112.0, 122.0), (133.0, 135.0)]) == 64 / 20


def test_a_stopped_job_does_nothing_until_it_goes_on(tmp_path: Path):
    code = "while True: print(1, flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with stopped(process_tree(process.pid)) as pause:
            deadline = time.monotonic() + 30
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < deadline
        assert pause == sorted(pause)
        assert len(pause) == 2
        for _ in range(100_000):  # more than the pipe held while it was stopped
            process.stdout.readline()
        process.kill()
