"""A model that fails and waits as a test wants it to."""

import threading
import time
from dataclasses import replace

import numpy as np

from ecg.models.contract import Array, EngineOptions, ModelOutput, Progress
from tests.third_model import CARD as THIRD
from tests.third_model import Network, Weights, resolve

POISON = 666.0
#: What the cards below do; set anew for each test.
failures: list[Exception] = []
attempts: list[str] = []
hold = threading.Event()
loading = threading.Event()


def flaky(source: str, progress: Progress | None) -> Weights:
    attempts.append(source)
    if progress:
        progress("reading", 1, 2)
    while loading.is_set():
        time.sleep(0.01)
    if failures:
        raise failures.pop(0)
    return resolve(source, progress)


class Fragile(Network):
    """Breaks on a recording that holds `POISON`, and waits while `hold` is set."""

    def __call__(self, segments: Array) -> ModelOutput:
        while hold.is_set():
            time.sleep(0.01)
        if (segments == POISON).any():
            raise FloatingPointError("no such voltage")
        return super().__call__(segments)


def load(weights: Weights, options: EngineOptions) -> Fragile:
    return Fragile(weights)


class Infinite(Network):
    """Divides by nothing."""

    def __call__(self, segments: Array) -> ModelOutput:
        output = super().__call__(segments)
        return replace(output, embedding=np.full_like(output.embedding, np.inf))


CARD = replace(THIRD, resolve=flaky, load=load)
INFINITE = replace(CARD, load=lambda weights, options: Infinite(weights))
SLOW_DOWNLOAD = replace(CARD, needs_download=lambda source: True)
