"""The report as one self-contained HTML page; plots need matplotlib (extra ``report``)."""

import base64
import io
from collections.abc import Sequence
from html import escape

from benchmarks.results import Plot, Report, Section
from benchmarks.tables import beat_cells, error_cells, label_cells

ERROR_COLUMNS = (
    "Parameter",
    "Unit",
    "n",
    "Missed",
    "Invented",
    "Bias",
    "SD",
    "|error| p75",
    "p95",
    "Allowed bias/SD",
    "",
)
BEAT_COLUMNS = ("Set", "Recordings", "Beats", "Missed", "Invented", "Sensitivity", "PPV", "F1")
LABEL_COLUMNS = (
    "Label",
    "Positive",
    "Found",
    "Missed",
    "Open",
    "Sensitivity",
    "Negative",
    "False",
    "Open",
    "Specificity",
)

COLOURS = ("#3b6ea8", "#2a9d6f", "#d98f1f", "#b3261e")
STYLE = """
:root{--ink:#1b1f24;--dim:#5b6570;--line:#d9dee3;--paper:#fff;--good:#0f7b3f;--bad:#b3261e}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);background:var(--paper);
max-width:1080px;margin:0 auto;padding:32px 20px 80px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:44px 0 6px;padding-top:14px;border-top:1px solid var(--line)}
p{max-width:78ch}.dim{color:var(--dim)}nav a{margin-right:16px}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:12px 0;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;font-size:13px;color:var(--dim)}th:first-child,td:first-child{text-align:left}
.within{color:var(--good);font-weight:600}.outside{color:var(--bad);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:14px}
figure{margin:0}figure img{width:100%;height:auto}
details{margin:10px 0}.worst td{text-align:left;white-space:normal;font-size:13px}
.breach{margin:20px 0;border-left:4px solid var(--bad);padding:6px 14px;background:#fdf3f2}
@media print{body{max-width:none}details>*{display:block}}
"""


def render(report: Report, breaches: Sequence[str]) -> str:
    """The page as text."""
    links = "".join(
        f'<a href="#s{n}">{escape(section.title.split(":")[0])}</a>' for n, section in enumerate(report.sections)
    )
    floors = "".join(f"<li>{escape(breach)}</li>" for breach in breaches)
    warning = f'<div class="breach"><b>Below the floor</b><ul>{floors}</ul></div>' if breaches else ""
    sections = "".join(_section(number, section) for number, section in enumerate(report.sections))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>ECG conformance report</title>'
        f"<style>{STYLE}</style></head><body><h1>ECG conformance report</h1>"
        f'<p class="dim">ecg-serve {escape(report.version)} · {report.made:%d %B %Y, %H:%M} UTC · '
        f"{report.cpu_s:.0f} s of CPU time</p>"
        "<p>How far the measurements are from what is known, laid out as IEC 60601-2-25 asks: bias is the mean of "
        "measured minus reference, SD its standard deviation. <b>Missed</b>: the reference has a value, the "
        "measurement says it cannot tell. <b>Invented</b>: a value where the reference has none. Every recording "
        "counts, nothing is removed as an outlier. In the plots, red dashes bound what is allowed (bias + 1.96 SD); a "
        "blue line is the bias, blue dots are the limits of agreement (bias ± 1.96 SD). Research use only; not a "
        "certificate.</p>"
        f"<nav>{links}</nav>{warning}{sections}</body></html>"
    )


def _section(number: int, section: Section) -> str:
    parts = [f'<h2 id="s{number}">{escape(section.title)}</h2><p>{escape(section.intro)}</p>']
    if section.errors:
        parts.append(_table(ERROR_COLUMNS, [error_cells(row) for row in section.errors]))
    if section.beats:
        parts.append(_table(BEAT_COLUMNS, [beat_cells(name, row) for name, row in section.beats.items()]))
    if section.labels:
        parts.append(_table(LABEL_COLUMNS, [label_cells(row) for row in section.labels]))
    if section.counts:
        parts.append(_table(("", "Measured", "Demanded"), list(section.counts)))
    images = [_image(plot) for plot in section.plots]
    parts.append('<div class="plots">' + "".join(image for image in images if image) + "</div>")
    if section.worst:
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(what)}</td></tr>" for name, what in section.worst)
        title = f"{len(section.worst)} recordings to look at"
        parts.append(f'<details><summary>{title}</summary><table class="worst">{rows}</table></details>')
    return "".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("within", "outside") else ""
    return f"<td{kind}>{escape(text)}</td>"


def _image(plot: Plot) -> str:
    """An inlined picture of a plot; empty without matplotlib or without points."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    points = {name: group for name, group in plot.groups.items() if group}
    if not points:
        return ""
    figure = Figure(figsize=(4.6, 3.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for (name, group), colour in zip(points.items(), COLOURS, strict=False):
        x, y = zip(*group, strict=True)
        axes.scatter(x, y, s=14, alpha=0.6, linewidths=0, color=colour, label=name)
    axes.axhline(0.0, color="#5b6570", linewidth=0.8)
    for bound in plot.bounds or ():
        axes.axhline(bound, color="#b3261e", linewidth=0.8, linestyle="--")
    if plot.agreement is not None:
        bias, sd = plot.agreement
        for level, style in ((bias, "-"), (bias - 1.96 * sd, ":"), (bias + 1.96 * sd, ":")):
            axes.axhline(level, color=COLOURS[0], linewidth=1.0, linestyle=style)
    axes.set_title(plot.title, fontsize=10, loc="left")
    axes.set_xlabel(plot.x_label, fontsize=9)
    axes.set_ylabel(plot.y_label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if len(points) > 1:
        figure.legend(loc="outside lower center", fontsize=7, frameon=False, ncols=len(points), title="noise")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<figure><img alt="{escape(plot.title)}" src="data:image/png;base64,{data}"></figure>'
