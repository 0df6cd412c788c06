"""`ecg bus`: CardioAI over AWS: set up, verify, consume, watch, redrive, reconcile."""

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import orjson

from ecg.cardioai.bus.consumer import Consumer, depths, objects, reconcile, redrive
from ecg.cardioai.bus.layout import Clients, Layout, connect, set_up, verify
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.views import gauge, known_messages, prometheus, stats
from ecg.cli import actions_of, write_line
from ecg.cli.arguments import positive
from ecg.cli.metrics_page import MetricsPage
from ecg.errors import BusError, StoreUnavailable
from ecg.formats.cardioai_message import ORIGIN_CODES
from ecg.store.database import open_database

POLL_S = 5  # also how long a stop can take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.add_argument("--bucket", required=True, help="S3 bucket for large messages")
    parser.add_argument("--prefix", default="cardioai", help="begins the names of buses and queues (default cardioai)")
    parser.add_argument("--region", help="AWS region (default: the AWS configuration's)")
    parser.add_argument("--endpoint", help="AWS endpoint URL")
    add = actions_of(parser)
    add("setup", _setup, help="create buses, rules, queues and bucket, or bring them up to date")
    add("verify", _verify, help="check them; exit status 1 when something differs")
    add("redrive", _redrive, help="put dead letters back into their queues")
    watch = add("watch", _watch, help="show the queues' depths, one JSON line a time, until interrupted")
    watch.add_argument("--store", metavar="URL", help="also show the inbox's counts by origin, route and outcome")
    watch.add_argument("--every", type=positive, default=5.0, metavar="S", help="default 5")
    watch.add_argument(
        "--metrics-port", type=int, metavar="N", help="also serve what is shown on this port, for Prometheus"
    )
    consume = add("consume", _consume, help="move messages from the queues into the inbox, until interrupted")
    lost = add("reconcile", _reconcile, help="accept objects whose notification was lost")
    lost.add_argument("--older-than", type=float, default=900.0, metavar="S", help="default 900")
    lost.add_argument(
        "--keep-days",
        type=float,
        metavar="N",
        help="pass over what is older: give the inbox's retention, or what that has deleted comes back",
    )
    for action in (consume, lost):
        action.add_argument("--store", required=True, metavar="URL", help="the inbox's store, as in ecg inbox")


def run(args: argparse.Namespace) -> int:
    """Do the action; answers go to standard output as JSON."""
    clients = connect(args.region, args.endpoint)
    layout = Layout(args.bucket, args.prefix)
    return int(args.act(clients, layout, args))


def _setup(clients: Clients, layout: Layout, args: argparse.Namespace) -> int:
    set_up(clients, layout)
    return _verify(clients, layout, args)


def _verify(clients: Clients, layout: Layout, _: argparse.Namespace) -> int:
    problems = verify(clients, layout)
    _say({"ok": not problems, "problems": problems})
    return 1 if problems else 0


def _redrive(clients: Clients, layout: Layout, _: argparse.Namespace) -> int:
    _say({"moved": redrive(clients, layout)})
    return 0


def _watch(clients: Clients, layout: Layout, args: argparse.Namespace) -> int:
    engine = open_database(args.store, create=False) if args.store else None
    with contextlib.ExitStack() as cleanup:
        page = None if args.metrics_port is None else cleanup.enter_context(MetricsPage(args.metrics_port))
        while True:
            text = None
            try:
                queues = depths(clients, layout)
                counts = None if engine is None else stats(engine)
            except (BusError, StoreUnavailable) as error:
                print(f"ecg bus: {error}", file=sys.stderr, flush=True)
            else:
                inbox = {} if counts is None else {"inbox": orjson.Fragment(counts.json())}
                _say({"time": round(time.time(), 3), "queues": queues} | inbox)
                text = _queue_metrics(queues) + ("" if counts is None else prometheus(counts))
            if page is not None:
                page.text = text
            time.sleep(args.every)


def _queue_metrics(queues: dict[str, dict[str, int]]) -> str:
    samples = [
        ({"origin_code": code, "state": state}, count)
        for code, counts in queues.items()
        for state, count in counts.items()
    ]
    return gauge("ecg_bus_messages", "Messages in the queues, by origin: waiting, in work, dead letters.", samples)


def _consume(clients: Clients, layout: Layout, args: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Receiver(open_database(args.store)) as receiver, ThreadPoolExecutor(len(ORIGIN_CODES)) as threads:
        consumers = {code: Consumer(clients, layout, receiver.accept, stop) for code in ORIGIN_CODES}

        def pump(origin_code: str) -> None:
            try:
                while not stop.is_set():
                    try:
                        consumers[origin_code].poll(origin_code, POLL_S)
                    except BusError as error:
                        print(f"ecg bus: {error}", file=sys.stderr)
                        stop.wait(2.0)
            finally:
                stop.set()  # an origin whose queue nobody reads must not go unnoticed

        for ended in [threads.submit(pump, code) for code in ORIGIN_CODES]:
            ended.result()
    _say(dict(sum((consumer.counts for consumer in consumers.values()), Counter())))
    return 0


def _reconcile(clients: Clients, layout: Layout, args: argparse.Namespace) -> int:
    engine = open_database(args.store)
    newer_than_s = None if args.keep_days is None else args.keep_days * 86_400.0
    with Receiver(engine) as receiver:
        bunches = objects(clients, layout, args.older_than, newer_than_s)
        done = reconcile(clients, layout, bunches, lambda ids: known_messages(engine, ids), receiver.accept)
    _say(asdict(done))
    return 1 if done.failed else 0


def _say(fields: dict[str, object]) -> None:
    write_line(orjson.dumps(fields))
