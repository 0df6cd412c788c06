"""The page's paper in a real browser without a service: names in their rows, every lead drawn, offsets taken off."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import serve_app
from ecg.simulation import Scenario, simulate

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

STATIC = Path(serve_app.__file__).parent / "web" / "static"
RECORD = simulate(Scenario(heart_rate_bpm=80)).record
DRAW = """async ([samples, fs, leads, look, offset, factor, count]) => {
    const { draw } = await import("/paper.js");
    const made = (row) => Float32Array.from(row.slice(0, count), v => (v === null ? NaN : v * factor + offset));
    const signal = { fs, unit: "mV", leads, seconds: count / fs, samples: {} };
    leads.forEach((lead, i) => { signal.samples[lead] = made(samples[i]); });
    const { svg, cells, said } = draw(signal, look, {});
    const style = document.createElement("style");
    style.textContent = ".lead-name { font: 3.4px sans-serif } .trace { fill: none }";
    document.body.replaceChildren(style, svg);
    const box = node => { const b = node.getBBox(); return { x: b.x, y: b.y, w: b.width, h: b.height }; };
    const of = kind => [...svg.querySelectorAll(kind)];
    return { cells, said, names: of(".lead-name").map(n => ({ lead: n.textContent, ...box(n) })),
        traces: of(".trace").map(box), pulses: of(".pulse").map(box) };
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def blank() -> Iterator["sync_api.Page"]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(STATIC)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/page.css")
        yield page
        browser.close()
    server.shutdown()
    server.server_close()


def drawn(
    page: "sync_api.Page", layout: str, seconds: float = 10.0, *, gain: float = 10, speed: float = 25, **other: float
) -> dict[str, Any]:
    look = {"layout": layout, "speed": speed, "gain": gain, "from": other.get("begin", 0)}
    samples = json.loads(json.dumps(RECORD.signal.round(4).tolist()))
    count = round(seconds * RECORD.fs_hz)
    arguments = [samples, RECORD.fs_hz, list(RECORD.leads), look, other.get("offset", 0), other.get("factor", 1), count]
    result: dict[str, Any] = page.evaluate(DRAW, arguments)
    return result


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
@pytest.mark.parametrize("gain", [5, 10, 20])
def test_a_name_stands_in_the_row_of_its_lead(blank: "sync_api.Page", layout: str, gain: float) -> None:
    made = drawn(blank, layout, gain=gain)
    for name, cell in zip(made["names"], made["cells"], strict=True):
        assert name["lead"] == cell["lead"]
        assert cell["y"] - cell["row"] / 2 - 0.1 <= name["y"], cell
        assert name["y"] + name["h"] <= cell["y"], cell
    for pulse in made["pulses"]:
        assert pulse["h"] == pytest.approx(gain, abs=0.01)


@pytest.mark.parametrize("seconds", [1.0, 6.0, 9.98])
def test_every_lead_is_drawn_however_short_the_recording_is(blank: "sync_api.Page", seconds: float) -> None:
    made = drawn(blank, "3x4", seconds)
    assert len(made["traces"]) == 13
    least = min(seconds, 2.5 if seconds < 8 else seconds / 4)
    assert min(trace["w"] for trace in made["traces"]) >= (least - 0.01) * 25
    assert made["said"][0].startswith(f"Drawn: 0 to {seconds:g} s of {seconds:g} s")
    assert ("every column shows the same" in made["said"][0]) == (seconds < 8)


def test_a_late_beginning_still_shows_every_lead(blank: "sync_api.Page") -> None:
    assert min(trace["w"] for trace in drawn(blank, "3x4", begin=7)["traces"]) == pytest.approx(62.5, abs=0.1)
    assert min(trace["w"] for trace in drawn(blank, "3x4", begin=99)["traces"]) == pytest.approx(25, abs=0.1)


def test_an_offset_is_removed_and_what_is_cut_is_said(blank: "sync_api.Page") -> None:
    plain, moved = drawn(blank, "3x4"), drawn(blank, "3x4", offset=30)
    assert [t["y"] for t in moved["traces"]] == pytest.approx([t["y"] for t in plain["traces"]], abs=0.1)
    assert "Offset removed: +30.0 mV (all leads)." in " ".join(moved["said"])
    assert len(plain["said"]) == 1
    assert "Cut at the edge of the paper: all leads." in " ".join(drawn(blank, "3x4", factor=50)["said"])


def test_a_pulse_ends_before_the_traces_begin(blank: "sync_api.Page") -> None:
    for speed in (25, 50):
        made = drawn(blank, "3x4", speed=speed)
        assert max(p["x"] + p["w"] for p in made["pulses"]) < min(t["x"] for t in made["traces"])
