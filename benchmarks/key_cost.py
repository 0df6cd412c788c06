"""`python -m benchmarks.key_cost [--rounds N] [--seconds S]`: what asking for a key costs of the recordings a second.

Two services with the stand-in models, one that asks for keys and one that does not, take turns with recordings that no
model is asked about; the one that is not measured is stopped meanwhile. The key has a rate and a concurrency, which are
counted, that no client reaches. On one machine the service that was started first is some percent quicker, whichever
it is, so the turns are taken twice, with each of the two started first once. Prints recordings a second of each turn
and the geometric mean of the two medians of the ratios of neighbours.
Exit status 1 when the service with keys has less than 97 % of the other's.
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import quiet
from benchmarks.figures import save, show
from benchmarks.load import Payload, closed_loop, payload, recording
from benchmarks.serve import WITHOUT_MODELS
from benchmarks.service import Server, our_service, stopped
from ecg.access.keys import KeyRing

LEAST_SHARE = 0.97


def turn(measured: Server, other: Server, sent: Payload, clients: int, seconds: float) -> float:
    """Recordings a second of one service while the other one is stopped."""
    with stopped(other.tree()):
        return closed_loop(measured.url + "/analyze", sent, clients, seconds, warm_s=1.0).per_s


def rates_in_turns(
    keys: Path, plain_sent: Payload, keyed_sent: Payload, keyed_first: bool, options: argparse.Namespace
) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Recordings a second of both services, one row a round, and how quiet it was.

    `keyed_first` says which of the two is started first.
    """
    begun = quiet.now()
    arguments = {"with a key": ("--keys", str(keys)), "without a key": ()}
    sent = {"with a key": keyed_sent, "without a key": plain_sent}
    with ExitStack() as running:
        servers = {
            name: running.enter_context(our_service("stand-in", *arguments[name]))
            for name in sorted(arguments, reverse=not keyed_first)
        }
        rows = []
        for number in range(options.rounds + 1):
            row = {}
            for name in sorted(servers, reverse=number % 2 == 0):  # whoever comes first finds a cooler machine
                other = next(server for key, server in servers.items() if key != name)
                row[name] = turn(servers[name], other, sent[name], options.clients, options.seconds)
            rows.append(dict(sorted(row.items())))
        return rows[1:], quiet.shares(begun, quiet.now())  # in the first round each still warms up


def main() -> int:
    """Print and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="rounds with each of the two services started first")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    without = payload("int16", recording(), WITHOUT_MODELS)
    with tempfile.TemporaryDirectory(prefix="ecg-keys-") as folder:
        keys = Path(folder) / "keys.json"
        secret = KeyRing(keys).create("benchmark", ("analyze",), rate_hz=1e6, concurrency=10_000)[1]
        guarded = replace(without, headers=without.headers | {"Authorization": f"Bearer {secret}"})
        rows: list[dict[str, object]] = []
        shares, disturbances = [], []
        for keyed_first in (True, False):
            pairs, disturbance = rates_in_turns(keys, without, guarded, keyed_first, options)
            ratios = [pair["with a key"] / pair["without a key"] for pair in pairs]
            shares.append(statistics.median(ratios))
            disturbances.append(disturbance)
            first = "with a key" if keyed_first else "without a key"
            rows += [
                {**pair, "share": ratio, "started first": first} for pair, ratio in zip(pairs, ratios, strict=True)
            ]
    share = statistics.geometric_mean(shares)
    shown = [{k: round(cell, 3) if isinstance(cell, float) else cell for k, cell in row.items()} for row in rows]
    show("recordings/s, measurements and quality only", shown)
    figures = {"rounds": rows, "shares": shares, "mean_share": share, "clients": options.clients}
    save("key_cost", figures | {"quiet": max(disturbances, key=lambda each: each["others"])})
    print(f"with a key {share:.1%} of the recordings/s without one; at least {LEAST_SHARE:.0%} is asked for")
    return 0 if share >= LEAST_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
