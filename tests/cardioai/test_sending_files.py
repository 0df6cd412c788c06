"""Manifest, extraction and payload files: the commands as a user runs them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import orjson
import pytest
import wfdb

from ecg.cardioai.sender.payloads import DEVICE_CODE_RESERVE
from ecg.cli import main
from ecg.formats.cardioai_message import Sender, decode_payload, encode_message
from ecg.formats.cardioai_rows import parse_rows
from tests.builders.command import exit_status


def write_record(folder: Path, name: str, samples: np.ndarray, fs: float = 500, **header: object) -> Path:
    arguments: dict = {"units": ["mV"] * samples.shape[1], "sig_name": ["I", "aVR"], "fmt": ["16"] * samples.shape[1]}
    arguments |= {"adc_gain": [200.0, 1000.0], "baseline": [1024, 0]} | header
    wfdb.wrsamp(name, fs=fs, d_signal=samples.astype(np.int64), write_dir=str(folder), **arguments)
    return folder / f"{name}.hea"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two records, 3 s at 500 Hz and 2 s at 250 Hz; one broken header; one header without its signal file."""
    folder = tmp_path / "archive" / "deep er"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    first = rng.integers(-500, 2000, (1500, 2))
    first[10, 1] = -32768
    write_record(folder, "a", first)
    write_record(folder, "b", rng.integers(-500, 2000, (500, 2)), fs=250)
    (folder / "broken.hea").write_text("nonsense\n")
    write_record(folder, "lost", first)
    (folder / "lost.dat").unlink()
    return tmp_path / "archive"


def extracted(tmp_path: Path, archive: Path, *options: str) -> tuple[int, Path]:
    destination = tmp_path / "csv"
    destination.mkdir(exist_ok=True)
    assert exit_status(["manifest", str(archive), "-o", str(tmp_path / "manifest")]) == 0
    return exit_status(["extract", "-m", str(tmp_path / "manifest"), "-d", str(destination), *options]), destination


def by_source(destination: Path) -> dict[str, dict]:
    lines = destination.with_name(destination.name + ".records.jsonl").read_bytes().splitlines()
    return {Path(fields["source"]).stem: fields for fields in map(orjson.loads, lines)}


def test_a_bad_record_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, destination = extracted(tmp_path, archive)
    said = capsys.readouterr().err
    assert status == 1
    assert "2 done, 2 failed" in said
    assert re.search(r"broken\.hea: ", said)
    assert "lost.dat is missing" in said
    assert sorted(by_source(destination)) == ["a", "b"]
    assert len(list(destination.iterdir())) == 2


def test_the_files_are_what_rdsamp_prints(tmp_path: Path, archive: Path) -> None:
    _, destination = extracted(tmp_path, archive, "-f", "1", "-t", "2")
    record = by_source(destination)["a"]
    lines = (destination / f"{record['record_id']}.txt").read_text().split("\n")
    assert lines[0] == "'sample #','I','aVR'"
    assert (lines[1].split(",")[0], lines[-2].split(",")[0], lines[-1]) == ("500", "999", "")
    digital = wfdb.rdrecord(str(archive / "deep er" / "a"), physical=False).d_signal
    assert [list(map(int, line.split(",")[1:])) for line in lines[1:-1]] == digital[500:1000].tolist()
    assert record["calibration"] == {
        "fs": 500.0,
        "gain": [200.0, 1000.0],
        "baseline": [1024, 0],
        "units": ["mV", "mV"],
    }


def test_a_gap_in_any_signal_format_is_the_invalid_sample(tmp_path: Path) -> None:
    samples = np.arange(600).reshape(300, 2) % 100 - 50
    for fmt, gap in (("80", -(2**7)), ("16", -(2**15)), ("24", -(2**23)), ("32", -(2**31))):
        folder = tmp_path / fmt
        folder.mkdir()
        samples[5, 1] = gap
        write_record(folder, "r", samples, fmt=[fmt, fmt])
        _, destination = extracted(tmp_path, folder)
        record = by_source(destination)["r"]
        row = (destination / f"{record['record_id']}.txt").read_text().splitlines()[6]
        assert row == "5,-40,-32768"


def test_signals_of_several_rates_are_held_at_the_highest(tmp_path: Path) -> None:
    """WFDB's high-resolution mode: a slow signal repeats its value until the next."""
    frames = np.arange(300 * 7, dtype="<i2").reshape(300, 7)
    (tmp_path / "mf.dat").write_bytes(frames.tobytes())
    lines = ["mf 3 125 300 12:30:05 24/12/2019"]
    lines += [f"mf.dat 16x{n} 200/mV 16 0 0 0 0 {name}" for n, name in ((4, "I"), (1, "II"), (2, "V1"))]
    (tmp_path / "mf.hea").write_text("\n".join(lines) + "\n")
    status, destination = extracted(tmp_path, tmp_path, "-f", "1", "-t", "0")
    record = by_source(destination)["mf"]
    assert status == 0
    assert (record["rows"], record["first_sample"]) == (700, 500)
    assert record["calibration"]["fs"] == 500.0
    assert record["calibration"]["acquired"] == "2019-12-24T12:30:06"
    rows = (destination / f"{record['record_id']}.txt").read_text().splitlines()[1:5]
    base = 125 * 7
    assert rows == [f"{500 + k},{base + k},{base + 4},{base + 5 + k // 2}" for k in range(4)]


