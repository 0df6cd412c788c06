"""`ecg report`: one page of paper at true scale, as PDF, SVG or PNG."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from ecg import local
from ecg.atomic_write import replacing
from ecg.cli.recordings import add_stated_arguments, stated
from ecg.errors import MalformedInput
from ecg.formats import read_path
from ecg.report import Report
from ecg.report.lettering import name_and_font
from ecg.report.page_form import page
from ecg.report.paper import FileForm, as_bytes
from ecg.report.paper_layout import PAGES, Layout, Style, seconds_left

_CLINICAL = frozenset({"clinical", "measurements", "quality"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE, -o OUT, and how the paper is laid out."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording, in any format that `ecg inspect` reads")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="ends in .pdf, .svg or .png")
    parser.add_argument("--name", metavar="TEXT", help="printed at the top; without it the page names nobody")
    parser.add_argument("--layout", choices=get_args(Layout), default="3x4", help="default 3x4, with a rhythm strip")
    parser.add_argument("--page", choices=tuple(PAGES), default="A4", help="landscape; default A4")
    parser.add_argument("--speed", type=float, choices=(25, 50), default=25, help="mm/s; default 25")
    parser.add_argument("--gain", type=float, choices=(5, 10, 20), default=10, help="mm/mV; default 10")
    parser.add_argument("--from", dest="from_s", type=float, default=0.0, metavar="SECONDS", help="first second shown")
    parser.add_argument(
        "--weights",
        metavar="SOURCE",
        help="ask the clinical model: auto (cache, hub, else the small model), hub, small, stand-in, or a checkpoint;"
        " without it the measurements and rules speak",
    )
    add_stated_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page; its path on standard error."""
    forms = get_args(FileForm)
    ending = args.out.suffix.lstrip(".").lower()
    if ending not in forms:
        raise MalformedInput(
            "The ending of OUT says which file to write.", "out", [f".{f}" for f in forms], str(args.out)
        )
    if not args.out.parent.is_dir():
        raise MalformedInput("There is no such folder to write to.", "out", "an existing folder", str(args.out.parent))
    if args.name:
        name_and_font(args.name)  # refused before a model is loaded
    record = read_path(args.file, stated(args))
    seconds_left(record.duration_s, args.from_s)
    if args.weights is None:
        report: Report = local.measured(record)
    else:
        report = local.run(record, local.load_models(args.weights, _CLINICAL), _CLINICAL)
    style = Style(args.layout, args.page, args.speed, args.gain, args.from_s)
    content = as_bytes(page(report.analysis, report.conclusion, args.name, style), ending)
    with replacing(args.out) as draft:
        draft.write_bytes(content)
    print(f"{args.out} written", file=sys.stderr)
    return 0
