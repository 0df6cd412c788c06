"""`python -m benchmarks.restarts [N]`: the launcher started and stopped N times on one port, under traffic.

Each round waits for a ready service, ends the launcher by one of four signals, and looks for what is left of it,
while a client asks all the time. Exit status 1 when a start fails or a process is left.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import psutil

from benchmarks.service import ROOT, command, free_port, process_tree

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
START_LIMIT_S = 300
STOP_LIMIT_S = 120


def ask(url: str) -> str:
    """Status of one request, or the name of what went wrong."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def one_round(port: int, number: signal.Signals, folder: str) -> tuple[float, float, list[str]]:
    """Seconds until ready, seconds until all is gone, and the processes that are left."""
    environment = os.environ | {"ECG_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
    begun = time.monotonic()
    launcher = subprocess.Popen(
        command("small", port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while ask(f"http://127.0.0.1:{port}/health/ready") != "200":
        if launcher.poll() is not None or time.monotonic() - begun > START_LIMIT_S:
            launcher.kill()
            return START_LIMIT_S, 0.0, ["did not start"]
        time.sleep(0.5)
    ready_s = time.monotonic() - begun
    processes = process_tree(launcher.pid)
    begun = time.monotonic()
    launcher.send_signal(number)
    launcher.wait(STOP_LIMIT_S)
    left = processes
    while left and time.monotonic() - begun < STOP_LIMIT_S:
        time.sleep(0.1)
        left = [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    return ready_s, time.monotonic() - begun, [str(process) for process in left]


def main() -> int:
    """Exit status 1 when a round failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=20, metavar="N")
    rounds = parser.parse_args().rounds
    port, stop, outcomes = free_port(), threading.Event(), Counter[str]()

    def traffic() -> None:
        while not stop.wait(0.05):
            outcomes[ask(f"http://127.0.0.1:{port}/labels")] += 1

    client = threading.Thread(target=traffic)
    client.start()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ecg-restarts-") as folder:
        for number in range(rounds):
            how = SIGNALS[number % len(SIGNALS)]
            ready_s, gone_s, left = one_round(port, how, folder)
            failed += bool(left)
            print(f"{number + 1:3d}  ready {ready_s:6.1f} s  {how.name}  gone {gone_s:5.1f} s  left {left}", flush=True)
    stop.set()
    client.join()
    print(f"{rounds - failed} of {rounds} rounds; requests by outcome: {dict(outcomes)}")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
