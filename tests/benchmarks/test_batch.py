"""The benchmark of the cohort job."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.batch import steady_rate, stopped, weights_of


def test_the_cohort_benchmark_says_that_its_models_are_the_stand_in():
    assert {part: name.split("/")[0] for part, name in weights_of("stand-in").items()} == {
        "clinical": "stand-in", "features": "stand-in",
    }  # fmt: skip


def test_pauses_between_the_first_part_and_the_last_do_not_count(tmp_path: Path):
    (tmp_path / "done").mkdir()
    for part, at in enumerate((100.0, 110.0, 130.0)):
        mark = tmp_path / "done" / f"part-{part}.json"
        mark.write_bytes(b'{"recordings": 31, "errors": 1}')
        os.utime(mark, (at, at))
    assert steady_rate(tmp_path) == 64 / 30
    assert steady_rate(tmp_path, pauses=[(90.0, 95.0), (112.0, 122.0)]) == 64 / 20


def test_a_stopped_job_does_nothing_until_it_goes_on(tmp_path: Path):
    code = "while True: print(1, flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with stopped(process.pid) as pause:
            deadline = time.monotonic() + 30
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < deadline
        assert pause == sorted(pause)
        assert len(pause) == 2
        for _ in range(100_000):  # more than the pipe held while it was stopped
            process.stdout.readline()
        process.kill()
