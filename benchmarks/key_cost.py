"""`python -m benchmarks.key_cost [--rounds N] [--seconds S]`: what asking for a key costs of the recordings a second.

Two services with the stand-in models, one that asks for keys and one that does not, take turns with recordings that no
model is asked about; the one that is not measured is stopped meanwhile. The key has a rate and a concurrency, which are
counted, that no client reaches. Prints recordings a second of each turn and the median of the ratios of neighbours.
Exit status 1 when the service with keys has less than 97 % of the other's.
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

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


def main() -> int:
    """Print and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    without = payload("int16", recording(), WITHOUT_MODELS)
    with tempfile.TemporaryDirectory(prefix="ecg-keys-") as folder, ExitStack() as running:
        keys = Path(folder) / "keys.json"
        secret = KeyRing(keys).create("benchmark", ("analyze",), rate_hz=1e6, concurrency=10_000)[1]
        guarded = replace(without, headers=without.headers | {"Authorization": f"Bearer {secret}"})
        plain = running.enter_context(our_service("stand-in"))
        keyed = running.enter_context(our_service("stand-in", "--keys", str(keys)))
        rows = []
        for number in range(options.rounds):
            turns = [(plain, keyed, without), (keyed, plain, guarded)]
            order = turns if number % 2 == 0 else turns[::-1]  # whoever comes first finds a cooler machine
            rates = {
                server.url: turn(server, other, sent, options.clients, options.seconds) for server, other, sent in order
            }
            rows.append({"without a key": rates[plain.url], "with a key": rates[keyed.url]})
    shares = [row["with a key"] / row["without a key"] for row in rows]
    share = statistics.median(shares)
    show(
        "recordings/s, measurements and quality only",
        [
            {name: round(rate, 1) for name, rate in row.items()} | {"share": round(s, 3)}
            for row, s in zip(rows, shares, strict=True)
        ],
    )
    save("key_cost", {"rounds": rows, "shares": shares, "median_share": share, "clients": options.clients})
    print(f"with a key {share:.1%} of the recordings/s without one; at least {LEAST_SHARE:.0%} is asked for")
    return 0 if share >= LEAST_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
