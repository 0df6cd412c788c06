"""`Preprocess`: recording to segments."""

from concurrent.futures import ThreadPoolExecutor

from deployments.serve.offload import run_inline_or_thread
from deployments.serve.stage_metrics import StageClock
from ecg.models.cards import card_at
from ecg.models.contract import Array
from ecg.record import EcgRecord


class Preprocess:
    """Makes the input of the models."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._clock = StageClock()

    async def prepare(self, record: EcgRecord, card: str) -> Array:
        """Segments float32 [segment, lead, sample] for the model of a card (`ecg.models.cards.card_at`)."""
        with self._clock.time("prepare"):
            return await run_inline_or_thread(self._thread, card_at(card).preparation.prepare, record)
