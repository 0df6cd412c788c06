"""`ecg audit`: check and export the audit log."""

import argparse
import re
from pathlib import Path

import orjson

from ecg.access.audit import AuditLog, Head
from ecg.cli import actions_of, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.add_argument("folder", type=Path, help="folder of the log, such as audit beside the key file")
    add = actions_of(parser)
    verify = add(
        "verify", _verify, help="check every entry and print the chain's head; exit status 2 when it is broken"
    )
    verify.add_argument(
        "--head",
        type=_head,
        metavar="N:HASH",
        help="a head from before, kept elsewhere, that the chain must still hold",
    )
    add("export", _export, help="every entry as a JSON line, oldest first")


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    if not args.folder.is_dir():
        raise FileNotFoundError(f"{args.folder} is no folder")
    return int(args.act(AuditLog(args.folder), args))


def _head(text: str) -> Head:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise argparse.ArgumentTypeError("a head is N:HASH, as verify prints it")
    return Head(int(match[1]), match[2])


def _verify(log: AuditLog, args: argparse.Namespace) -> int:
    head = log.verify(args.head)
    write_line(orjson.dumps({"entries": head.entries, "head": f"{head.entries}:{head.hash}"}))
    return 0


def _export(log: AuditLog, _: argparse.Namespace) -> int:
    for line in log.export():
        write_line(line.rstrip(b"\n"))
    return 0