def test_an_uncalibrated_record_states_no_gain(tmp_path: Path) -> None:
    header = write_record(tmp_path, "u", np.zeros((300, 2)) + 5)
    header.write_text(header.read_text().replace("200.0(1024)/mV", "0"))
    _, destination = extracted(tmp_path, tmp_path)
    assert "gain" not in by_source(destination)["u"]["calibration"]


def test_a_window_beyond_the_record_fails_that_record_only(tmp_path: Path, archive: Path) -> None:
    status, destination = extracted(tmp_path, archive, "-f", "2", "-t", "0")
    assert status == 1
    assert sorted(by_source(destination)) == ["a"]


@pytest.mark.parametrize(
    "arguments", [["-t", "5", "-f", "5"], ["-f", "-1"], ["-d", "/dev/null/folder"], ["-m", "/nowhere/at/all"]]
)
def test_bad_arguments_exit_with_2(tmp_path: Path, archive: Path, arguments: list[str]) -> None:
    assert extracted(tmp_path, archive, *arguments)[0] == 2


def test_the_script_quotes_what_a_shell_would_run(tmp_path: Path) -> None:
    """The script runs a stand-in `rdsamp` that prints its arguments; a path that is a command stays a path."""
    folder = tmp_path / "a; touch owned"
    folder.mkdir()
    write_record(folder, "r", np.zeros((500, 2)))
    script = tmp_path / "script.sh"
    _, destination = extracted(tmp_path, folder, "-s", str(script))
    program = tmp_path / "rdsamp"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    subprocess.run([script], check=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=tmp_path)
    record = by_source(destination)["r"]
    said = (destination / f"{record['record_id']}.txt").read_text().splitlines()
    assert said == ["-r", str(folder / "r.hea"), "-c", "-H", "-f", "0", "-t", "60", "-v"]
    assert not (tmp_path / "owned").exists()


def payload_files(tmp_path: Path, destination: Path, *options: str) -> tuple[int, list[Path]]:
    folder = tmp_path / "payloads"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return main(["payloads", "-s", str(destination), "-d", str(folder), *options]), sorted(folder.iterdir())


def test_one_file_becomes_one_payload_as_in_the_original(tmp_path: Path, archive: Path) -> None:
    _, destination = extracted(tmp_path, archive)
    status, files = payload_files(tmp_path, destination, "--version", "1")
    assert (status, len(files)) == (0, 2)
    record = by_source(destination)["a"]
    fields = orjson.loads((tmp_path / "payloads" / f"{record['record_id']}.json").read_bytes())
    assert list(fields) == [
        "deviceId",
        "customerId",
        "sequenceId",
        "sequence",
        "index",
        "headers",
        "data",
        "recordId",
        "created",
    ]
    assert (fields["sequence"], fields["index"], fields["headers"]) == (1, 1, "INDEX,I,AVR")
    assert fields["data"] == (destination / f"{record['record_id']}.txt").read_text().splitlines()[1:]


@pytest.mark.parametrize(("option", "limit"), [("--max-bytes", 4000), ("--max-samples", 400)])
def test_parts_keep_their_limit_and_continue_each_other(tmp_path: Path, archive: Path, option: str, limit: int) -> None:
    _, destination = extracted(tmp_path, archive)
    _, files = payload_files(tmp_path, destination, option, str(limit))
    record = by_source(destination)["a"]
    parts = [decode_payload(path.read_bytes()) for path in files if path.name.startswith(record["record_id"])]
    assert [part.index for part in parts] == list(range(1, len(parts) + 1))
    assert {part.sequence for part in parts} == {len(parts)}
    assert len({(part.sequence_id, part.record_id, part.headers, part.created_ms) for part in parts}) == 1
    assert len(parts) > 3
    text = [row for part in parts for row in part.data]
    assert text == (destination / f"{record['record_id']}.txt").read_text().splitlines()[1:]
    sender = Sender("0" * 36, "clinical", "x" * DEVICE_CODE_RESERVE)
    sizes = [len(encode_message(part, sender, "0" * 36, -(2**63))) for part in parts]
    if option == "--max-bytes":
        assert max(sizes) < limit
        assert min(sizes[:-1]) > limit - 60  # filled up: one more row would not fit
    else:
        assert {len(part.data) for part in parts[:-1]} == {limit}
    assert parts[0].calibration.gain == (200.0, 1000.0)


