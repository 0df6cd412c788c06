"""`Preprocess`: recording to segments."""

from deployments.serve.offload import Stage
from ecg.models.cards import card_at
from ecg.models.contract import Array
from ecg.record import EcgRecord


class Preprocess:
    """Makes the input of the models."""

    def __init__(self) -> None:
        self._stage = Stage("prepare")

    async def prepare(self, record: EcgRecord, card: str) -> Array:
        """Segments float32 [segment, lead, sample] for the model of a card (`ecg.models.cards.card_at`)."""
        return await self._stage.run(card_at(card).preparation.prepare, record)
