"""Text on paper as it was written: no mathematics, no control characters, no boxes in the place of letters."""

import unicodedata
from functools import lru_cache
from textwrap import wrap

from ecg.errors import MalformedInput
from ecg.extras import missing as missing_extra

FONT = "DejaVu Sans"  # comes with matplotlib, so a page looks the same everywhere
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # in the place of a letter of a file that `FONT` does not have
_MOST_OF_A_NAME = 120
#: Fonts that have a box or a picture for every character, or other letters under these codes.
_NO_LETTERS = ("Last Resort", "Emoji", "NonUnicode", "STIXSize")


def printable(text: str) -> str:
    """A text of a recording with blanks for control characters and `UNKNOWN` for letters that `FONT` does not have."""
    known = _letters(FONT)
    return "".join(c if ord(c) in known else UNKNOWN for c in _one_line(text))


def name_and_font(name: str) -> tuple[str, str | None]:
    """A name as it can be printed, and the font of this machine that has the letters which `FONT` has not.

    Raises `MalformedInput` when no font has them, when the name is written from right to left (matplotlib would print
    it backwards), or when it is too long for the page.
    """
    line = _one_line(name)
    if len(line) > _MOST_OF_A_NAME:
        raise MalformedInput("The name is too long for the page.", "name", f"{_MOST_OF_A_NAME} letters", len(line))
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in line):
        raise MalformedInput("The name cannot be printed.", "name", "text from left to right", name)
    missing = frozenset(map(ord, line)) - _letters(FONT)
    if not missing:
        return line, None
    from matplotlib.font_manager import fontManager

    for font in sorted({f.name for f in fontManager.ttflist if f.style == "normal" and f.weight in (400, "normal")}):
        if not any(word in font for word in _NO_LETTERS) and missing <= _letters(font):
            return line, font
    letters = "".join(sorted(map(chr, missing)))
    raise MalformedInput(
        f"No font of this machine has these letters of the name: {letters}. Install one, or write the name without.",
        "name",
        "letters of an installed font",
        name,
    )


def wrapped(text: str, letters: int, most: int) -> list[str]:
    """A text in lines of so many letters; "…" ends the last one where there is more than `most` lines hold."""
    return wrap(text, letters, max_lines=most, placeholder=" …") or [""]


def _one_line(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text).split())


@lru_cache(maxsize=4)  # such a set is some megabytes for a font of Chinese
def _letters(font: str) -> frozenset[int]:
    try:
        from matplotlib.font_manager import FontProperties, findfont, get_font
    except ModuleNotFoundError as error:
        raise missing_extra("A page", error) from error

    try:
        return frozenset(get_font(findfont(FontProperties(family=font), fallback_to_default=False)).get_charmap())
    except (RuntimeError, ValueError, OSError):  # a font that cannot be read has no letters
        return frozenset()
