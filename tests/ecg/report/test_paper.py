"""One page of paper shows every lead under its own name, says what is not to be seen, and prints text as it is."""

import dataclasses
import itertools
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from ecg import local
from ecg.errors import MalformedInput
from ecg.findings import Contradiction, Finding
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import Analysis
from ecg.report.conclusion import LabelScore
from ecg.report.lettering import UNKNOWN, name_and_font
from ecg.report.page_form import disagreements, headline
from ecg.report.paper import as_bytes
from ecg.report.paper_layout import Layout, Style
from ecg.simulation import Scenario, simulate

SIMULATED = simulate(Scenario(heart_rate_bpm=80)).record
FULL = Style()


def record_of(signal: np.ndarray, leads: tuple[str, ...] = SIMULATED.leads, unit: str | None = "mV") -> EcgRecord:
    return EcgRecord.from_array(signal, SIMULATED.fs_hz, leads, unit)


def sheet_of(record: EcgRecord, style: Style = FULL, name: str | None = None) -> Figure:
    return local.measured(record).plot(name, style)


def text_of(sheet: Figure) -> str:
    return "\n".join(text.get_text() for text in sheet.texts)


def lines_of(sheet: Figure, gid: str) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata(), dtype=float) for line in sheet.axes[0].lines if line.get_gid() == gid]


def extra_leads(count: int) -> EcgRecord:
    names = (*SIMULATED.leads, *(f"V{i}" for i in range(7, 7 + count)))
    return record_of(np.vstack([SIMULATED.signal, *[SIMULATED.signal[-1:]] * count]), names)


@pytest.mark.parametrize(
    ("record", "layout", "gain"),
    [
        (SIMULATED, "3x4", 10.0),
        (SIMULATED, "6x2", 20.0),
        (SIMULATED, "12x1", 10.0),
        (SIMULATED, "12x1", 20.0),
        (extra_leads(3), "3x4", 10.0),
        (extra_leads(12), "12x1", 5.0),
    ],
    ids=["3x4", "6x2", "12x1", "12x1 at 20", "15 leads", "24 leads"],
)
def test_a_name_stands_in_the_row_of_its_lead(record: EcgRecord, layout: Layout, gain: float) -> None:
    sheet = sheet_of(record, Style(layout, gain_mm_mv=gain))
    axes = sheet.axes[0]
    sheet.canvas.draw()
    zero: dict[str, list[float]] = {}  # the medians of its stretches: the simulated baseline is zero
    for lead in record.leads:
        zero[lead] = [float(np.median(y)) for y in lines_of(sheet, f"trace-{lead}")]
    levels = sorted({round(y, 1) for ys in zero.values() for y in ys})
    row = min((b - a for a, b in itertools.pairwise(levels) if b - a > 2), default=axes.get_ylim()[1])
    named = [text for text in axes.texts if str(text.get_gid()).startswith("name-")]
    assert {text.get_text() for text in named} == set(record.leads)
    for text in named:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        lead = text.get_text()
        assert any(y < box.y0 and box.y1 <= y + row / 2 + 0.3 for y in zero[lead]), lead
    for pulse in lines_of(sheet, "pulse"):
        assert np.ptp(pulse) == pytest.approx(gain)
        assert 0 <= pulse.min() <= pulse.max() <= axes.get_ylim()[1]
    spans = sorted((p.min(), p.max()) for p in lines_of(sheet, "pulse"))
    assert spans
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(spans))  # none touches another


def test_a_pulse_ends_before_the_traces_begin_at_every_speed() -> None:
    for speed in (25.0, 50.0):
        axes = sheet_of(SIMULATED, Style(speed_mm_s=speed)).axes[0]
        ends = [max(line.get_xdata()) for line in axes.lines if line.get_gid() == "pulse"]
        begins = [min(line.get_xdata()) for line in axes.lines if str(line.get_gid()).startswith("trace")]
        assert max(ends) < min(begins)


