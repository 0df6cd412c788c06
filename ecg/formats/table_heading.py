"""The heading of a table: which columns are leads, clocks and counters, and the units that it writes."""

import csv
import re
from dataclasses import dataclass

from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.formats.time_column import seconds_per_unit
from ecg.leads import is_lead
from ecg.record import MILLIVOLTS_PER_UNIT

_COUNTER = re.compile(r"|index|sample(?: ?#| number)?|n|#|unnamed: ?\d+|row", re.IGNORECASE)
_BRACKETS = re.compile(r"(?P<name>.*[^\s/_])[\s/_]*[(\[]\s*(?P<unit>[^()\[\]]{1,20}?)\s*[)\]]")
_VOLTAGE = r"(?P<unit>[munµμ]V)"
#: ``I (mV)``, ``I/mV``, ``I mV``, ``I_mV``, ``mV I``, ``[mV] I``.
_WITH_UNIT = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<name>\S.*?)(?:\s*[/_,;-]\s*|\s+(?:in\s+)?){_VOLTAGE}",
        rf"[(\[]?\s*{_VOLTAGE}\s*[)\]]?(?:\s*[/_:-]\s*|\s+)(?P<name>\S.*)",
    )
)
_NUMBER = re.compile(r"[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?|nan|", re.ASCII | re.IGNORECASE)
_WRITTEN_NUMBER = re.compile(rf"(?!$)(?:{_NUMBER.pattern})", _NUMBER.flags).fullmatch
_LETTER = re.compile(r"[^\W\d_]")
_CLOCK_CELL = re.compile(r"^(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,9})?)(?=[,;\t])", re.MULTILINE)
#: `ecg extract` and rdsamp number the samples under this name, and write missing samples as -32768.
EXTRACTED = "sample #"
_USUAL_COUNTERS = (EXTRACTED, "index")


@dataclass(frozen=True)
class Heading:
    """The columns of a table.

    Attributes
    ----------
    names
        Of every column, without quotes and units.
    units
        Of every column; None where the heading writes none.
    clocks, counters, signals
        Numbers of the columns of times, of those that number the rows, and of all others.
    rows
        The text of the rows, each ended by a newline.
    """

    names: tuple[str, ...]
    units: tuple[str | None, ...]
    clocks: tuple[int, ...]
    counters: tuple[int, ...]
    signals: tuple[int, ...]
    rows: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out and is neither samples nor the number that every such table begins with."""
        counters = [i for i in self.counters if self.names[i] and self.names[i].lower() not in _USUAL_COUNTERS]
        left_out = [f"Column {self.names[i][:40]} is left out: it numbers the rows." for i in counters]
        clocks = [i for i in self.clocks if len(seconds_per_unit(self.names[i])) != 1]  # of a known unit: used as such
        return (*left_out, *(f"Column {self.names[i][:40]} is left out: it is a clock." for i in clocks[:1]))


def column_names(line: str, delimiter: str) -> list[str]:
    """The names of the columns, without the quotes, single or double, within which a name may hold the delimiter.

    Raises `MalformedInput` when the quotes cannot be read or nothing is there.
    """
    quote = "'" if line.lstrip().startswith("'") else '"'
    try:
        (names,) = csv.reader([line.strip()], delimiter=delimiter, quotechar=quote)
    except (csv.Error, ValueError):
        raise MalformedInput("The heading cannot be read.", "lead_names", "a heading of lead names", None) from None
    if not names:
        raise MalformedInput("The heading is empty.", "lead_names", "a heading of lead names", None)
    return [name.strip().strip("'\"") for name in names]


def read_heading(
    names: list[str], first_line: str, rows: str, delimiter: str, leads: tuple[str, ...] | None
) -> Heading:
    """The heading of a table whose first line has these cells; `leads` are those stated beside, for a table without.

    Raises `MalformedInput` when the first line names no leads and none were stated, or another number of them.
    """
    if all(_NUMBER.fullmatch(name) for name in names) and any(names):
        return _without(names, first_line, rows, leads)
    bare, units = map(list, zip(*map(_split, names), strict=True))
    line, _, rest = rows.partition("\n")
    second = [cell.strip().strip("'\"") for cell in line.split(delimiter)]
    words = len(second) == len(names) and any(map(_LETTER.search, second)) and not any(map(_WRITTEN_NUMBER, second))
    if (
        words and rest.strip() and (":" not in second[0] or "s" in second[0])
    ):  # units, not a clock before missing samples
        units = [_one_unit(unit, cell or None) for unit, cell in zip(units, second, strict=True)]
        rows = rest
    clocks = tuple(i for i, name in enumerate(bare) if seconds_per_unit(name))
    if 0 in clocks and ":" in rows.partition("\n")[0]:
        rows = _CLOCK_CELL.sub(_seconds, rows.replace("'", ""))
        bare[0] = "time (s)"
    counters = tuple(i for i, name in enumerate(bare) if i not in clocks and _COUNTER.fullmatch(name))
    signals = tuple(i for i in range(len(bare)) if i not in clocks and i not in counters)
    if not signals or any(_NUMBER.fullmatch(bare[i]) for i in signals):
        raise MalformedInput("The first row does not name the leads.", "lead_names", "a heading of lead names", None)
    return Heading(tuple(bare), tuple(units), clocks, counters, signals, rows)


def _split(head: str) -> tuple[str, str | None]:
    """The name and the unit of a head. In brackets after a lead stands its unit, whatever the word, or an alias."""
    for form in _WITH_UNIT:
        found = form.fullmatch(head)
        if found and is_lead(found["name"]):
            return found["name"], found["unit"]
    found = _BRACKETS.fullmatch(head)
    if found and (found["unit"].lower() in MILLIVOLTS_PER_UNIT or (is_lead(found["name"]) and not is_lead(head))):
        return found["name"], found["unit"]
    return head, None


def _one_unit(first: str | None, second: str | None) -> str | None:
    """The unit that both the heading and the row below state, or one of them; `InconsistentInput` for two."""
    return Stated(unit=second).settle_unit(first)


def _without(cells: list[str], first_line: str, rows: str, leads: tuple[str, ...] | None) -> Heading:
    """Every line is samples, perhaps after a column that counts from 0 or 1."""
    if leads is None:
        raise MalformedInput(
            "The table has no heading; state the leads.", "lead_names", "one name a column", f"{len(cells)} columns"
        )
    text = f"{first_line}\n{rows}"
    names: tuple[str, ...] = leads
    if len(cells) == len(leads) + 1 and re.match(r"0[,;\t][^\n]*\n1[,;\t]|1[,;\t][^\n]*\n2[,;\t]", text):
        names = ("index", *leads)
    if len(cells) != len(names):
        raise MalformedInput("The table has another number of columns.", "lead_names", len(leads), len(cells))
    signals = tuple(range(len(names) - len(leads), len(names)))
    return Heading(names, (None,) * len(names), (), tuple(range(len(names) - len(leads))), signals, text)


def _seconds(found: re.Match[str]) -> str:
    hours, minutes, seconds = found.groups()
    return f"{(int(hours or 0) * 60 + int(minutes)) * 60 + float(seconds):.9f}"
