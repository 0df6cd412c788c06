"""`ecg keys`: API keys of the service. A key is shown once, when it is made; the file holds hashes only."""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from ecg.access.audit import AuditLog
from ecg.access.keys import SCOPES, Key, KeyRing
from ecg.cli import actions_of, write_line
from ecg.errors import KeysUnreadable

_HASHES = ("secret_sha256", "former_sha256")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.add_argument(
        "--file",
        type=Path,
        required=True,
        metavar="FILE",
        help="key file, as the service's setting keys_file names it; changes are noted in the folder audit beside it",
    )
    add = actions_of(parser)
    create = add("create", _create, help="make a key and print it: it is shown this once and kept nowhere")
    create.add_argument("name", help="who will have it")
    create.add_argument("--scope", action="append", required=True, choices=SCOPES, help="what it may do; repeatable")
    create.add_argument("--origin", help="origin of all that is sent with it, for ingest (default: its name)")
    create.add_argument("--rate", type=float, metavar="HZ", help="most requests a second (default: no limit)")
    create.add_argument("--concurrency", type=int, metavar="N", help="most requests at a time (default: no limit)")
    add("list", _list, help="every key with its scopes and limits, as JSON lines, without secrets")
    rotate = add("rotate", _rotate, help="give a key a new secret and print it")
    rotate.add_argument("id", help="its id, as `list` shows it")
    rotate.add_argument("--overlap", type=float, default=0.0, metavar="S", help="take the old secret for so long, too")
    revoke = add("revoke", _revoke, help="end a key for good")
    revoke.add_argument("id", help="its id, as `list` shows it")


def run(args: argparse.Namespace) -> int:
    """Do the action; a key or JSON goes to standard output."""
    try:
        return int(args.act(KeyRing(args.file), args))
    except KeysUnreadable:
        raise KeysUnreadable("The file holds no API keys.", "file", "a file of `ecg keys`", str(args.file)) from None


def audit_of(key_file: Path) -> AuditLog:
    """The audit log beside a key file."""
    return AuditLog(key_file.absolute().parent / "audit")


def _note(args: argparse.Namespace, action: str, key_id: str) -> None:
    user = os.environ.get("USER") or str(os.getuid())
    audit_of(args.file).append(f"user:{user}"[:128], f"key.{action}", key_id)


def _create(ring: KeyRing, args: argparse.Namespace) -> int:
    origin = args.origin or (args.name if "ingest" in args.scope else None)
    key, presented = ring.create(args.name, tuple(args.scope), origin, args.rate, args.concurrency)
    _note(args, "create", key.id)
    print(f"key {key.id} for {key.name}: {', '.join(key.scopes)}", file=sys.stderr)
    print(presented)
    return 0


def _list(ring: KeyRing, _: argparse.Namespace) -> int:
    for key in ring.listed():
        write_line(orjson.dumps(_shown(key)))
    return 0


def _rotate(ring: KeyRing, args: argparse.Namespace) -> int:
    presented = ring.rotate(args.id, args.overlap)
    _note(args, "rotate", args.id)
    print(presented)
    return 0


def _revoke(ring: KeyRing, args: argparse.Namespace) -> int:
    key = ring.revoke(args.id)
    _note(args, "revoke", args.id)
    write_line(orjson.dumps(_shown(key)))
    return 0


def _shown(key: Key) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name not in _HASHES}
