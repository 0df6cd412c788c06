"""Is this service faster than the seed's design, and than LitServe and BentoML with the same engine?

    python -m benchmarks.compare [--rounds 5] [--others seed litserve bentoml] [--bench-python PATH]

All servers are up, one is asked at a time, in turns within every round, and the others are stopped meanwhile; ratios
are medians over the rounds in which a design answered. LitServe and BentoML want other versions than ours and live in
an environment of their own (benchmarks/README.md); `--bench-python` is its interpreter.
"""

import argparse
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.figures import save, show
from benchmarks.load import Payload, closed_loop, payload, recording
from benchmarks.service import Server, free_port, our_service, started, stopped
from benchmarks.weights import full_size

OTHERS = ("seed", "litserve", "bentoml")


def other(name: str, options: argparse.Namespace, stack: ExitStack) -> Server:
    """A server of another design, ready."""
    port = free_port()
    if name == "seed":
        command, ready = [sys.executable, "-m", "benchmarks.designs.seed", str(port), options.weights], "/health"
    elif name == "litserve":
        command = [
            options.bench_python,
            "-m",
            "benchmarks.designs.litserve_server",
            str(port),
            options.weights,
            options.precision,
        ]
        ready = "/health"
    else:
        os.environ |= {"ECG_BENCH_WEIGHTS": options.weights, "ECG_BENCH_PRECISION": options.precision}
        command = [
            options.bench_python,
            "-m",
            "bentoml",
            "serve",
            "benchmarks.designs.bentoml_server:Analyzer",
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
        ]
        ready = "/readyz"
    return stack.enter_context(started(command, port, ready))


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="a folder, or stand-in; untrained ones of the published size if not given")
    parser.add_argument("--precision", default="auto", help="of our engine, in every design but the seed's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--others", nargs="+", choices=OTHERS, default=list(OTHERS))
    parser.add_argument("--bench-python", default=str(Path(".venv-bench/bin/python").absolute()))
    options = parser.parse_args()
    options.weights = options.weights or str(full_size())
    record = recording()
    bodies: dict[str, Payload] = {"seed": payload("json", record)}
    npy = payload("npy", record)
    with ExitStack() as stack:
        servers = {"ours": stack.enter_context(our_service(options.weights, "--set", f"precision={options.precision}"))}
        servers |= {name: other(name, options, stack) for name in options.others}
        # All rounds with one number of clients before those with another: BentoML learns from its last fifty batches
        # how long to wait for the next one, and a lone client then waits in vain.
        rounds: list[dict[str, Any]] = [{} for _ in range(options.rounds)]
        for clients in options.clients:
            for number, taken in enumerate(rounds, 1):
                for name, server in servers.items():
                    seconds = options.seconds * (3 if name == "seed" else 1)  # its answers come sixteen at a time
                    idle = [process for beside in servers.values() if beside is not server for process in beside.tree()]
                    with stopped(idle):
                        outcome = closed_loop(server.url + "/analyze", bodies.get(name, npy), clients, seconds)
                    taken[f"{name}/{clients}"] = outcome.to_dict()
                rates = {name: taken[f"{name}/{clients}"]["recordings_per_s"] for name in servers}
                print(f"{clients} clients, round {number}: {rates}")

    def median(key: str, figure: str, over: str | None = None) -> float | None:
        """Over the rounds in which the designs answered at all, as not every one does each time."""
        answered = [r for r in rounds if r[key]["recordings_per_s"] and (not over or r[over]["recordings_per_s"])]
        values = [r[over][figure] / r[key][figure] if over else r[key][figure] for r in answered]
        return round(statistics.median(values), 2) if values else None

    rows = [
        {
            "design": name,
            "clients": clients,
            **{figure: median(f"{name}/{clients}", figure) for figure in ("recordings_per_s", "p50_ms", "p99_ms")},
            **{
                f"ours over it, {figure}": median(f"{name}/{clients}", figure, f"ours/{clients}")
                for figure in ("recordings_per_s", "p50_ms", "p99_ms")
            },
            "rounds without an answer": sum(not r[f"{name}/{clients}"]["recordings_per_s"] for r in rounds),
            "errors": sum(r[f"{name}/{clients}"]["errors"] for r in rounds),
            "of them unanswered": sum(r[f"{name}/{clients}"]["unanswered"] for r in rounds),
        }
        for name in servers
        for clients in options.clients
    ]
    show("designs side by side", rows)
    print(save("compare", {"rounds": rounds, "table": rows, "precision": options.precision}))


if __name__ == "__main__":
    main()
