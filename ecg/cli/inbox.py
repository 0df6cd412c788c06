"""`ecg inbox`: look after the durable store of received messages, and work on what it holds."""

import argparse
import os
import shlex
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import orjson

from ecg import local
from ecg.access.audit import AuditLog
from ecg.cardioai.assemble import load
from ecg.cardioai.devices import Device, register, registered
from ecg.cardioai.erase import erase
from ecg.cardioai.receipts import Limits
from ecg.cardioai.upkeep import give_up_waiting, prune, quarantined, quarantined_body, replay
from ecg.cardioai.views import listing, record_view, stats
from ecg.cli import actions_of, write_line
from ecg.errors import MalformedInput, UnknownRecording
from ecg.record import EcgRecord
from ecg.store.claims import retry_failed
from ecg.store.database import Engine, open_database
from ecg.store.location import default_url
from ecg.store.states import State
from ecg.store.worker import Worker

DAY_S = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.add_argument(
        "--store",
        default=default_url(),
        metavar="URL",
        help="sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE; default: %(default)s",
    )
    add = actions_of(parser)
    add("stats", _stats, help="counts by origin and route, states, quarantine, oldest waiting")
    records = add("records", _records, help="list recordings, the latest first")
    records.add_argument("--state", choices=[str(state) for state in State], help="only those in this state")
    records.add_argument("--most", type=int, default=100, metavar="N", help="default 100")
    record = add("record", _record, help="state and result of one recording")
    record.add_argument("record_id", help="recordId of its messages")
    listing = add("quarantine", _quarantine, help="list what could not be used, and why")
    listing.add_argument("--code", help="only this reason code")
    show = add("show", _show, help="write a quarantined message to standard output as it came")
    show.add_argument("id", type=int, help="number in the quarantine")
    again = add("replay", _replay, help="judge quarantined messages again, as if they came now")
    again.add_argument("id", type=int, nargs="*", help="number in the quarantine")
    again.add_argument("--code", help="also all of this reason code")
    failed = add("retry", _retry, help="give failed recordings to the workers again")
    failed.add_argument("record_id", nargs="?", help="only this record (default: all that failed)")
    device = add("device", _device, help="register what a device model sends; without options, list all")
    device.add_argument("device_code", nargs="?", help="what its messages call the device model")
    device.add_argument("--fs", type=float, metavar="HZ", help="samples per second of every lead")
    device.add_argument("--gain", type=float, help="ADC units per physical unit, with --baseline and --units")
    device.add_argument("--baseline", type=int, help="ADC value of physical zero")
    device.add_argument("--units", help="physical unit, such as mV")
    upkeep = add("prune", _prune, help="give up waiting for missing parts and delete what is old")
    upkeep.add_argument("--incomplete-after", type=float, default=900.0, metavar="S", help="default 900")
    upkeep.add_argument("--keep-days", type=float, required=True, metavar="N", help="delete what is older")
    gone = add("erase", _erase, help="delete all that is kept of one record, origin or device, for good")
    what = gone.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", metavar="ID", help="recordId of the messages")
    what.add_argument("--origin", metavar="ID", help="origin of the messages")
    what.add_argument("--device", metavar="ID", help="deviceId of the messages")
    gone.add_argument("--audit", type=Path, metavar="FOLDER", help="audit log of the service, to note it there")
    work = add("work", _work, help="measure recordings as they become whole, until interrupted")
    work.add_argument("--once", action="store_true", help="end when nothing is ready")


def run(args: argparse.Namespace) -> int:
    """Do the action; answers go to standard output as JSON."""
    engine = open_database(args.store, create=args.action in ("device", "work"))
    try:
        return int(args.act(engine, args))
    finally:
        engine.dispose()


def _stats(engine: Engine, _: argparse.Namespace) -> int:
    return _say(stats(engine).json())


def _records(engine: Engine, args: argparse.Namespace) -> int:
    for line in listing(engine, None if args.state is None else State(args.state), args.most):
        _say(line)
    return 0


def _record(engine: Engine, args: argparse.Namespace) -> int:
    return _say(record_view(engine, args.record_id))


def _quarantine(engine: Engine, args: argparse.Namespace) -> int:
    for message in quarantined(engine, args.code):
        # The address without its password, which has no place in a listing: PostgreSQL takes it from ~/.pgpass as well.
        store = shlex.quote(engine.url.render_as_string(hide_password=True))
        command = f"ecg inbox --store {store} replay {message.id}"
        _say(orjson.dumps(asdict(message) | {"replay": command}))
    return 0


def _show(engine: Engine, args: argparse.Namespace) -> int:
    body = quarantined_body(engine, args.id)
    if body is None:
        raise UnknownRecording("Nothing is quarantined under that number.", "id", None, args.id)
    return _say(body)


def _replay(engine: Engine, args: argparse.Namespace) -> int:
    ids = list(args.id)
    if not ids and args.code is None:
        raise MalformedInput("Nothing is named to replay.", "id", "numbers, or --code")
    if args.code is not None:
        ids += [message.id for message in quarantined(engine, args.code)]
    still = 0
    for number in ids:
        receipt = replay(engine, number, Limits())
        if receipt is None:
            raise UnknownRecording("Nothing is quarantined under that number.", "id", None, number)
        still += receipt.outcome == "quarantined"
        _say(receipt.json())
    print(f"{len(ids) - still} of {len(ids)} accepted", file=sys.stderr)
    return 1 if still else 0


def _retry(engine: Engine, args: argparse.Namespace) -> int:
    return _say(orjson.dumps({"ready": retry_failed(engine, args.record_id)}))


def _device(engine: Engine, args: argparse.Namespace) -> int:
    if args.device_code is not None and args.fs is None:
        raise MalformedInput("A device entry needs its sampling rate.", "fs", "--fs HZ")
    if args.device_code is None:
        for device in registered(engine):
            _say(orjson.dumps(asdict(device)))
        return 0
    ready = register(engine, Device(args.device_code, args.fs, args.gain, args.baseline, args.units))
    print(f"{ready} recordings that waited for this are ready", file=sys.stderr)
    return 0


def _prune(engine: Engine, args: argparse.Namespace) -> int:
    incomplete = give_up_waiting(engine, args.incomplete_after)
    gone = prune(engine, args.keep_days * DAY_S)
    return _say(orjson.dumps({"incomplete": incomplete, "deleted": asdict(gone)}))


def _erase(engine: Engine, args: argparse.Namespace) -> int:
    user = f"user:{os.environ.get('USER') or os.getuid()}"[:128]
    subject = str(args.record or args.origin or args.device)[:128]
    log = None if args.audit is None else AuditLog(args.audit)
    if log is not None:
        log.append(user, "erase", subject, "begun")
    erased = erase(engine, args.record, args.origin, args.device)
    if log is not None:
        log.append(user, "erase", subject, "done")
    else:
        print("no audit log says who erased this: --audit FOLDER names one", file=sys.stderr)
    return _say(orjson.dumps({"erased": asdict(erased), "left": 0}))


def _work(engine: Engine, args: argparse.Namespace) -> int:
    worker = Worker(engine, load, measured)
    if args.once:
        while worker.step():
            pass
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.run(stop)
    return 0


def measured(record: EcgRecord) -> bytes:
    """What can be said of a recording without a model, as the service says it, JSON."""
    return local.analyze(record, include=frozenset({"measurements", "quality"})).to_json()


def _say(document: bytes) -> int:
    write_line(document)
    return 0
