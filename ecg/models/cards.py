"""The models by name. A card of another package is named by ``module:ATTRIBUTE``."""

import importlib
from collections.abc import Iterable

from ecg.errors import MalformedInput
from ecg.models.contract import ModelCard
from ecg.models.ecgfm.cards import CLINICAL, FEATURES

#: Those that every service has.
CARDS: dict[str, ModelCard] = {card.name: card for card in (CLINICAL, FEATURES)}


def card_at(reference: str) -> ModelCard:
    """The card of a name in `CARDS`, or at ``module:ATTRIBUTE``; `MalformedInput` when there is none.

    The module is imported. A reference comes from the operator's configuration or command line, never from a request.
    """
    if reference in CARDS:
        return CARDS[reference]
    module, colon, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute) if colon and module else None
    except (ImportError, AttributeError, ValueError) as error:
        raise MalformedInput(f"The model card cannot be imported: {error}", "card", "module:CARD", reference) from None
    if not isinstance(found, ModelCard):
        raise MalformedInput("There is no such model card.", "card", [*CARDS, "module:CARD"], reference)
    return found


def cards_at(references: Iterable[str]) -> dict[str, ModelCard]:
    """Cards by name, in the order of their references.

    Raises `MalformedInput` for two of one name, and for a second one in the role of "clinical" or "features".
    """
    cards: dict[str, ModelCard] = {}
    for card in map(card_at, references):
        taken = [known for known in cards.values() if known.role == card.role != "additional"]
        if card.name in cards or taken:
            raise MalformedInput(
                f"Two models are called {card.name} or are {card.role}.", "card", "one of each", card.name
            )
        cards[card.name] = card
    return cards
