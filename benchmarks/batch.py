"""How much of the machine `ecg batch` uses, whether a kill changes its result, and how it scales over nodes.

    python -m benchmarks.batch throughput [--weights DIR] [--recordings 768] [--rounds 5]
    python -m benchmarks.batch kill [--times 10]
    python -m benchmarks.batch scaling [--nodes 1 2 4] [--chunk-seconds 8]

`throughput`: recordings/s of the whole job while all its stages are at work, over those of the two models called in a
row by one process on all processors, in turns of seconds, as the median of the rounds' ratios. `kill`: a job killed
with SIGKILL at a random moment, so many times, and resumed to its end; its tables against those of an undisturbed one.
`scaling`: the job on clusters of one-processor nodes on this machine with models that sleep a fixed time, so long that
the machine's own processors do not matter, and `--recordings` for each node. Every answer is one JSON object with
hardware, commit and `weights`: without `--weights` those are the stand-in of a layer or two, and a ratio to its engine
says nothing of the published models.
"""

import argparse
import os
import platform
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq

from benchmarks.service import process_tree, stopped
from deployments.cohort.stages import Chunk, Row, pack, unpack
from ecg import local
from ecg.features import EMBEDDING_DIM
from ecg.leads import STANDARD_LEADS
from ecg.models.cards import CARDS
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import infer
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

ROOT = Path(__file__).resolve().parent.parent
#: Leads in mV as JSON text of ten seconds would make parsing the benchmark; .npy is what a cohort on disk looks like.
_STATED = ("--fs", "500", "--leads", ",".join(STANDARD_LEADS), "--units", "mV")
#: Parts that the clinical model gets ahead of the feature model, and one.
_EDGE = 3


def _models(options: argparse.Namespace) -> tuple[str, ...]:
    return ("--weights", options.weights, "--untrained")


def write_archive(folder: Path, count: int) -> EcgRecord:
    """`count` recordings of ten seconds as .npy, 16 different ones in turn; returns one of them."""
    folder.mkdir()
    records = [
        simulate(Scenario(heart_rate_bpm=50 + 5 * i, duration_s=10, fs_hz=500), seed=i).record for i in range(16)
    ]
    for number in range(count):
        np.save(folder / f"r{number:06d}.npy", records[number % 16].signal)
    return records[0]