@pytest.mark.parametrize("seconds", [1.0, 2.5, 6.0, 7.9, 8.0, 9.98, 10.0, 30.0])
@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_every_lead_is_drawn_however_short_the_recording_is(seconds: float, layout: Layout) -> None:
    whole = np.tile(SIMULATED.signal, (1, 3))
    record = record_of(whole[:, : round(seconds * SIMULATED.fs_hz)])
    axes = sheet_of(record, Style(layout)).axes[0]
    drawn: dict[str, list[float]] = {}
    for line in axes.lines:
        if str(line.get_gid()).startswith("trace-"):
            x = np.asarray(line.get_xdata(), dtype=float)
            drawn.setdefault(str(line.get_gid()), []).append(np.ptp(x) / 25.0)
    columns = {"3x4": 4, "6x2": 2, "12x1": 1}[layout]
    least = min(seconds, 10.0, max(0.8 * 10.0 / columns, min(seconds, 10.0) / columns))
    assert set(drawn) == {f"trace-{lead}" for lead in record.leads}
    assert min(min(lengths) for lengths in drawn.values()) >= least - 0.01
    places = sorted(
        (round(float(np.median(line.get_ydata()))), min(line.get_xdata()), max(line.get_xdata()))
        for line in axes.lines
        if str(line.get_gid()).startswith("trace-")
    )
    for (row, _, end), (next_row, begin, _) in itertools.pairwise(places):
        assert row != next_row or end <= begin + 0.06  # a sample is 0.05 mm; columns do not run into each other


@pytest.mark.parametrize(
    ("seconds", "from_s", "told"),
    [
        (60, 0.0, "Drawn: 0 to 10 s of 60 s; columns one after another, 2.5 s each."),
        (60, 55.0, "Drawn: 55 to 60 s of 60 s; every column shows the same 2.5 s."),
        (6, 0.0, "Drawn: 0 to 6 s of 6 s; every column shows the same 2.5 s."),
    ],
)
def test_paper_says_which_seconds_are_drawn(seconds: int, from_s: float, told: str) -> None:
    record = record_of(np.tile(SIMULATED.signal, (1, 6))[:, : int(seconds * SIMULATED.fs_hz)])
    assert told in text_of(sheet_of(record, Style(from_s=from_s)))


def test_nothing_can_be_drawn_after_the_end() -> None:
    with pytest.raises(MalformedInput, match="nothing to show"):
        sheet_of(SIMULATED, Style(from_s=10.0))


@pytest.mark.parametrize("unit", ["mV", None])
def test_an_offset_is_removed_and_said(unit: str | None) -> None:
    plain, moved = sheet_of(record_of(SIMULATED.signal, unit=unit)), record_of(SIMULATED.signal + 30.0, unit=unit)
    sheet = sheet_of(moved)
    for lead in SIMULATED.leads:
        for have, want in zip(lines_of(sheet, f"trace-{lead}"), lines_of(plain, f"trace-{lead}"), strict=True):
            np.testing.assert_allclose(have, want, atol=0.1)  # the baseline of the simulation has 0.01 mV of its own
    said = "Offset removed: +30.0 mV (all leads)." if unit else "Offset removed: +30 (all leads)."
    assert said in text_of(sheet)
    assert "Offset" not in text_of(plain)


def test_offsets_of_single_leads_are_said_by_lead() -> None:
    signal = SIMULATED.signal.copy()
    signal[SIMULATED.leads.index("V2")] += 5.0
    signal[SIMULATED.leads.index("V6")] -= 1.5
    assert "Offset removed: +5.0 mV (V2); -1.5 mV (V6)." in text_of(sheet_of(record_of(signal)))


def test_what_leaves_the_paper_or_has_no_samples_is_said() -> None:
    signal = SIMULATED.signal.copy()
    signal[SIMULATED.leads.index("V2")] *= 50
    signal[SIMULATED.leads.index("V6")] = np.nan
    text = text_of(sheet_of(record_of(signal)))
    assert "No samples in the seconds drawn: V6." in text
    assert "Cut at the edge of the paper: V2." in text
    assert "Cut at the edge of the paper: all leads." in text_of(sheet_of(record_of(SIMULATED.signal * 50)))
    assert "Reaching into other rows: " in text_of(sheet_of(SIMULATED, Style("12x1", gain_mm_mv=20)))
    assert "Cut" not in text_of(sheet_of(SIMULATED))
    assert "Reaching" not in text_of(sheet_of(SIMULATED))


