"""Recordings of other databases with reference labels, never learnt from: WFDB records named in a table."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecg.errors import EcgError
from ecg.formats import read
from ecg.labels import LABEL_NAMES
from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord
from training.recordings import SAMPLES, Example
from training.statements import AUXILIARY


def labelled(table: Path, database: str) -> Iterator[tuple[EcgRecord, Example]]:
    """Each record of `database` in `table` that can be read, as it is and as an `Example` of its first ten seconds.

    The table has a column ``record`` (a path from its own folder without suffix) and a column for each label: 1, 0 or
    empty for not stated.
    """
    with table.open() as file:
        rows = [row for row in csv.DictReader(file) if row["record"].startswith(f"{database}/")]
    for row in rows:
        try:
            record = read(table.parent / f"{row['record']}.hea")
            segments = prepare(record)
        except (EcgError, OSError):
            continue
        if segments.shape[0] * segments.shape[2] < SAMPLES:
            continue
        signal = segments[:2].transpose(1, 0, 2).reshape(12, -1)
        labels = np.array([float(row[name]) if row[name] else np.nan for name in LABEL_NAMES], dtype=np.float32)
        unknown = np.full(len(AUXILIARY), np.nan, dtype=np.float32)
        yield record, Example(row["record"], signal, labels, unknown, np.full(4, np.nan, np.float32), 0)
