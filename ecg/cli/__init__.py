"""The `ecg` command. Each subcommand is a module of this package with `add_arguments(parser)` and `run(args)`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from ecg.errors import EcgError

# name -> (module, one-line help); a module is imported only when its command is asked for.
COMMANDS = {
    "inspect": ("ecg.cli.inspect", "say what is in a recording: format, leads, rate, units, duration, problems"),
    "simulate": ("ecg.cli.simulate", "write known-truth 12-lead recordings"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; exit status 0 for success, 1 when part of the work failed, 2 for bad input or usage."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="ecg", description="Read, measure and analyse 12-lead ECGs.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in argv[:1]:
            importlib.import_module(module_name).add_arguments(subparser)
    args = parser.parse_args(argv)
    command = importlib.import_module(COMMANDS[args.command][0])
    try:
        return int(command.run(args))
    except EcgError as error:
        print(f"ecg {args.command}: {describe(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


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
