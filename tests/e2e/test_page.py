"""The page in a real browser on a real service: scale, calipers, marks, formats, and no request elsewhere."""

import base64
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest

from ecg.access.keys import KeyRing
from ecg.formats import FORMATS
from ecg.formats.writers import write_json
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from tests.builders.served import served
from tests.ecg.formats.every_format import EIGHT, samples

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

PX_PER_MM = 96 / 25.4  # what CSS calls a millimetre
DISPLAY = "application/vnd.ecg-serve.display+json"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", service: httpx.Client) -> Iterator["sync_api.Page"]:
    """The page as a newcomer meets it; whatever it reports as an error fails the test."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    wrong: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(str(service.base_url))
    page.wait_for_selector("#sample option:nth-child(2)", state="attached")
    yield page
    page.close()
    assert wrong == []
    here = (str(service.base_url), "blob:", "data:")
    assert [url for url in asked if not url.startswith(here)] == []


@pytest.fixture
def recording(tmp_path: Path) -> EcgRecord:
    return simulate(Scenario(rr_sd_ms=0)).record


def opened(page: "sync_api.Page", *paths: Path) -> None:
    page.set_input_files("#files", [str(path) for path in paths])
    page.wait_for_selector("#papers svg")


def size_mm(page: "sync_api.Page", path: str) -> tuple[float, float]:
    """Width and height on the screen of the last such path, without its pen, in what CSS calls millimetres."""
    width, height = page.eval_on_selector_all(
        path,
        """nodes => {
            const node = nodes[nodes.length - 1], box = node.getBBox(), scale = node.getScreenCTM();
            return [box.width * scale.a, box.height * scale.d];
        }""",
    )
    return width / PX_PER_MM, height / PX_PER_MM


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five(page: "sync_api.Page") -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(10, rel=0.01)
    assert size_mm(page, "#papers path.trace[data-lead=II]")[0] == pytest.approx(250, rel=0.01)
    page.select_option("#speed", "50")
    page.select_option("#gain", "20")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(20, rel=0.01)
    assert "50 mm/s, 20 mm/mV" in (page.text_content("#scale") or "")


def test_the_calipers_give_the_true_rr(page: "sync_api.Page", recording: EcgRecord, tmp_path: Path) -> None:
    opened(page, *write_json(recording, tmp_path, "one"))
    for _ in range(10):
        page.click("#zoom-in")  # a pixel is then shorter than a sample
    beats = simulate(Scenario(rr_sd_ms=0)).truth.beats
    first, second = beats[0].r_s, beats[1].r_s
    strip = page.locator("#papers path.trace[data-lead=II]").last
    strip.scroll_into_view_if_needed()
    place = page.evaluate(
        """([from, to]) => {
            const svg = document.querySelector("#papers svg");
            const paper = svg.parentElement;
            const box = svg.getBoundingClientRect();
            const mm = box.width / Number(svg.dataset.widthMm);
            paper.scrollLeft = (10 + from * 25) * mm - 40;
            paper.scrollTop = paper.scrollHeight;
            const now = svg.getBoundingClientRect();
            const traces = [...svg.querySelectorAll("path.trace[data-lead=II]")];
            const y = traces[traces.length - 1].getBoundingClientRect();
            return [now.left + (10 + from * 25) * mm, now.left + (10 + to * 25) * mm, y.top + y.height / 2];
        }""",
        [first, second],
    )
    page.mouse.move(place[0], place[2])
    page.mouse.down()
    page.mouse.move(place[1], place[2], steps=5)
    page.mouse.up()
    measured = float(page.get_attribute("#caliper", "data-ms") or "nan")
    assert measured == pytest.approx((second - first) * 1000, abs=2.01)  # one sample of 500 Hz
    page.keyboard.press("ArrowRight")
    assert float(page.get_attribute("#caliper", "data-ms") or "nan") == pytest.approx(measured + 2)


def test_equal_steps_march_out_from_two_lines(page: "sync_api.Page") -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    page.check("#march")
    page.focus("#papers svg")
    for _ in range(100):  # 0.2 s of 500 Hz from where the first lead begins
        page.keyboard.press("ArrowRight")
    assert float(page.get_attribute("#caliper", "data-ms") or "nan") == pytest.approx(200)
    assert "300 bpm" in (page.text_content("#caliper") or "")
    assert " mV" in (page.text_content("#caliper") or "")
    lines = page.eval_on_selector_all(
        "#papers .caliper-line, #papers .caliper-march", "nodes => nodes.map(n => n.getBBox().x)"
    )
    assert len(lines) == 13  # every 0.2 s of a stretch of 2.5 s
    assert np.diff(sorted(lines)) == pytest.approx(5.0, abs=0.01)  # millimetres
    page.keyboard.press("Escape")
    assert page.locator(".caliper-line").count() == 0


def test_a_screen_is_ruled_once_and_print_is_true_all_the_same(page: "sync_api.Page") -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    page.click("#ruler-open")
    page.fill("#ruler-size", "1.25")
    page.click("#ruler-done")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(12.5, rel=0.01)  # on a screen that shows less
    assert "true size on this screen" in (page.text_content("#scale") or "")
    page.reload()
    page.wait_for_selector("#sample option:nth-child(2)", state="attached")
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    page.click("#zoom-in")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(12.5 * 1.25, rel=0.01)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(10, rel=0.01)
    assert size_mm(page, "#papers path.trace[data-lead=II]")[0] == pytest.approx(250, rel=0.01)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert size_mm(page, "#papers .pulse")[1] == pytest.approx(12.5 * 1.25, rel=0.01)


def test_the_keyboard_goes_through_the_page_in_reading_order(page: "sync_api.Page") -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached: list[list[float]] = []
    for number in range(60):
        page.keyboard.press("Tab")
        at, tag = page.evaluate(
            """() => {
                const it = document.activeElement, all = [...document.querySelectorAll("*")];
                return [all.indexOf(it), it.className + " " + it.tagName];
            }"""
        )
        if number == 0:
            assert tag == "skip A"
        if reached and at <= reached[-1][0]:
            break  # round to the beginning
        reached.append([at])
    assert len(reached) >= 30  # the order of the document, without a jump back
    assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0


def test_marks_lie_where_the_answer_says(page: "sync_api.Page", service: httpx.Client) -> None:
    page.select_option("#sample", "left-bundle-branch-block")
    page.wait_for_selector("#beat svg")
    body = service.get("/samples/left-bundle-branch-block").content
    headers = {"Content-Type": "application/json", "Accept": DISPLAY}
    answer = service.post("/analyze?include=measurements,quality", content=body, headers=headers).json()
    marks = answer["waveform"]["median_beat"]["marks"]
    drawn = page.eval_on_selector_all(
        "#beat .mark", "nodes => nodes.map(n => [n.dataset.mark, Number(n.getAttribute('d').slice(1).split(' ')[0])])"
    )
    r_mm, per_ms = page.eval_on_selector("#beat svg", "s => [Number(s.dataset.rMm), Number(s.dataset.mmPerMs)]")
    assert {name for name, _ in drawn} == {"p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_end"}
    for name, x in drawn:
        assert (x - r_mm) / per_ms == pytest.approx(marks[name], abs=0.01), name
    page.get_by_role("button", name="PR", exact=True).click()
    chosen = page.eval_on_selector_all(".mark.chosen", "nodes => nodes.map(n => n.dataset.mark)")
    assert chosen == ["p_onset", "qrs_onset"]


def dropped(page: "sync_api.Page", files: Mapping[str, bytes]) -> None:
    """Drop files on the page, as a hand does."""
    carried = page.evaluate_handle(
        """files => {
            const carried = new DataTransfer();
            for (const [name, content] of Object.entries(files)) {
                carried.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
            }
            return carried;
        }""",
        {name: base64.b64encode(content).decode() for name, content in files.items()},
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": carried})
    page.wait_for_selector("#papers svg, .message.error")


SIMULATED = simulate(Scenario(rr_sd_ms=0)).record
COUNTS = np.rint(np.stack([SIMULATED.lead(lead) for lead in EIGHT]) / 0.0025).astype(np.int16)
FILES = samples(COUNTS)


def test_a_file_of_every_format_is_at_hand() -> None:
    assert FILES.keys() == {reader.name for reader in FORMATS} | {"zip"}


@pytest.mark.parametrize("form", sorted(FILES))
def test_every_format_can_be_dropped(page: "sync_api.Page", form: str) -> None:
    sample = FILES[form]
    if sample.stated.fs_hz is not None:  # what these files do not say
        page.click("summary:has-text('does not say')")
        page.fill("#fs", f"{sample.stated.fs_hz:g}")
        page.fill("#leads", ",".join(sample.stated.leads or ()))
        page.select_option("#units", sample.stated.unit)
    dropped(page, sample.files)
    rate = re.search(r", (\d+)/min", page.text_content("#headline") or "")
    assert rate is not None, page.text_content("#message")
    assert int(rate[1]) == pytest.approx(72 * 300 / 500 if form == "edf" else 72, abs=1)  # its clock is slower
    assert page.locator("#papers path.trace").count() == 13  # eight leads are completed to twelve; and the strip
    assert page.locator("#beat path.trace").count() == 12


def test_what_cannot_be_read_is_explained(page: "sync_api.Page", tmp_path: Path) -> None:
    wrong = tmp_path / "note.txt"
    wrong.write_text("not an ECG")
    page.set_input_files("#files", str(wrong))
    page.wait_for_selector(".message.error")
    assert "was not read" in (page.text_content("#message") or "")
    assert page.is_hidden("#result")


def test_few_leads_are_measured(page: "sync_api.Page", recording: EcgRecord, tmp_path: Path) -> None:
    two = EcgRecord.from_array(recording.signal[:2], recording.fs_hz, recording.leads[:2], "mV")
    opened(page, *write_json(two, tmp_path, "two"))
    assert "72/min" in (page.text_content("#headline") or "")


def test_two_recordings_are_compared(page: "sync_api.Page") -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    page.check("#second")
    page.select_option("#sample", "atrial-fibrillation")
    page.wait_for_selector("#compare table")
    assert page.locator("#papers svg").count() == 2
    assert "Atrial fibrillation" in (page.text_content("#compare") or "")


@pytest.mark.parametrize(
    ("form", "magic"), [("PDF", b"%PDF-"), ("FHIR", b'{"resourceType":"Bundle"'), ("JSON", b"{"), ("CSV", b"kind,name")]
)
def test_answers_can_be_taken_away(page: "sync_api.Page", form: str, magic: bytes) -> None:
    page.select_option("#sample", "sinus")
    page.wait_for_selector("#papers svg")
    with page.expect_download() as taken:
        page.get_by_role("button", name=form, exact=True).click()
    assert Path(taken.value.path()).read_bytes().startswith(magic)


@pytest.mark.parametrize("look", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 800}}])
def test_nothing_serious_stands_in_a_readers_way(
    browser: "sync_api.Browser", service: httpx.Client, look: dict[str, object]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page(**look)
    page.goto(str(service.base_url))
    page.wait_for_selector("#sample option:nth-child(2)", state="attached")
    page.select_option("#sample", "noisy")
    page.wait_for_selector("#papers svg")
    found = axe.run(page).response["violations"]
    page.get_by_role("button", name="Service", exact=True).click()
    page.wait_for_selector("#service-load p")
    found += axe.run(page).response["violations"]
    page.close()
    assert [json.dumps(v["id"]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(service: httpx.Client) -> None:
    policy = service.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_the_service_view_shows_models_load_and_the_last_refusals(page: "sync_api.Page", tmp_path: Path) -> None:
    wrong = tmp_path / "note.txt"
    wrong.write_text("not an ECG")
    page.set_input_files("#files", str(wrong))
    page.wait_for_selector(".message.error")
    page.get_by_role("button", name="Service", exact=True).click()
    page.wait_for_selector("#service-last table")
    assert "stand-in" in (page.text_content("#service-models") or "")
    assert "untrained" in (page.text_content("#service-models") or "")
    assert "requests in progress" in (page.text_content("#service-load") or "")
    first = page.locator("#service-last tbody tr").first.text_content() or ""
    assert "/analyze" in first
    assert "unknown_format" in first or "malformed" in first, first
    assert "note.txt" not in (page.text_content("#service-view") or "")
    assert page.is_hidden("#recording-view")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The edge with keys, in this process: its address, and a key that may analyse."""
    keys = tmp_path / "keys.json"
    secret = KeyRing(keys).create("page", ("analyze",))[1]
    with served(tmp_path, keys_file=str(keys)) as url:
        yield url, secret


def test_a_key_is_asked_for_and_presented(browser: "sync_api.Browser", guarded: tuple[str, str]) -> None:
    """It is in no storage of the browser, and gone with the page."""
    url, secret = guarded
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("#sample option:nth-child(2)", state="attached")
    two = json.dumps(
        {"signal": SIMULATED.signal[:2].tolist(), "fs": 500, "lead_names": ["I", "II"], "units": "mV"}
    ).encode()
    dropped(page, {"x.json": two})
    assert "needs an API key" in (page.text_content("#message") or "")
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type(secret)
    page.keyboard.press("Enter")
    dropped(page, {"x.json": two})
    page.wait_for_selector("#papers svg")
    assert "72/min" in (page.text_content("#headline") or "")
    page.get_by_role("button", name="Service", exact=True).click()
    page.wait_for_selector("#service-load p")
    assert "scope read" in (page.text_content("#service-load") or "")
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert secret not in stored
    page.reload()
    page.wait_for_selector("#sample option:nth-child(2)", state="attached")
    dropped(page, {"x.json": two})
    assert "needs an API key" in (page.text_content("#message") or "")
    page.close()
