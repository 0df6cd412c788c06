"""`ecg inspect`: what was read."""

import argparse
from pathlib import Path

import numpy as np

from ecg.cli.recordings import add_file_arguments, for_each
from ecg.errors import EcgError
from ecg.models.ecgfm.preparation import check_preparable, segment_count
from ecg.origin import Origin
from ecg.record import EcgRecord, Signal

add_arguments = add_file_arguments
_CLIPPED_SAMPLES = 5


def run(args: argparse.Namespace) -> int:
    """Print what each file holds."""
    return for_each(args, _show)


def _show(path: Path, record: EcgRecord) -> None:
    print(f"{path}")
    print(f"  format    {record.format}")
    print(f"  leads     {', '.join(record.leads)}")
    print(f"  rate      {record.fs_hz:g} Hz")
    print(f"  units     {record.unit or 'not known'}")
    if record.acquired is not None:
        print(f"  start     {record.acquired.isoformat(' ')}")
    print(f"  duration  {record.duration_s:.3f} s ({record.n_samples} samples)")
    present = record.signal[~np.isnan(record.signal)]
    print(f"  range     {f'{present.min():.3f} to {present.max():.3f}' if present.size else 'every sample is missing'}")
    print(f"  sha256    {record.sha256}")
    try:
        check_preparable(record)
        print(f"  models    {segment_count(record)} segments of 5 s")
    except EcgError as error:
        print(f"  models    not possible: {error.message}")
    _show_origin(record.origin)
    flat = [
        lead
        for lead, row in zip(record.leads, record.signal, strict=True)
        if len(seen := row[~np.isnan(row)]) and seen.min() == seen.max()
    ]
    if flat:
        print(f"  note      flat: {', '.join(flat)}")
    clipped = [lead for lead, row in zip(record.leads, record.signal, strict=True) if _clipped(row)]
    if clipped:
        print(f"  note      clipped: {', '.join(clipped)}")
    for note in record.notes:
        print(f"  note      {note}")


def _clipped(row: Signal) -> bool:
    """Whether a lead that moves stays at its highest or lowest value for `_CLIPPED_SAMPLES` and more, twice or more."""
    seen = row[~np.isnan(row)]
    if len(seen) < _CLIPPED_SAMPLES or seen.min() == seen.max():
        return False
    for limit in (seen.min(), seen.max()):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (row == limit).astype(np.int8), [0]])))
        if (edges[1::2] - edges[::2] >= _CLIPPED_SAMPLES).sum() > 1:
            return True
    return False


def _show_origin(origin: Origin | None) -> None:
    """What the file says beside samples; of a person only that such fields are there."""
    if origin is None:
        return
    device = " ".join(filter(None, (origin.manufacturer, origin.model, origin.software)))
    limits = (("from", origin.high_pass_hz), ("to", origin.low_pass_hz), ("without", origin.notch_hz))
    lines = (
        ("device", device),
        ("filters", " ".join(f"{word} {value:g} Hz" for word, value in limits if value is not None)),
        (
            "patient",
            " ".join(filter(None, (origin.sex, None if origin.age_years is None else f"{origin.age_years:g} y"))),
        ),
        ("device's", ", ".join(f"{name} {value:g}" for name, value in origin.measurements.items())),
        ("device's", "; ".join(origin.statements)),
    )
    for head, text in lines:
        if text:
            print(f"  {head:9s} {text}")
    if origin.identifying:
        print(f"  note      fields that may identify a person are there and not read: {', '.join(origin.identifying)}")
