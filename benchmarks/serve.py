"""What does serving cost over the bare engine, under every load, and what happens under too much of it?

    python -m benchmarks.serve [saturation | payloads | no-model | overload | soak] [--full] [--weights DIR | stand-in]

`saturation`: recordings/s of the service with each payload over those of both models called in a row before and after
its turn, and the latency of a lone request over the engine's; the service is stopped while the engine is timed.
`payloads`: kinds × clients, closed and open loop. `no-model`: measurements and quality only. `overload`: five times the
saturated rate; recovery counts from the last excess request to the first answer with 200 to a lone client who asks from
then on, and is waited for two minutes. `soak`: 70 % of the saturated rate for `--duration` seconds.
Without a question: the first three.
"""

import argparse
import statistics
import threading
import time
from typing import Any

import numpy as np

from benchmarks.bare_engine import BareEngine
from benchmarks.figures import save, show
from benchmarks.load import KINDS, Outcome, closed_loop, open_loop, payload, recording
from benchmarks.service import Server, our_service, stopped
from benchmarks.weights import full_size

WITHOUT_MODELS = "measurements,quality"
RECOVERY_LIMIT_S = 120.0


class Weighed:
    """Resident memory of a server's processes every half second while the block runs: (seconds, MiB)."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self.samples: list[tuple[float, float]] = []

    def __enter__(self) -> "Weighed":
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        start = time.monotonic()
        while not self._over.wait(0.5):
            self.samples.append((time.monotonic() - start, self._server.rss_mib()))

    def slope_mib_per_min(self, after: float) -> float | None:
        """Of the straight line through what was sampled after that share of the time."""
        late = self.samples[int(len(self.samples) * after) :]
        if len(late) < 3:
            return None
        return round(float(np.polyfit(*np.array(late).T, 1)[0] * 60), 2)


def saturation(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    record = recording()
    engine = BareEngine(options.weights, options.precision, record)
    url = server.url + "/analyze"
    kinds = ("npy", "json")
    sent = {kind: payload(kind, record) for kind in kinds}
    rounds = []

    def engine_per_s() -> float:
        with stopped(server.tree()):
            return engine.per_s(options.seconds)

    def engine_ms() -> float:
        with stopped(server.tree()):
            return 1000 * statistics.median(engine.latency_s() for _ in range(5))

    # The machine's speed drifts: the service is held against the engine before and after each of its turns.
    before = engine_per_s()
    for number in range(1, options.rounds + 1):
        taken: dict[str, float] = {}
        for kind in kinds:
            taken[kind] = closed_loop(url, sent[kind], options.clients, options.seconds).per_s
            after = engine_per_s()
            taken[f"engine, {kind}"] = (before + after) / 2
            before = after
        lone_before = engine_ms()
        lone = closed_loop(url, sent["npy"], 1, options.seconds)
        taken["lone_ms"] = 1000 * statistics.median(lone.latencies_s)
        taken["engine_ms"] = (lone_before + engine_ms()) / 2
        rounds.append({name: round(value, 3) for name, value in taken.items()})
        print(f"round {number} of {options.rounds}: {rounds[-1]}", flush=True)
    shares = {kind: round(statistics.median(r[kind] / r[f"engine, {kind}"] for r in rounds), 3) for kind in kinds}
    over = round(statistics.median(r["lone_ms"] - r["engine_ms"] for r in rounds), 1)
    show(f"saturation, {options.clients} clients", rounds)
    print(f"share of the bare engine: {shares}; a lone request takes {over} ms more")
    models = [f"{model.backend} {model.precision}" for model in engine.models]
    return {"rounds": rounds, "share": shares, "lone_over_engine_ms": over, "models": models}


def payloads(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    record, url = recording(), server.url + "/analyze"
    rows = []
    for kind in KINDS:
        sent = payload(kind, record)
        for clients in options.client_counts:
            outcome = closed_loop(url, sent, clients, options.seconds)
            rows.append({"loop": "closed", "body": kind, "clients": clients} | outcome.to_dict())
    most = max(row["recordings_per_s"] for row in rows)
    for share in (0.5, 0.8):
        outcome = open_loop(url, payload("npy", record), share * most, max(options.seconds, 5))
        rows.append({"loop": f"open {share:.0%}", "body": "npy", "clients": None} | outcome.to_dict())
    show("payloads", rows)
    return {"table": rows}


def no_model(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Binary bodies, and twice the clients, too: what waits for one examiner is work that the other one lacks."""
    record = recording()
    bodies = {kind: payload(kind, record, WITHOUT_MODELS) for kind in ("npy", "int16")}
    rounds: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for kind, sent in bodies.items():
            for clients in (options.clients, 2 * options.clients):
                rate = closed_loop(server.url + "/analyze", sent, clients, options.seconds).per_s
                rounds.setdefault(f"{kind}, {clients} clients", []).append(round(rate, 1))
    medians = {name: statistics.median(rates) for name, rates in rounds.items()}
    rows = [{"body": name, "recordings_per_s": medians[name], "rounds": rates} for name, rates in rounds.items()]
    show("measurements and quality only", rows)
    return {"rounds": rounds, "recordings_per_s": medians}