def job(archive: Path, out: Path, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    """`ecg batch` in a process of its own, its messages in a file beside `out`."""
    with out.with_suffix(".log").open("ab") as messages:
        return subprocess.Popen(
            [sys.executable, "-m", "ecg", "batch", str(archive), "--out", str(out), *_STATED, *options],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=messages,
            env=os.environ | environment,
        )


def weights_of(source: str) -> dict[str, str]:
    """What the models of a question were, by part: ``stand-in/…``, or file and digest."""
    return {name: card.resolve(source, None).identifier for name, card in CARDS.items()}


def part_times(out: Path) -> list[tuple[float, int]]:
    """When each part was done and how many recordings it has, in the order of time."""
    marks = [(mark.stat().st_mtime, orjson.loads(mark.read_bytes())) for mark in (out / "done").glob("part-*.json")]
    return sorted((at, counts["recordings"] + counts["errors"]) for at, counts in marks)


def steady_rate(out: Path, nodes: int = 1, pauses: Sequence[Sequence[float]] = ()) -> float:
    """Recordings/s while all stages are at work, which is the question for a cohort.

    The first `_EDGE` parts a node do not count, in which the stages fill, nor do as many of the last, in which the
    clinical model leaves the processors to the other; nor do `pauses`, each from one time to another in between.
    """
    edge = _EDGE * nodes
    times = part_times(out)[edge - 1 : -edge]
    begin, end = times[0][0], times[-1][0]
    paused = sum(until - since for since, until in pauses if begin < since < end)
    return sum(count for _, count in times[1:]) / (end - begin - paused)


def throughput(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rates of the engine and of the job, which take turns throughout, and the median of their ratios.

    The machine's speed wanders from minute to minute: every `--turn` seconds the job's processes are stopped for a
    third as long, in which the engine is timed.
    """
    segments = prepare(write_archive(folder / "archive", options.recordings))
    models = list(local.load_models(options.weights).values())
    batch = [segments] * 8
    for model in models:
        infer(model, batch)
    rounds = []
    for number in range(options.rounds):
        out = folder / f"out{number}"
        process = job(folder / "archive", out, *_models(options), "--parts", str(options.recordings // 32))
        seconds, done, pauses = 0.0, 0, []
        while process.poll() is None:
            time.sleep(0.1)
            begun = out.exists() and part_times(out)
            if begun and time.time() - max(begun[0][0], pauses[-1][1] if pauses else 0.0) > options.turn:
                with stopped(process_tree(process.pid)) as pause:
                    start = time.perf_counter()
                    while time.perf_counter() - start < options.turn / 3:
                        for model in models:
                            infer(model, batch)
                        done += len(batch)
                    seconds += time.perf_counter() - start
                pauses.append(pause)
        if process.returncode or not pauses:
            raise SystemExit(out.with_suffix(".log").read_text() + "\nfailed, or too short to take turns")
        rounds.append({"engine": round(done / seconds, 3), "batch": round(steady_rate(out, pauses=pauses), 3)})
        print(rounds[-1], file=sys.stderr)
    ratio = statistics.median(r["batch"] / r["engine"] for r in rounds)
    return {"rounds": rounds, "ratio": round(ratio, 3), "backend": models[0].backend, "precision": models[0].precision}


def kill(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Kill one job again and again, let it end, and compare its tables."""
    write_archive(folder / "archive", options.recordings)
    arguments = (*_models(options), "--parts", str(max(2 * options.times, options.recordings // 16)))
    if job(folder / "archive", folder / "whole", *arguments).wait():
        raise SystemExit((folder / "whole.log").read_text())
    parts = len(part_times(folder / "whole"))
    draw = random.Random(options.seed)
    killed_at: list[int] = []
    out = folder / "killed"
    for number in range(options.times):
        before = len(part_times(out)) if out.exists() else 0
        left = parts - before - (options.times - number)  # leave something to kill for the next times
        until = before + draw.randint(0, max(0, min(left, 2)))
        process = job(folder / "archive", out, *arguments)
        while process.poll() is None and (not (out / "job.json").exists() or len(part_times(out)) < until):
            time.sleep(0.01)
        time.sleep(draw.random() * 2)  # anywhere between two parts, starting up included
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at.append(len(part_times(out)))
        print(f"killed with {killed_at[-1]} of {parts} parts done", file=sys.stderr)
    if job(folder / "archive", out, *arguments).wait():
        raise SystemExit(out.with_suffix(".log").read_text())
    names = sorted(str(file.relative_to(folder / "whole")) for file in (folder / "whole").glob("*/part-*.parquet"))
    same = all(pq.read_table(folder / "whole" / name).equals(pq.read_table(out / name)) for name in names)
    rows = pq.read_table(out / "recordings", columns=["path"])["path"].to_pylist()
    return {
        "killed_at": killed_at,
        "parts": parts,
        "identical": same,
        "rows": len(rows),
        "distinct": len(set(rows)),
        "recordings": options.recordings,
    }


class Sleeper:
    """A model of fixed cost: a while after a chunk came, the same result for each of its recordings."""

    seconds = float(os.environ.get("ECG_BENCHMARK_CHUNK_SECONDS", "8"))

    def __init__(self, card: str, source: str, identifier: str, threads: int | None, max_segments: int) -> None:
        """Takes what `ModelStage` takes."""
        nothing = np.zeros(EMBEDDING_DIM, np.float32)
        self._card = card
        self._result = ModelResult(ModelIdentity(identifier, False, "sleep", "none"), None, nothing, nothing)

    def __call__(self, row: Row) -> Row:
        """The chunk with results."""
        time.sleep(self.seconds)
        chunk: Chunk = unpack(row)
        items = (replace(item, outcomes={**item.outcomes, self._card: self._result}) for item in chunk.items)
        return pack(replace(chunk, items=tuple(items)))


def scaling(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rates on clusters of 1, 2, 4… nodes, each in processes of its own, with as many recordings for each node.

    With the same archive for all, the parts of four nodes are done in a few bursts, and between which of them the
    window falls is the answer.
    """
    archives = [folder / f"archive{node}" for node in range(max(options.nodes))]
    for archive in archives:
        write_archive(archive, options.recordings)
    rates = {}
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "PYTHONPATH": str(ROOT),
        "ECG_BENCHMARK_CHUNK_SECONDS": str(options.chunk_seconds),
    }
    for nodes in options.nodes:
        cluster = subprocess.Popen(
            [sys.executable, "-m", "tests.deployments.cluster", str(nodes)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        out = folder / f"nodes{nodes}"
        code = (
            "import sys; from pathlib import Path; from deployments.cohort.job import BatchJob, run; "
            "from benchmarks.batch import Sleeper; from ecg.formats.stated import Stated; "
            "from ecg.leads import STANDARD_LEADS as leads; "
            "run(BatchJob(tuple(sys.argv[4:]), Path(sys.argv[1]), frozenset({'clinical', 'features'}), 'stand-in', "
            "Stated(500.0, leads, 'mV'), sys.argv[2], parts=int(sys.argv[3]), untrained=True), Sleeper)"
        )
        # Of 24 on average few parts have more than a chunk of 32: a second chunk would take as long as a full one.
        parts = str(options.recordings * nodes // 24)
        command = [sys.executable, "-c", code, str(out), address, parts, *map(str, archives[:nodes])]
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
        cluster.communicate()
        rates[nodes] = round(steady_rate(out, nodes), 3)
        print(f"{nodes} nodes: {rates[nodes]} recordings/s", file=sys.stderr)
    first = options.nodes[0]
    efficiency = {str(n): round(rate / rates[first] * first / n, 3) for n, rate in rates.items()}
    return {"recordings_per_s": {str(n): rate for n, rate in rates.items()}, "efficiency": efficiency}


def main() -> None:
    """Run one question and print its answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    questions = parser.add_subparsers(dest="question", required=True)
    for question, recordings in ((throughput, 768), (kill, 512), (scaling, 480)):
        sub = questions.add_parser(question.__name__)
        sub.set_defaults(ask=question)
        sub.add_argument("--recordings", type=int, default=recordings)
        sub.add_argument("--weights", default="stand-in")
        sub.add_argument("--seed", type=int, default=0)
    questions.choices["throughput"].add_argument("--rounds", type=int, default=5)
    questions.choices["throughput"].add_argument("--turn", type=float, default=18.0)
    questions.choices["kill"].add_argument("--times", type=int, default=10)
    questions.choices["scaling"].add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    questions.choices["scaling"].add_argument("--chunk-seconds", type=float, default=8.0)
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    with tempfile.TemporaryDirectory(prefix="ecg-batch-") as folder:
        answer = options.ask(options, Path(folder))
    asked = {name: value for name, value in vars(options).items() if name != "ask"}
    hardware = {"machine": platform.machine(), "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    answer |= {
        "weights": weights_of(options.weights),
        "asked": asked,
        "hardware": hardware,
        "commit": commit.stdout.strip(),
    }
    print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