def decided(source: str, score: float | None, present: bool | None) -> Report:
    """A report of which one label is known: what the model and the rules say of bradycardia."""
    report = Report(Analysis(SIMULATED, frozenset({"clinical"}), examine(SIMULATED), {}, (), 0.1))
    against = score is not None and present is not None and (score >= 0.5) != present
    conclusion = dataclasses.replace(
        report.conclusion,
        rhythm=None,
        abnormalities=("Bradycardia",),
        source=source,
        labels=(LabelScore("Bradycardia", score, calibrated=True),),
        findings=(Finding("Bradycardia", present, "40 beats a minute"),),
        contradictions=(Contradiction("Bradycardia", score or 0.0, "it says"),) if against else (),
    )
    object.__setattr__(report, "__dict__", report.__dict__ | {"conclusion": conclusion})
    return report


@pytest.mark.parametrize(
    ("source", "score", "present", "who"),
    [
        ("rules", None, True, "by the rules"),
        ("ecg-fm and rules", None, True, "by the rules"),
        ("ecg-fm and rules", 0.9, True, "by model and rules"),
        ("ecg-fm and rules", 0.9, None, "by the model"),
        ("ecg-fm and rules", 0.99, False, "by the model against the rules"),
        ("ecg-fm", 0.9, True, "by the model"),
    ],
)
def test_each_finding_is_printed_with_who_decided_it(
    source: str, score: float | None, present: bool | None, who: str
) -> None:
    report = decided(source, score, present)
    assert headline(report.conclusion) == ["Rhythm not decided", f"Bradycardia ({who})"]
    assert f"Bradycardia ({who})" in text_of(report.plot())
    assert f"Bradycardia ({who})" in report._repr_html_()


def test_a_contradiction_is_printed_on_paper_and_in_a_notebook() -> None:
    report = decided("ecg-fm and rules", 0.017, True)
    (line,) = disagreements(report.conclusion)
    assert line == "Rules: Bradycardia present; model: 0.017"
    assert line in text_of(report.plot())
    assert line in report._repr_html_()
    (other,) = disagreements(decided("ecg-fm and rules", 0.99, False).conclusion)
    assert other == "Rules: Bradycardia absent; model: 0.99"


@pytest.mark.parametrize("form", ["pdf", "svg", "png"])
def test_text_is_no_mathematics(form: str) -> None:
    formula = r"$\frac{$"
    record = EcgRecord(SIMULATED.signal[:2], ("I", formula), 500.0, "mV", notes=(f"a note {formula}",))
    report = Report(Analysis(record, frozenset({"measurements"}), examine(record), {}, record.notes, 0.1))
    sheet = report.plot(f"Dr {formula}")
    assert as_bytes(sheet, form)
    assert f"Dr {formula}" in text_of(sheet)
    assert f"! a note {formula}" in text_of(sheet)
    assert formula in [text.get_text() for text in sheet.axes[0].texts]


def test_a_name_without_a_font_is_refused_and_a_text_of_the_file_is_marked() -> None:
    private = "\ue1f3\U000f1234"
    with pytest.raises(MalformedInput, match="No font of this machine") as refused:
        name_and_font(f"A {private}")
    assert refused.value.field == "name"
    with pytest.raises(MalformedInput, match="cannot be printed"):
        name_and_font("\u0645\u062d\u0645\u062f")
    with pytest.raises(MalformedInput, match="too long"):
        name_and_font("x" * 121)
    assert name_and_font("Zo\u00eb\n\u0141ukasz") == ("Zo\u00eb \u0141ukasz", None)
    record = EcgRecord(SIMULATED.signal[:1], ("\u8000",), 500.0, "mV", notes=("\u8000",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that its font does not have
        sheet = Report(Analysis(record, frozenset(), examine(record), {}, record.notes, 0.1)).plot()
        as_bytes(sheet, "png")
    assert f"! {UNKNOWN}" in text_of(sheet)


def test_another_font_prints_what_the_first_has_not() -> None:
    """matplotlib's own STIX has a clock, which its DejaVu has not; a machine with a Chinese font has 李 likewise."""
    assert "STIXGeneral" in {font.name for font in fontManager.ttflist}
    clock = "\N{WATCH}"
    name, font = name_and_font(f"A {clock}")
    assert font is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sheet = sheet_of(SIMULATED, name=name)
        for form in ("pdf", "svg", "png"):
            as_bytes(sheet, form)


def test_a_long_warning_is_wrapped() -> None:
    note = "The first of many words of this warning, " * 3 + "and its end."
    report = Report(Analysis(SIMULATED, frozenset({"measurements"}), examine(SIMULATED), {}, (note,), 0.1))
    text = text_of(report.plot())
    assert "and its end." in text
    assert f"! {note}" in text.replace("\n", " ")
