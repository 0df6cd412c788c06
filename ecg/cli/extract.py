"""`ecg extract`: WFDB records of a manifest to CSV files of raw ADC values, as CardioAI's script makes them."""

import argparse
import shlex
import sys
from pathlib import Path

from ecg.cardioai.sender.extract import extract, map_line, read_manifest, script_line
from ecg.cli.arguments import at_least, file
from ecg.cli.batch_progress import Batch
from ecg.errors import MalformedInput
from ecg.formats.record_map import map_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, long and short as in the original tool."""
    parser.add_argument("-m", "--manifest", type=file, required=True, help="file with one .hea path a line")
    parser.add_argument("-f", "--from-time", type=at_least(0), default=0, metavar="S", help="first second (default 0)")
    parser.add_argument(
        "-t",
        "--to-time",
        type=at_least(0),
        default=60,
        metavar="S",
        help="second to stop before; 0 is the end of the record (default 60)",
    )
    parser.add_argument(
        "-d", "--destination", type=Path, required=True, help="directory for the CSV files; made if it is not there"
    )
    parser.add_argument(
        "-s", "--script", type=Path, help="also write the shell script that makes the same files with WFDB's rdsamp"
    )


def run(args: argparse.Namespace) -> int:
    """Extract every record; a record that fails is reported and does not stop the others."""
    if 0 < args.to_time <= args.from_time:
        raise MalformedInput("The window is empty.", "to-time", f"> {args.from_time}, or 0", args.to_time)
    headers = list(read_manifest(args.manifest))
    args.destination.mkdir(parents=True, exist_ok=True)
    script = ["#!/usr/bin/env bash", "set -euo pipefail", f"cd {shlex.quote(str(Path.cwd()))}"]
    with map_path(args.destination).open("ab") as record_map, Batch("extracting", len(headers)) as batch:
        for header in headers:
            with batch.item(str(header)):
                done = extract(header, args.from_time, args.to_time, args.destination)
                record_map.write(map_line(done))
                record_map.flush()
                script.append(
                    script_line(header, args.from_time, args.to_time, args.destination.resolve(), done.record_id)
                )
    if args.script is not None:
        args.script.write_text("\n".join(script) + "\n", encoding="utf-8")
        args.script.chmod(0o755)
    print(batch.summary(), file=sys.stderr)
    return batch.exit_status
