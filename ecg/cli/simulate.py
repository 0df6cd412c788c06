"""`ecg simulate`: write known-truth recordings."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson

from ecg.errors import InvalidScenario
from ecg.formats.writers import WRITERS, wire_body
from ecg.simulation import SCENARIOS, Artefact, Scenario, simulate
from ecg.simulation.scenario import ArtefactKind

PARAMETERS = {
    "rate": ("heart_rate_bpm", "ventricular rate per minute"),
    "pr": ("pr_ms", "PR in ms"),
    "qrs": ("qrs_ms", "QRS in ms"),
    "qt": ("qt_ms", "QT in ms"),
    "axis": ("qrs_axis_deg", "frontal QRS axis in degrees"),
    "amplitude": ("amplitude", "factor on every wave"),
    "duration": ("duration_s", "length in s"),
    "fs": ("fs_hz", "sampling rate in Hz"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--list", action="store_true", help="print the named scenarios and what they change, and stop")
    parser.add_argument(
        "--scenario", default="sinus", metavar="NAME", help="a named scenario, or 'all' (default sinus)"
    )
    for flag, (_, text) in PARAMETERS.items():
        parser.add_argument(f"--{flag}", type=float, help=f"{text}, instead of the scenario's")
    parser.add_argument(
        "--artefact",
        action="append",
        default=[],
        metavar="KIND[:MV[:WHERE]]",
        help="add a disturbance, such as muscle:0.05, mains50, lead_off::V3, reversal::LA/RA; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first recording (default 0)")
    parser.add_argument("--count", type=int, default=1, help="recordings a scenario, with seeds one apart (default 1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write; without it, JSON bodies go to stdout")
    parser.add_argument("--format", choices=list(WRITERS), default=None, help="default wfdb; json without --out")


def run(args: argparse.Namespace) -> int:
    """Write the recordings, each with its truth, and print one JSON line for each."""
    if args.list:
        for name, scenario in SCENARIOS.items():
            _print({"scenario": name, **_changes(scenario)})
        return 0
    if args.count < 1 or args.seed < 0:
        raise InvalidScenario(
            "Nothing to simulate.", "count, seed", "count >= 1 and seed >= 0", [args.count, args.seed]
        )
    if args.out is None and args.format not in (None, "json"):
        raise InvalidScenario(f"{args.format} files need a folder.", "out", "a folder", None)
    if args.scenario != "all" and args.scenario not in SCENARIOS:
        raise InvalidScenario("No such scenario.", "scenario", "one that --list prints", args.scenario)
    names = list(SCENARIOS) if args.scenario == "all" else [args.scenario]
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        scenario = _adjusted(SCENARIOS[name], args)
        for seed in range(args.seed, args.seed + args.count):
            _deliver(f"{name}-{seed:04d}", scenario, seed, args)
    return 0


def _deliver(name: str, scenario: Scenario, seed: int, args: argparse.Namespace) -> None:
    simulation = simulate(scenario, seed)
    if args.out is None:
        _print(wire_body(simulation.record))
        return
    files = WRITERS[args.format or "wfdb"](simulation.record, args.out, name)
    truth = args.out / f"{name}.truth.json"
    truth.write_bytes(orjson.dumps(simulation.truth.to_dict()))
    _print({"record": name, "seed": seed, "files": [str(path) for path in [*files, truth]]})


def _adjusted(scenario: Scenario, args: argparse.Namespace) -> Scenario:
    given = {field: getattr(args, flag) for flag, (field, _) in PARAMETERS.items() if getattr(args, flag) is not None}
    artefacts = (*scenario.artefacts, *(_artefact(text) for text in args.artefact))
    return replace(scenario, artefacts=artefacts, **given)


def _artefact(text: str) -> Artefact:
    kind, level, where = [*text.split(":", 2), "", ""][:3]
    try:
        level_mv = float(level) if level else Artefact.level_mv
    except ValueError:
        raise InvalidScenario("The level is not a number.", "artefact", "KIND[:MV[:WHERE]]", text) from None
    return Artefact(cast(ArtefactKind, kind), level_mv, where or None)


def _changes(scenario: Scenario) -> dict[str, Any]:
    usual = Scenario().to_dict()
    return {field: value for field, value in scenario.to_dict().items() if value != usual[field]}


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