def test_a_second_run_makes_the_same_identifiers(tmp_path: Path, archive: Path) -> None:
    _, destination = extracted(tmp_path, archive)
    first = {decode_payload(path.read_bytes()).sequence_id for path in payload_files(tmp_path, destination)[1]}
    again = {decode_payload(path.read_bytes()).sequence_id for path in payload_files(tmp_path, destination)[1]}
    other = {
        decode_payload(path.read_bytes()).sequence_id
        for path in payload_files(tmp_path, destination, "--max-samples", "100")[1]
    }
    assert first == again
    assert not first & other


def test_a_bad_file_is_reported_and_does_not_stop_the_others(tmp_path: Path, archive: Path) -> None:
    _, destination = extracted(tmp_path, archive)
    (destination / "empty.txt").write_text("")
    (destination / "heading.txt").write_text("'sample #','I'\n")
    (destination / "comma.txt").write_text("'sample #','a,b'\n0,1\n")
    status, files = payload_files(tmp_path, destination)
    assert (status, len(files)) == (1, 2)


def test_the_rows_of_payload_files_parse(tmp_path: Path, archive: Path) -> None:
    _, destination = extracted(tmp_path, archive)
    for path in payload_files(tmp_path, destination)[1]:
        part = decode_payload(path.read_bytes())
        assert parse_rows(part.headers, part.data).first == 0


def test_a_manifest_of_nothing_is_an_error(tmp_path: Path) -> None:
    assert main(["manifest", str(tmp_path)]) == 2
    assert exit_status(["manifest", str(tmp_path / "absent")]) == 2


def test_a_name_that_is_no_line_of_text_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in (b"two\nlines.hea", b"\xff.hea", "\u5fc3\u3000電図.hea".encode(), b"plain.hea"):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text("x")
    assert main(["manifest", str(tmp_path)]) == 1
    said = capfd.readouterr()
    assert said.out.splitlines() == [f"{tmp_path}/plain.hea", f"{tmp_path}/\u5fc3\u3000電図.hea"]
    assert r"two\nlines.hea" in said.err
    assert r"\udcff.hea" in said.err


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfFOLDER/r.hea\r\n\r\n", b"\nFOLDER/r.hea"])
def test_a_manifest_may_be_any_editors(tmp_path: Path, content: bytes) -> None:
    write_record(tmp_path, "r", np.zeros((500, 2)))
    (tmp_path / "m").write_bytes(content.replace(b"FOLDER", str(tmp_path).encode()))
    (tmp_path / "csv").mkdir()
    assert main(["extract", "-m", str(tmp_path / "m"), "-d", str(tmp_path / "csv")]) == 0


def test_what_cannot_be_read_or_written_is_bad_input_and_no_traceback(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.zeros((500, 2)))
    (tmp_path / "m").write_bytes(b"\xff\n")
    assert exit_status(["extract", "-m", str(tmp_path / "m"), "-d", str(tmp_path)]) == 2
    assert main(["manifest", str(tmp_path), "-o", "/nowhere/manifest"]) == 2
    assert main(["manifest", str(tmp_path), "-o", str(tmp_path / "m")]) == 0
    assert main(["extract", "-m", str(tmp_path / "m"), "-d", str(tmp_path), "-s", "/nowhere/file"]) == 2


def csv(folder: Path, name: str, values: list[object]) -> None:
    folder.mkdir(exist_ok=True)
    text = "".join(f"{number},{value}\n" for number, value in enumerate(values))
    (folder / name).write_text("'sample #','I'\n" + text)


def test_two_files_of_one_record_id_do_not_overwrite_each_other(tmp_path: Path) -> None:
    csv(tmp_path / "csv", "a.one.txt", [1])
    csv(tmp_path / "csv", "a.two.txt", [2])
    csv(tmp_path / "csv", ".txt", [3])
    status, files = payload_files(tmp_path, tmp_path / "csv")
    assert (status, [path.name for path in files]) == (1, ["a.json"])
    assert decode_payload(files[0].read_bytes()).data == ["0,1"]


def test_a_record_with_a_bad_row_leaves_no_parts_behind(tmp_path: Path) -> None:
    csv(tmp_path / "csv", "a.txt", [*range(25), "x"])
    assert payload_files(tmp_path, tmp_path / "csv", "--max-samples", "10") == (1, [])


def test_a_run_with_other_limits_takes_the_place_of_the_first(tmp_path: Path) -> None:
    csv(tmp_path / "csv", "a.txt", list(range(25)))
    csv(tmp_path / "csv", "a-b.txt", list(range(25)))
    folder = tmp_path / "payloads"
    folder.mkdir()
    for limit, names in (("5", 5), ("10", 3), ("100", 1), ("10", 3)):
        assert main(["payloads", "-s", str(tmp_path / "csv"), "-d", str(folder), "--max-samples", limit]) == 0
        assert len(list(folder.glob("a-[0-9]*"))) == (names if names > 1 else 0)
        assert (folder / "a.json").exists() == (names == 1)
        assert len({decode_payload(path.read_bytes()).sequence_id for path in folder.iterdir()}) == 2
