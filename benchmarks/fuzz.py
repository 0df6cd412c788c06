"""`python -m benchmarks.fuzz [--cases N]`: requests drawn from the API document, with a key and without.

Starts the service with API keys and the stand-in models, and has Schemathesis make requests of `/openapi.json`, valid
ones and others, with all of its checks: no 5xx, no status, content type, header or body that the document does not
promise, no undocumented method, no route that answers without the key it asks for. With a key there are N requests or
more (5,000 if not said); without one about 600, of which every answer must be 401, health, samples and reference aside.
Prints the answers by status, and what was found. Exit status 1 when anything was, or when a request was a server error.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.fuzz_hooks import ANSWERS
from benchmarks.service import ROOT, our_service
from ecg.access.keys import KeyRing
from serve_app.edge.access import SCOPES

#: A document cannot say which bytes are a recording, so that a body which it allows may be refused for what is in it;
#: and what a parameter may not be by its schema may be nobody's business, as `index` where one recording was sent.
REFUSALS = [400, 404, 406, 408, 413, 415, 422]
RULES = f"""
[checks.positive_data_acceptance]
expected-statuses = ["2xx", {", ".join(map(str, REFUSALS))}]
[checks.negative_data_rejection]
expected-statuses = [{", ".join(map(str, [401, 403, 405, *REFUSALS]))}]
"""
MOST_ROUNDS = 20
_SAID = 6_000


@dataclass(frozen=True)
class Outcome:
    """What Schemathesis found: how often each path of the document gave each status, and its own report."""

    answers: Counter[tuple[str, str, int]]
    passed: bool
    said: str

    @property
    def cases(self) -> int:
        """Requests that were made."""
        return self.answers.total()

    def statuses(self) -> dict[int, int]:
        """How often each status was answered."""
        found: Counter[int] = Counter()
        for (_, _, status), count in self.answers.items():
            found[status] += count
        return dict(sorted(found.items()))

    def let_in(self) -> dict[tuple[str, str, int], int]:
        """Answers other than 401 of routes that need a key."""
        return {key: n for key, n in self.answers.items() if key[1] in SCOPES and key[2] != 401}


def fuzz(url: str, key: str | None, examples: int, seed: int, checks: str = "all", phases: str = "") -> Outcome:
    """Requests to a service from its document; `examples` is the most of each operation beyond the systematic ones."""
    with tempfile.TemporaryDirectory(prefix="ecg-fuzz-") as folder:
        rules, answers = Path(folder) / "rules.toml", Path(folder) / "answers"
        rules.write_text(RULES)
        answers.touch()
        program = Path(sys.executable).with_name("st")
        command = [str(program), "--config-file", str(rules), "run", f"{url}/openapi.json", "--checks", checks]
        command += ["-n", str(examples), "--seed", str(seed), "--continue-on-failure", "--no-color"]
        # The inbox begins with its first message, which waits for the start of a process.
        command += ["--request-timeout", "120"]
        command += ["--output-truncate", "true", "--generation-database", "none", "--warnings", "off"]
        command += ["-H", f"Authorization: Bearer {key}"] if key else []
        command += ["--phases", phases] if phases else []
        known = {ANSWERS: str(answers), "SCHEMATHESIS_HOOKS": "benchmarks.fuzz_hooks", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=os.environ | known, cwd=folder, capture_output=True, text=True, check=False)
        counted: Counter[tuple[str, str, int]] = Counter()
        for line in answers.read_text().splitlines():
            method, path, status = line.split(" ")
            counted[method, path, int(status)] += 1
        return Outcome(counted, done.returncode == 0, _shortened(done.stdout + done.stderr))


def _shortened(report: str) -> str:
    """A report with the bodies of its requests, each a recording of 100 kB, cut."""
    return "\n".join(line if len(line) < 400 else f"{line[:400]} …" for line in report.splitlines())


def main() -> int:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5_000, help="requests with a key, at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help="a service that runs already, with keys; --key is needed then")
    parser.add_argument("--key", help="a key of that service with the scope admin")
    options = parser.parse_args()
    if options.url:
        return _both(options.url, options.key, options.cases, options.seed)
    with tempfile.TemporaryDirectory(prefix="ecg-fuzz-keys-") as folder:
        keys = Path(folder) / "keys.json"
        key = KeyRing(keys).create("fuzz", ("admin",))[1]
        with our_service("stand-in", "--keys", str(keys)) as server:
            # The inbox of one machine begins with its first message: ten seconds that a single request waits.
            httpx.get(f"{server.url}/data/v1/stats", headers={"Authorization": f"Bearer {key}"}, timeout=60)
            return _both(server.url, key, options.cases, options.seed)


def _both(url: str, key: str, cases: int, seed: int) -> int:
    good = True
    answers: Counter[tuple[str, str, int]] = Counter()
    for number in range(MOST_ROUNDS):
        found = fuzz(url, key, max(20, cases // 12), seed + number)
        answers += found.answers
        good = good and found.passed
        if not found.passed:
            print(found.said[-_SAID:])
        print(f"with a key, {answers.total()} requests so far: {found.statuses()}", flush=True)
        if answers.total() >= cases or not found.passed:
            break
    without = fuzz(url, None, 5, seed, checks="not_a_server_error,status_code_conformance,response_schema_conformance")
    print(f"without a key, {without.cases} requests: {without.statuses()}")
    for (method, path, status), count in without.let_in().items():
        print(f"  let in: {method} {path} answered {status} {count} times")
    if not without.passed:
        print(without.said[-_SAID:])
    total = Outcome(answers, good, "")
    faults = {status: n for status, n in total.statuses().items() if status >= 500}
    good = good and without.passed and not without.let_in() and not faults and total.cases >= cases
    print(f"{total.cases} with a key, server errors {faults or 'none'}: {'passed' if good else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
