"""The `ecg` command. Each subcommand is a module of this package with `add_arguments(parser)` and `run(args)`."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from ecg._version import __version__
from ecg.errors import EcgError
from ecg.extras import EXTRAS

# name -> (module, one-line help); a module is imported only when its command is asked for.
COMMANDS = {
    "analyze": (
        "ecg.cli.analyze",
        "whole analysis of recordings in this process: labels, features, intervals, quality",
    ),
    "measure": ("ecg.cli.measure", "rate, intervals, axis, quality and rule findings, without any model"),
    "report": ("ecg.cli.report", "one page of paper at true scale: PDF, SVG or PNG"),
    "inspect": ("ecg.cli.inspect", "say what is in a recording: format, leads, rate, units, duration, problems"),
    "export": ("ecg.cli.export", "write a recording in another format: WFDB, EDF, DICOM, CSV, npy, JSON"),
    "batch": ("ecg.cli.batch", "analyse a whole archive on all processors or a cluster, into Parquet tables"),
    "manifest": ("ecg.cli.manifest", "list the WFDB records under a directory"),
    "extract": ("ecg.cli.extract", "write the raw samples of WFDB records as CSV files, as rdsamp prints them"),
    "relay": ("ecg.cli.relay", "send CardioAI payload files to an ingestion layer"),
    "inbox": ("ecg.cli.inbox", "look after received messages, and measure what they hold"),
    "bus": ("ecg.cli.bus", "CardioAI over AWS: set up, verify, consume, watch, redrive, reconcile"),
    "keys": ("ecg.cli.keys", "API keys of the service: create, list, rotate, revoke"),
    "audit": ("ecg.cli.audit", "check and export the service's audit log"),
    "payloads": ("ecg.cli.payloads", "turn extracted CSV files into CardioAI payload files"),
    "convert": ("ecg.cli.convert", "turn a fairseq-signals checkpoint into a weights-only file"),
    "simulate": ("ecg.cli.simulate", "write known-truth 12-lead recordings"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; exit status 0 for success, 1 when part of the work failed, 2 for bad input or usage."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    parser = argparse.ArgumentParser(prog="ecg", description="Read, measure and analyse 12-lead ECGs.")
    parser.add_argument("--version", action="version", version=f"ecg-serve {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        subparser.set_defaults(module=module_name)
    known: dict[str, object] = {}
    name = argv[0] if argv[:1] and argv[0] in COMMANDS else ""
    try:
        # Loading a command can take seconds and can find a library missing: both belong inside.
        if name:
            importlib.import_module(COMMANDS[name][0]).add_arguments(subparsers.choices[name])
        args = parser.parse_args(argv)
        known = vars(args)
        return int(importlib.import_module(args.module).run(args))
    except EcgError as error:
        print(f"ecg {name}: {describe(error)}{stating(error, known)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS:
            raise
        command = f"pip install 'ecg-serve[{EXTRAS[library]}]'"
        print(f"ecg {name}: {library} is not installed; this brings it: {command}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # What is still buffered would fail again, with a message, when the interpreter flushes it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"ecg {name}: {error}", file=sys.stderr)
        return 2


def actions_of(parser: argparse.ArgumentParser) -> Callable[..., argparse.ArgumentParser]:
    """Gives a command actions: a function of name, handler and help that adds one; the handler is `args.act` then."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, act: Callable[..., int], help: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        action.set_defaults(act=act)
        return action

    return add


def write_line(document: bytes) -> None:
    """One line on standard output, at once: what reads it may be waiting for it."""
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.flush()


#: What a file may leave open, by argument of a command that reads files.
_STATING = {"fs": "--fs HZ", "leads": "--leads I,II,…", "units": "--units mV"}


def stating(error: EcgError, given: Mapping[str, object]) -> str:
    """Which options state what a file leaves open, for the end of the line about it; nothing for other errors.

    `given` are the arguments of the command.
    """
    if "state" not in error.message or not given.keys() >= _STATING.keys():
        return ""
    missing = [option for argument, option in _STATING.items() if given[argument] is None]
    return f" | if you know what the file does not say: {' '.join(missing)}" if missing else ""


def describe(error: EcgError) -> str:
    """One terminal line: what is wrong, where, what was expected and what came."""
    parts = [error.message]
    if error.field is not None:
        parts.append(f"field: {error.field}")
    if error.expected is not None:
        parts.append(f"expected: {error.expected}")
    if error.got is not None:
        parts.append(f"got: {error.got}")
    return " | ".join(parts)
