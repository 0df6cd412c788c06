"""`ecg payloads`: extracted CSV files to CardioAI payload files, cut into parts where asked."""

import argparse
import sys
from pathlib import Path

from ecg.cardioai.sender.payloads import record_id_of, write_payloads
from ecg.cli.arguments import at_least, folder
from ecg.cli.batch_progress import Batch
from ecg.errors import MalformedInput
from ecg.formats.cardioai_message import NOTHING_KNOWN
from ecg.formats.record_map import map_path, read_map


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, long and short as in the original tool."""
    parser.add_argument("-s", "--source", type=folder, required=True, help="directory of extracted CSV files (*.txt)")
    parser.add_argument(
        "-d", "--destination", type=Path, required=True, help="directory for the payload files; made if it is not there"
    )
    parser.add_argument("--max-bytes", type=at_least(1), metavar="N", help="every message has fewer bytes than this")
    parser.add_argument("--max-samples", type=at_least(1), metavar="N", help="rows of a part at most")
    parser.add_argument(
        "--version",
        type=int,
        choices=(1, 2),
        default=2,
        help="2 adds rate, gain, baseline, units and start time where the record map knows them; 1 never does",
    )


def run(args: argparse.Namespace) -> int:
    """Convert every file; a file that fails is reported and does not stop the others."""
    record_map = map_path(args.source)
    known = read_map(record_map) if args.version == 2 and record_map.is_file() else {}
    sources = sorted(args.source.glob("*.txt"))
    if not sources:
        raise MalformedInput(f"No .txt file in {args.source}.", "source")
    args.destination.mkdir(parents=True, exist_ok=True)
    parts = 0
    seen: set[str] = set()
    with Batch("payloads", len(sources)) as batch:
        for source in sources:
            with batch.item(source.name):
                record_id = record_id_of(source)
                if record_id in seen:
                    raise MalformedInput(f"Another file has the record id {record_id} as well.", "source")
                seen.add(record_id)
                calibration = known.get(record_id, NOTHING_KNOWN)
                parts += write_payloads(source, args.destination, calibration, args.max_bytes, args.max_samples)
    print(f"{batch.summary()}, {parts} payload files", file=sys.stderr)
    return batch.exit_status