def overload(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    url, sent = server.url + "/analyze", payload("npy", recording())
    saturated = closed_loop(url, sent, options.clients, max(options.seconds, 30)).per_s
    before = server.rss_mib()
    if not saturated:
        raise SystemExit("the service has answered nothing: there is no rate to overload it by")
    with Weighed(server) as weighed:
        outcome = open_loop(url, sent, 5 * saturated, options.duration, recovery_limit_s=RECOVERY_LIMIT_S)
    if outcome.recovery_s is None:
        raise SystemExit(
            f"the service did not recover: no answer within {RECOVERY_LIMIT_S:g} s of the last excess request; "
            f"of those {outcome.to_dict()}"
        )
    answer = {
        "saturated_per_s": round(saturated, 2),
        "goodput_share": round(outcome.per_s / saturated, 3),
        "rss_before_mib": round(before),
        "rss_peak_mib": round(max(mib for _, mib in weighed.samples)),
        "recovery_s": round(outcome.recovery_s, 2),
    } | outcome.to_dict()
    show("five times too much", [answer])
    return answer


def soak(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    url, sent = server.url + "/analyze", payload("npy", recording())
    saturated = closed_loop(url, sent, options.clients, max(options.seconds, 30)).per_s
    with Weighed(server) as weighed:
        outcome: Outcome = open_loop(url, sent, 0.7 * saturated, options.duration)
    slope = weighed.slope_mib_per_min(after=0.25)
    answer = {"duration_s": options.duration, "rss_slope_mib_per_min": slope} | outcome.to_dict()
    show("soak at 70 %", [answer])
    return answer | {"rss": weighed.samples[:: max(1, len(weighed.samples) // 200)]}


QUESTIONS = {"saturation": saturation, "payloads": payloads, "no-model": no_model, "overload": overload, "soak": soak}


def main() -> None:
    """Ask one server all questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="*", choices=[*QUESTIONS, []])
    parser.add_argument("--full", action="store_true", help="the long run: every client count, 60 s of overload")
    parser.add_argument("--weights", help="a folder, or stand-in; untrained ones of the published size if not given")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--duration", type=float, help="of overload and soak, in seconds")
    parser.add_argument("--clients", type=int, default=16, help="that saturate the service")
    parser.add_argument("--set", action="append", default=[], help="setting of the service, as of python -m serve_app")
    options = parser.parse_args()
    options.rounds = options.rounds or (7 if options.full else 3)
    options.seconds = options.seconds or (20.0 if options.full else 10.0)
    options.duration = options.duration or (60.0 if options.full else 10.0)
    options.client_counts = (1, 2, 4, 8, 16, 32, 64) if options.full else (1, 16)
    options.weights = options.weights or str(full_size())
    settings = [f"precision={options.precision}", *options.set]
    with our_service(options.weights, *(part for setting in settings for part in ("--set", setting))) as server:
        for question in options.question or ("saturation", "payloads", "no-model"):
            print(save(f"serve-{question}", QUESTIONS[question](server, options)))


if __name__ == "__main__":
    main()
