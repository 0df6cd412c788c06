"""`ecg measure`: rate, intervals, axis, quality and rule findings, without any model."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from ecg.cli.recordings import add_file_arguments, for_each, record_name
from ecg.pipeline import Examination, examine
from ecg.quality import Quality
from ecg.record import EcgRecord
from ecg.report.device import differences
from ecg.values import Value

#: Key of the JSON line -> field of `Measurements`. QTc is Fridericia's.
_KEYS = {
    "heart_rate": "heart_rate",
    "pr_interval": "pr_interval",
    "qrs_duration": "qrs_duration",
    "qt_interval": "qt_interval",
    "qtc_interval": "qtc_fridericia",
    "qrs_axis": "qrs_axis",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE… and the output form."""
    add_file_arguments(parser)
    parser.add_argument("--jsonl", action="store_true", help="one JSON object a recording, on one line")


def run(args: argparse.Namespace) -> int:
    """Measure each file."""
    return for_each(args, partial(_measure, jsonl=args.jsonl))


def summary(name: str, examination: Examination, record: EcgRecord) -> dict[str, Any]:
    """The JSON line of one recording: values in bpm, ms and degrees, null where not measurable."""
    values = {key: getattr(examination.measurements, field).rounded for key, field in _KEYS.items()}
    return {
        "record": name,
        **values,
        "signal_quality": examination.quality.grade,
        "acceptable": examination.quality.acceptable,
        **_device(examination, record),
        "findings": {finding.label: finding.present for finding in examination.findings},
        "statements": {statement.label: statement.present for statement in examination.statements},
    }


def _device(examination: Examination, record: EcgRecord) -> dict[str, Any]:
    """The device's measurements and ours minus them; nothing when the file has none."""
    if record.origin is None or not record.origin.measurements:
        return {}
    apart = differences(record.origin, examination.measurements)
    return {"device": {"measurements": dict(record.origin.measurements), "differences": apart}}


def _signed(difference: float | None) -> str:
    return "" if difference is None else f", ours {difference:+g}"


def _words(key: str, value: Value) -> str:
    """A value with its spread from beat to beat, or why there is none."""
    if value.value is None:
        return str(value.reason)
    if value.unit == "deg":  # no more digits than an axis has, and no second unit
        spread = "" if value.spread is None else f" ± {value.spread:.0f}°"
        return f"{value.value:.0f}°{spread}"
    spread = "" if value.spread is None else f" ± {value.spread:.1f}"
    return f"{value.value:.0f}{spread} {value.unit}{' (Fridericia)' if key == 'qtc_interval' else ''}"


def _causes(quality: Quality) -> str:
    """The causes of a grade, each kind once with its leads: "flat in V1, V2; mains in II"."""
    leads: dict[str, list[str]] = {}
    for cause in quality.causes:
        leads.setdefault(cause.code, []).extend([cause.lead] if cause.lead else [])
    return "; ".join(code + (" in " + ", ".join(names) if names else "") for code, names in leads.items())


def _measure(path: Path, record: EcgRecord, jsonl: bool) -> None:
    examination = examine(record)
    if jsonl:
        print(orjson.dumps(summary(record_name(path), examination, record)).decode(), flush=True)
        return
    print(path)
    theirs = {} if record.origin is None else record.origin.measurements
    apart = differences(record.origin, examination.measurements)
    for key, field in _KEYS.items():
        told = _words(key, getattr(examination.measurements, field))
        device = theirs.get(key)
        beside = "" if device is None else f"  (device: {device:g}{_signed(apart.get(key))})"
        print(f"  {key:14s} {told}{beside}")
    quality = examination.quality
    causes = _causes(quality)
    print(f"  {'quality':14s} {quality.grade}{f' ({causes})' if causes else ''}")
    for finding in examination.findings:
        if finding.present:
            doubt = f" (not excluded: {', '.join(finding.not_excluded)})" if finding.not_excluded else ""
            print(f"  {'finding':14s} {finding.label}: {finding.evidence}{doubt}")
    for statement in examination.statements:
        if statement.present:
            print(f"  {'statement':14s} {statement.label}: {statement.evidence}")
    for note in record.notes:
        print(f"  {'note':14s} {note}")
    undecided = [finding.label for finding in examination.findings if finding.present is None]
    if undecided:
        print(f"  {'not decided':14s} {', '.join(undecided)}")
