"""`ecg manifest`: the WFDB headers under a directory, one path a line."""

import argparse
import re
import sys
from pathlib import Path

from ecg.cli.arguments import folder
from ecg.errors import MalformedInput

_NO_LINE = re.compile("[\n\r\ud800-\udfff]")  # line breaks, and bytes of a name that are no UTF-8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("directory", type=folder, help="directory to search, with everything below it")
    parser.add_argument("-o", "--output", type=Path, help="write the manifest here instead of to standard output")


def run(args: argparse.Namespace) -> int:
    """Write the sorted paths; nothing found is bad input, and a name that is no line of text is reported."""
    found = sorted(str(path) for path in args.directory.rglob("*.hea") if path.is_file())
    headers = [header for header in found if not _NO_LINE.search(header)]
    for header in set(found) - set(headers):
        print(f"{header!a}: this name cannot stand in a manifest", file=sys.stderr)
    if not headers:
        raise MalformedInput(f"No .hea file under {args.directory}.", "directory")
    text = "".join(f"{header}\n" for header in headers)
    if args.output is None:
        sys.stdout.buffer.write(text.encode())
    else:
        args.output.write_text(text, encoding="utf-8")
    print(f"{len(headers)} records", file=sys.stderr)
    return 0 if headers == found else 1
