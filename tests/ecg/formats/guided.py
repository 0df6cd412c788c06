"""Coverage-guided damage to the file of one format, by atheris.

    python -m tests.ecg.formats.guided FORMAT SECONDS CULPRITS

It ends with a traceback at the first error that is no refusal, and leaves the input in the folder of culprits.
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

#: Words of formats whose grammar libFuzzer does not find by itself, so that it gets behind the first refusal.
WORDS = {
    "csv": (
        *(
            "# fs: 500",
            "# units: uV",
            "time_s,",
            "time (ms),",
            "t,",
            "sample #,",
            "index,",
            "I (mV)",
            "I/uV",
            "uV I",
            "aVR",
        ),
        *("'", '"', "\t", ";", ",,", "nan", "-32768", "0:00.002", "hh:mm:ss.mmm", "1e308", "0.002,", "\r\n"),
    ),
    "edf": (
        *(
            "0       ",
            "\xffBIOSEMI",
            "EDF+C",
            "EDF+D",
            "BDF+C",
            "EDF Annotations ",
            "ECG I           ",
            "Resp            ",
        ),
        *("uV      ", "mV      ", "-32768  ", "32767   ", "0.01    ", "1e300   ", "-1      ", "300     ", "2816    "),
        *("HP:0.05Hz LP:150Hz", "Startdate 01-JAN-2020 X X X", "01.01.85", "\x14", "\x00"),
    ),
    "wfdb": (
        *(
            "x.dat",
            " 16 ",
            " 212 ",
            " 8 ",
            " 311 ",
            " 516 ",
            "16x2:3+24",
            "1000(0)/mV",
            "1E3/uV",
            " 0 0 0 0 ",
            " 500/100(0) ",
        ),
        *("12:00:00 1/2/2003", "\xef\xbb\xbf", "#", " aVR", " RESP", "\n"),
    ),
    "npy": (
        "'descr': '<f4'",
        "'|i1'",
        "'>f8'",
        "'|O'",
        "'fortran_order': True",
        "'shape': (8, 300)",
        "(8,)",
        ", ",
        "}",
    ),
}
SAMPLES = 300  # a lead: short files leave time for more of them
SECONDS_EACH = 2.0  # of processor time; libFuzzer's own limit is by the clock, which a busy machine exceeds


def main(name: str, seconds: str, culprits: str) -> None:
    """Fuzz for so long, in at most 300 MB more than the imports take and two seconds an input."""
    sample = samples(device_files.counts(8, SAMPLES))[name]
    formats.parse(sample.files, sample.stated, 600.0)

    def once(data: bytes) -> None:
        start = time.process_time()
        with contextlib.suppress(EcgError):
            formats.parse({**sample.files, sample.main: data}, sample.stated, 600.0)
        assert time.process_time() - start < SECONDS_EACH, "too slow"

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        (corpus / "whole").write_bytes(sample.files[sample.main])
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS.get(name, ("0",))))
        bounds = [f"-max_total_time={seconds}", "-timeout=120", f"-rss_limit_mb={pages // 256 + 300}"]
        options = [str(corpus), f"-dict={words}", *bounds, "-print_final_stats=1", "-verbosity=0"]
        Path(culprits).mkdir(exist_ok=True)
        options.append(f"-artifact_prefix={culprits}/{name}-")
        atheris.Setup([sys.argv[0], *options], once)
        atheris.Fuzz()


def _escaped(word: str) -> str:
    """As libFuzzer's dictionaries write bytes."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode("latin-1"))


if __name__ == "__main__":
    main(*sys.argv[1:])
