"""`ecg inspect`: what was read."""

import argparse
from pathlib import Path

import numpy as np

from ecg.cli.recordings import add_file_arguments, for_each
from ecg.errors import EcgError
from ecg.models.ecgfm.preparation import check_preparable, segment_count
from ecg.record import EcgRecord

add_arguments = add_file_arguments


def run(args: argparse.Namespace) -> int:
    """Print what each file holds."""
    return for_each(args, _show)


def _show(path: Path, record: EcgRecord) -> None:
    print(f"{path}")
    print(f"  format    {record.format}")
    print(f"  leads     {', '.join(record.leads)}")
    print(f"  rate      {record.fs_hz:g} Hz")
    print(f"  units     {record.unit or 'not known'}")
    print(f"  duration  {record.duration_s:.3f} s ({record.n_samples} samples)")
    present = record.signal[~np.isnan(record.signal)]
    print(f"  range     {f'{present.min():.3f} to {present.max():.3f}' if present.size else 'every sample is missing'}")
    print(f"  sha256    {record.sha256}")
    try:
        check_preparable(record)
        print(f"  models    {segment_count(record)} segments of 5 s")
    except EcgError as error:
        print(f"  models    not possible: {error.message}")
    for note in record.notes:
        print(f"  note      {note}")
