"""The Ray that `ecg batch` starts for itself."""

import subprocess
import sys
from pathlib import Path

from deployments import allocator

ROOT = Path(__file__).resolve().parents[2]

#: Ray keeps as many idle workers as processors are free, rounded down, unless it is told otherwise.
SCRIPT = """
import os, time
import ray
from deployments.cohort import job as batch
batch._connect(None)

@ray.remote
class Model:
    def ready(self): pass

@ray.remote(num_cpus=0.1)
def pid(): return os.getpid()

@ray.remote(num_cpus=0.1)
def keeps(): return os.environ["MALLOC_TRIM_THRESHOLD_"]

model = Model.options(num_cpus=ray.cluster_resources()["CPU"] - 0.5).remote()
ray.get(model.ready.remote())
before = ray.get(pid.remote())
time.sleep(5)
print(before == ray.get(pid.remote()), os.getpriority(os.PRIO_PROCESS, before) == os.getpriority(os.PRIO_PROCESS, 0))
print(ray.get(keeps.remote()))
"""


def test_a_worker_stays_while_the_models_keep_it_waiting_and_is_as_urgent_as_the_driver():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", allocator.ENVIRONMENT["MALLOC_TRIM_THRESHOLD_"]]
