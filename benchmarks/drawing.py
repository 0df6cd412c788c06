"""`python -m benchmarks.drawing [URL]`: how long the page takes from an answer to its drawing, in a real browser.

Asks a running service for simulated recordings in turn. The time is from the parsed answer to the second frame after
the paper stands in the document; the first one has what a browser does once.
"""

import argparse
import shutil
import statistics

from playwright.sync_api import sync_playwright

ROUNDS = 20
TIMED = """() => {
    window.times = [];
    let answered = 0;
    const parse = Response.prototype.json;
    Response.prototype.json = async function () {
        const body = await parse.call(this);
        if (body && body.waveform) answered = performance.now();
        return body;
    };
    new MutationObserver(() => {
        if (!answered) return;
        const begun = answered;
        answered = 0;
        const drawn = () => window.times.push(performance.now() - begun);
        requestAnimationFrame(() => requestAnimationFrame(drawn));
    }).observe(document.getElementById("papers"), {childList: true});
}"""


def times(url: str) -> list[float]:
    """Milliseconds of each round."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(url)
        page.wait_for_selector("#sample option:nth-child(2)", state="attached")
        page.evaluate(TIMED)
        for number in range(ROUNDS):
            page.select_option("#sample", ("sinus", "left-bundle-branch-block")[number % 2])
            while len(found := page.evaluate("window.times")) <= number:
                page.wait_for_timeout(20)
        browser.close()
    return [float(time) for time in found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:7860", metavar="URL")
    first, *others = times(parser.parse_args().url)
    ordered = sorted(others)
    print(f"first {first:.0f} ms; then median {statistics.median(ordered):.0f} ms, slowest {ordered[-1]:.0f} ms")
