"""`ecg manifest`: the WFDB headers under a directory, one path a line."""

import argparse
import sys
from pathlib import Path

from ecg.errors import MalformedInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("directory", type=Path, help="directory to search, with everything below it")
    parser.add_argument("-o", "--output", type=Path, help="write the manifest here instead of to standard output")


def run(args: argparse.Namespace) -> int:
    """Write the sorted paths; nothing found is bad input."""
    if not args.directory.is_dir():
        raise MalformedInput(f"{args.directory} is not a directory.", "directory")
    headers = sorted(str(path) for path in args.directory.rglob("*.hea") if path.is_file())
    if not headers:
        raise MalformedInput(f"No .hea file under {args.directory}.", "directory")
    text = "".join(f"{header}\n" for header in headers)
    if args.output is None:
        sys.stdout.write(text)
    else:
        args.output.write_text(text, encoding="utf-8")
    print(f"{len(headers)} records", file=sys.stderr)
    return 0
