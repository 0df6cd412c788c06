"""Numbers written as text, read a list at a time."""

import re

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput

_OTHER = re.compile(r"[^0-9\s.,+\-eE]", re.ASCII)


def numbers_of(text: str, most: int) -> NDArray[np.float64]:
    """float64 [number] of a text of at most `most` numbers between blanks or commas, a comma at its end or not.

    Raises `MalformedInput` for anything else in the text, `InputTooLarge` for more numbers.
    """
    if _OTHER.search(text):
        raise MalformedInput("A lead holds something else than numbers.", "signal", "numbers", None)
    text = text.replace(",", " ").strip()
    if len(text) > 24 * most:
        raise InputTooLarge("A lead holds too many numbers.", "signal", most, None)
    if not text:
        return np.empty(0)
    try:
        found: NDArray[np.float64] = np.fromstring(text, np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        raise MalformedInput("A lead holds a broken number.", "signal", "numbers", None) from None
    if len(found) > most:
        raise InputTooLarge("A lead holds too many numbers.", "signal", most, len(found))
    return found
