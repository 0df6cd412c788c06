"""Do replicas follow the load, and how fast?

    python -m benchmarks.autoscale [--high 40 --low 60]

Starts the service with a clinical model that may have 1 to 3 replicas, sends nothing, then much, then nothing, and says
when the number of its processes changed. Stand-in models: the question is the controller's, not the engine's.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

from benchmarks.figures import ROOT, save, show
from benchmarks.load import closed_loop, payload, recording
from benchmarks.service import free_port, started

SCALED = "ClinicalModel"
#: The delays of config/cpu.yaml on the way up; on the way down short, so that the benchmark sees it.
SCALING = {
    "min_replicas": 1,
    "initial_replicas": 1,
    "max_replicas": 3,
    "target_ongoing_requests": 4,
    "upscale_delay_s": 3,
    "look_back_period_s": 11,
    "downscale_delay_s": 10,
}


def config(folder: Path) -> Path:
    """`config/local.yaml` with a clinical model that scales."""
    content = yaml.safe_load((ROOT / "config" / "local.yaml").read_text())
    for deployment in content["applications"][0]["deployments"]:
        deployment["ray_actor_options"] = {"num_cpus": 0.1}
        if deployment["name"] == SCALED:
            del deployment["num_replicas"]
            deployment["autoscaling_config"] = SCALING
    path = folder / "autoscale.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--high", type=float, default=40.0, help="seconds of load")
    parser.add_argument("--low", type=float, default=60.0, help="seconds without, afterwards")
    parser.add_argument("--clients", type=int, default=24)
    options = parser.parse_args()
    port = free_port()
    changes: list[dict[str, float | int]] = []
    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="ecg-bench-") as folder:
        command = [
            sys.executable,
            "-m",
            "serve_app",
            "--weights",
            "stand-in",
            "--port",
            str(port),
            "--config",
            str(config(Path(folder))),
            "--set",
            "threads=1",
        ]
        with started(command, port, "/health", b'"status":"ready"') as server:
            step_at = time.monotonic()

            def watch() -> None:
                known = 0
                while not over.wait(0.5):
                    if (now := server.replicas(SCALED)) != known:
                        changes.append({"at_s": round(time.monotonic() - step_at, 1), "replicas": now})
                        known = now

            thread = threading.Thread(target=watch)
            thread.start()
            sent = payload("npy", recording(), "clinical")
            outcome = closed_loop(server.url + "/analyze", sent, options.clients, options.high, 0.0)
            released = round(time.monotonic() - step_at, 1)
            time.sleep(options.low)
            over.set()
            thread.join()
    show(f"replicas of {SCALED}; load from 0 s to {released} s", changes or [{"at_s": 0, "replicas": 0}])
    up = next((c["at_s"] for c in changes if c["replicas"] > 1), None)
    down = next((c["at_s"] - released for c in changes if c["at_s"] > released and c["replicas"] < 3), None)
    print(f"first further replica after {up} s; first one gone {down} s after the load")
    answer = {"released_s": released, "changes": changes, "first_up_s": up, "first_down_s": down}
    print(save("autoscale", answer | {"load": outcome.to_dict(), "scaling": SCALING}))


if __name__ == "__main__":
    main()
