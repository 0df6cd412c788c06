"""`ecg relay`: send CardioAI payload files to an ingestion layer over HTTP, EventBridge or Data Firehose."""

import argparse
import sys
from pathlib import Path

import orjson
from rich.console import Console

from ecg.cardioai.sender.delivery import ADAPTERS, Route, open_adapter
from ecg.cardioai.sender.payloads import DEVICE_CODE_RESERVE
from ecg.cardioai.sender.progress_file import Checkpoint, Destination
from ecg.cardioai.sender.relay import Plan, Relay
from ecg.cli import write_line
from ecg.cli.arguments import at_least, folder, positive
from ecg.errors import MalformedInput
from ecg.formats.cardioai_message import ORIGIN_CODES


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the options, long and short as in the original tool; ``-h`` is threads there, so help is ``--help``."""
    parser = command.add_argument_group("sending", conflict_handler="resolve")
    parser.add_argument("-s", "--source", type=folder, required=True, help="directory of payload files (*.json)")
    parser.add_argument("-a", "--adapter", required=True, choices=tuple(ADAPTERS), help="the way to send")
    parser.add_argument(
        "-n",
        "--name",
        required=True,
        help="URL (HTTP), event bus (ESB) or delivery stream (FIREHOSE)",
    )
    parser.add_argument("-o", "--origin-code", required=True, choices=ORIGIN_CODES, help="who the sender is")
    parser.add_argument("-v", "--device-code", required=True, help="device model, such as D3F153")
    parser.add_argument(
        "-b", "--before", type=at_least(0), default=0, metavar="MS", help="pause before the first message"
    )
    parser.add_argument("-f", "--after", type=at_least(0), default=0, metavar="MS", help="pause after each message")
    parser.add_argument(
        "-c", "--cycle", type=at_least(1), default=2000, metavar="MS", help="how often figures are shown (default 2000)"
    )
    parser.add_argument(
        "-h", "--threads", type=at_least(1), default=1, metavar="N", help="senders at a time (default 1)"
    )
    parser.add_argument(
        "-x",
        "--maximum",
        "--maximun",
        type=at_least(1),
        metavar="N",
        help="messages per thread, going round the files again as needed (default: every file once)",
    )
    parser.add_argument("--rate", type=positive, metavar="HZ", help="open-loop rate of all threads together")
    parser.add_argument("--timeout", type=positive, default=30.0, metavar="S", help="wait for one answer (default 30)")
    parser.add_argument(
        "--patience", type=positive, default=600.0, metavar="S", help="retry one message this long (default 600)"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="progress of the run, taken up by the next and removed when all is sent (default: beside SOURCE)",
    )
    parser.add_argument("--primary-bus", help="bus for the notifications of large messages (ESB)")
    parser.add_argument("--bucket", help="S3 bucket for large messages (ESB, FIREHOSE)")
    parser.add_argument(
        "--inline-max",
        type=int,
        metavar="BYTES",
        help="messages smaller than this travel whole (default: ESB 262144, FIREHOSE 1024000)",
    )
    parser.add_argument("--region", help="AWS region (default: the AWS configuration's)")
    parser.add_argument("--endpoint", help="AWS endpoint URL")


def run(args: argparse.Namespace) -> int:
    """Send everything; the figures of the run go to standard output as JSON."""
    files = _checked(args)
    source = args.source.resolve()
    checkpoint_path = args.checkpoint or source.with_name(source.name + ".relay.jsonl")
    destination = Destination(args.adapter, args.name, args.origin_code, args.device_code)
    plan = Plan(
        origin_code=args.origin_code,
        device_code=args.device_code,
        threads=args.threads,
        messages_per_thread=args.maximum,
        before_s=args.before / 1e3,
        after_s=args.after / 1e3,
        rate_hz=args.rate,
        patience_s=args.patience,
    )
    with Checkpoint(checkpoint_path, destination) as checkpoint:
        already = len(checkpoint)
        relay = Relay(files, plan, open_adapter(args.adapter, _route(args)), checkpoint)
        if already:
            print(f"resuming: {already} of {relay.expected} messages were delivered before", file=sys.stderr)
        relay.start()
        try:
            _watch(relay, args.cycle / 1e3)
        except KeyboardInterrupt:
            relay.stop()
            relay.join(args.timeout)
            raise
        finally:
            write_line(orjson.dumps(relay.figures.summary()))
        failed = sum(relay.figures.failures.values())
        if not failed:
            checkpoint.discard()
    return 1 if failed or relay.figures.outcomes["quarantined"] else 0


def _checked(args: argparse.Namespace) -> list[Path]:
    """The payload files, after the options were found sound."""
    if not args.device_code.isprintable() or not 0 < len(args.device_code.encode()) <= DEVICE_CODE_RESERVE:
        raise MalformedInput("The device code is not short text.", "device-code", f"1..{DEVICE_CODE_RESERVE} bytes")
    files = sorted(args.source.glob("*.json"))
    if not files:
        raise MalformedInput(f"No .json file in {args.source}.", "source")
    return files


def _route(args: argparse.Namespace) -> Route:
    return Route(
        name=args.name,
        connections=args.threads,
        timeout_s=args.timeout,
        primary_bus=args.primary_bus,
        bucket=args.bucket,
        inline_max_bytes=args.inline_max,
        region=args.region,
        endpoint=args.endpoint,
    )


def _watch(relay: Relay, cycle_s: float) -> None:
    """Show the figures until the run has ended: one line that changes on a terminal, else a line a cycle."""
    console = Console(file=sys.stderr, highlight=False)
    if console.is_terminal:
        with console.status("sending") as status:
            while not relay.join(cycle_s):
                status.update(_line(relay))
    else:
        while not relay.join(cycle_s):
            print(_line(relay), file=sys.stderr, flush=True)
    print(_line(relay), file=sys.stderr, flush=True)


def _line(relay: Relay) -> str:
    figures = relay.figures.summary()
    failures, retries = (
        ", ".join(f"{count} {reason}" for reason, count in figures[kind].items()) for kind in ("failures", "retries")
    )
    return (
        f"{figures['acknowledged']} acknowledged, {figures['messages_per_s']}/s, {figures['bytes']} bytes, "
        f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms, "
        f"{sum(figures['retries'].values())} retries"
        + (f" ({retries})" if retries else "")
        + f", {figures['failed']} failed"
        + (f" ({failures})" if failures else "")
    )
