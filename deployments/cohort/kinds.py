"""Which files of an archive are recordings, and what the others are: by their names and, where those may mislead, by
the first bytes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from ecg import formats
from ecg.formats import table

HEAD_BYTES = 4096
#: Endings of tables and texts, which hold recordings and much else: the first bytes decide.
_TEXTS = (".csv", ".tsv", ".txt", ".json", ".xml")
_LEADS = re.compile(rb"(?<![A-Za-z])(?:aVR|II|V1|MLII)(?![A-Za-z])", re.IGNORECASE)
_NUMBERS = re.compile(rb"(?:[ \t]*[-+]?[\d.]+(?:[eE][-+]?\d+)?[ \t]*[,;\t]){2,}[ \t]*[-+]?[\d.eE+-]+[ \t]*")
_SAMPLES = (b'"signal"', b'"sequenceId"', b'"messageType"')

OF_RECORD = "signal and annotation files of WFDB records"
NO_TABLE = "tables and texts without leads"
NO_JSON = "JSON without samples"
NO_XML = "XML of no ECG device that is read"
OTHER = "files of other kinds"
LISTS = "lists of records"


def recordings_among(
    paths: Iterable[str], head: Callable[[str], bytes | None], passed_over: Counter[str]
) -> Iterator[str]:
    """The recordings among the files of one folder; the others are counted in `passed_over` by what they are.

    `head` gives the first `HEAD_BYTES` of a file, None where it cannot be read, and is asked only where the name does
    not decide.
    """
    paths = list(paths)
    headers = {PurePosixPath(path).stem for path in paths if path.endswith(".hea")}
    for path in paths:
        reason = None if path.endswith(".hea") else _reason_against(path, headers, head)
        if reason is None:
            yield path
        else:
            passed_over[reason] += 1


def is_table_of_samples(head: bytes) -> bool:
    """Whether a text begins as a table of samples: a heading of leads, or rows of at least three numbers."""
    lines = [line for line in head.replace(b"\r", b"\n").split(b"\n") if line.strip() and not line.startswith(b"#")]
    if not lines:
        return False
    separated = max(lines[0].count(mark) for mark in (b",", b";", b"\t"))
    return separated > 0 and bool(_LEADS.search(lines[0]) or all(map(_NUMBERS.fullmatch, lines[:2])))


def _reason_against(path: str, headers: set[str], head: Callable[[str], bytes | None]) -> str | None:
    name = PurePosixPath(path)
    ending = name.suffix.lower()
    if name.name.startswith("RECORDS"):
        return LISTS
    if name.stem in headers and ending not in (".xml", ".json"):  # .mat and .edf may hold a header's samples
        return OF_RECORD
    if not formats.is_named_like_a_recording(name.name):
        return f"{OTHER} ({ending or 'no ending'})"
    begin = head(path) if ending in _TEXTS else None
    return None if begin is None else _reason_in(ending, begin)  # what cannot be read is reported as such


def _reason_in(ending: str, begin: bytes) -> str | None:
    if ending == ".json":
        return None if any(mark in begin for mark in _SAMPLES) else NO_JSON
    if ending == ".xml":
        known = any(reader.claims("", begin) for reader in table.FORMATS if reader.media_types == table.XML)
        return None if known else NO_XML
    return None if is_table_of_samples(begin) else NO_TABLE
