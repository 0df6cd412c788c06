"""`ecg export`: a recording in another format, without any field that identifies a person."""

import argparse
import sys
from pathlib import Path

from ecg.cli.recordings import add_stated_arguments, stated
from ecg.errors import MalformedInput, UnknownFormat
from ecg.formats import read_path
from ecg.formats.writers import ENDINGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE, OUT, and what a bare array does not say itself."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording in any format that is read")
    parser.add_argument("out", type=Path, metavar="OUT", help=f"its ending says the format: {', '.join(ENDINGS)}")
    add_stated_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the recording; `UnknownFormat` for an ending that no writer has, `MalformedInput` without a folder."""
    writer = ENDINGS.get(args.out.suffix.lower())
    if writer is None:
        raise UnknownFormat(f"No writer has the ending {args.out.suffix!r}.", "OUT", list(ENDINGS), args.out.suffix)
    if not args.out.parent.is_dir():
        raise MalformedInput(
            "There is no such folder.", "OUT", "a file in a folder that is there", str(args.out.parent)
        )
    record = read_path(args.file, stated(args))
    for path in writer(record, args.out.parent, args.out.stem):
        print(path)
    if args.out.suffix.lower() == ".npy":  # the only one that cannot say it itself
        unit = f" --units {record.unit}" if record.unit else ""
        print(f"read it back with --fs {record.fs_hz:g} --leads {','.join(record.leads)}{unit}", file=sys.stderr)
    for note in record.notes:
        print(f"{args.file}: {note}", file=sys.stderr)
    return 0
