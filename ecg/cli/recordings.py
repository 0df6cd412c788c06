"""Files on the command line: their arguments, and reading them one after the other without one bad file ending all."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ecg.cli import describe, stating
from ecg.errors import EcgError
from ecg.formats import FORMATS, read_path
from ecg.formats.stated import Stated
from ecg.record import EcgRecord

#: What is read, for the help of every command that takes files.
READABLE = "; ".join(f"{reader.title} ({', '.join(reader.endings)})" for reader in FORMATS)


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE…, and what a bare array does not say itself."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=f"{READABLE}")
    add_stated_arguments(parser)


def add_stated_arguments(parser: argparse.ArgumentParser) -> None:
    """What a bare array does not say itself; `stated` gives it."""
    parser.add_argument("--fs", type=float, metavar="HZ", help="sampling rate, for files that do not say it")
    parser.add_argument("--leads", metavar="I,II,…", help="lead names in row order, for files that do not say them")
    parser.add_argument("--units", metavar="mV", help="unit of the samples (mV, uV, V, nV), likewise")
    parser.add_argument("--index", type=int, metavar="N", help="number of the recording in a file of many, from 0")
    parser.add_argument("--variable", metavar="NAME", help="matrix of samples in a MATLAB or HDF5 file of several")


def stated(args: argparse.Namespace) -> Stated:
    """What was said beside the files."""
    leads = None if args.leads is None else tuple(name.strip() for name in args.leads.split(","))
    return Stated(args.fs, leads, args.units, args.index, args.variable)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which weights, and which parts of the analysis."""
    parser.add_argument(
        "--weights",
        default="auto",
        metavar="SOURCE",
        help="auto (cache, hub, else the small model), hub, small, stand-in, or a folder with both checkpoints",
    )
    parser.add_argument(
        "--hub-revision",
        metavar="NAME",
        type=_revision,
        help="branch, tag or commit of the hub instead of the pinned one; main is what is published now",
    )
    parser.add_argument(
        "--include",
        metavar="PARTS",
        help="any of clinical,features,measurements,quality, and other models by name; default all",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODULE:CARD",
        help="a further model, by its card (docs/models.md)",
    )


def _revision(name: str) -> str:
    # Models are found by whoever loads them, in other processes, too: these inherit it.
    os.environ["ECG_HUB_REVISION"] = name
    return name


def for_each(args: argparse.Namespace, work: Callable[[Path, EcgRecord], None]) -> int:
    """Read every file and hand it to `work`; a refusal goes to stderr and the next file follows.

    Returns the exit status: 0, or 1 when some files failed, 2 when all did.
    """
    failed = 0
    for path in args.files:
        try:
            record = _open(path, stated(args))
            if record is None:
                failed += 1
            else:
                work(path, record)
        except EcgError as error:
            failed += 1
            print(f"{path}: {describe(error)}{stating(error, vars(args))}", file=sys.stderr)
    sys.stdout.flush()  # a reader that has gone away is met here, not while the interpreter ends
    if failed and len(args.files) > 1:
        print(f"{failed} of {len(args.files)} files failed", file=sys.stderr)
    return 0 if not failed else 2 if failed == len(args.files) else 1


def record_name(path: Path) -> str:
    """A recording's name in an answer: that of its file without ending; a byte that is no UTF-8 as ``\\xfc``."""
    return os.fsencode(path.stem).decode(errors="backslashreplace")


def _open(path: Path, beside: Stated) -> EcgRecord | None:
    """The recording, or None, with a line on stderr, when the operating system does not give the file."""
    try:
        return read_path(path, beside)
    except OSError as error:
        print(f"{path}: {error.strerror or error}", file=sys.stderr)
        return None
