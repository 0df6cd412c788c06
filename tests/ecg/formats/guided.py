"""Coverage-guided damage to the file of one format, by atheris: `python -m tests.ecg.formats.guided FORMAT SECONDS`.

It ends with a traceback and a copy of the input at the first error that is no refusal.
"""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ecg"]):
    from ecg import formats
    from ecg.errors import EcgError

from tests.ecg.formats import device_files
from tests.ecg.formats.every_format import samples

SECONDS_EACH = 2.0  # of processor time; libFuzzer's own limit is by the clock, which a busy machine exceeds


def main(name: str, seconds: str) -> None:
    """Fuzz for so long, in at most 300 MB more than the imports take and two seconds an input."""
    sample = samples(device_files.counts())[name]
    formats.parse(sample.files, sample.stated, 600.0)

    def once(data: bytes) -> None:
        start = time.process_time()
        with contextlib.suppress(EcgError):
            formats.parse({**sample.files, sample.main: data}, sample.stated, 600.0)
        assert time.process_time() - start < SECONDS_EACH, "too slow"

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    with tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "whole").write_bytes(sample.files[sample.main])
        options = [corpus, f"-max_total_time={seconds}", "-timeout=120", f"-rss_limit_mb={pages // 256 + 300}"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", "-verbosity=0"], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
