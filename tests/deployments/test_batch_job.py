"""`ecg batch` as a user runs it, on a cluster: complete, killed in the middle, resumed."""

import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.cohort import job as batch
from deployments.cohort.stages import ModelStage, compose_chunk, pack, read_chunk
from deployments.cohort.tables import Failure, Output, recordings_table
from ecg.cli import batch as command
from ecg.cli import main
from ecg.errors import InconsistentInput, MalformedInput
from ecg.formats.stated import Stated
from ecg.models.cards import CARDS
from ecg.pipeline import ALL
from tests.deployments.archive import BROKEN, write_archive

ROOT = Path(__file__).resolve().parents[2]
GOOD, PARTS = 28, 12
LIMIT_S = 300


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    write_archive(root, GOOD)
    return root


def start(archive: Path, out: Path, address: str) -> subprocess.Popen[bytes]:
    with (out.parent / "messages").open("ab") as messages:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ecg",
                "batch",
                str(archive),
                "--out",
                str(out),
                "--address",
                address,
                "--weights",
                "stand-in",
                "--untrained",
                "--parts",
                str(PARTS),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=messages,
        )


def tables(out: Path) -> dict[str, pa.Table]:
    return {
        str(file.relative_to(out)): pq.read_table(file)
        for table in ("recordings", "errors")
        for file in sorted((out / table).glob("part-*"))  # as readers of Parquet folders: not what begins with a dot
    }


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the job's stages, called one after the other in this process."""
    output = Output(tmp_path_factory.mktemp("undisturbed"))
    weights = {name: card.resolve("stand-in", None) for name, card in CARDS.items()}
    batch._begin(batch.BatchJob((str(archive),), output.folder, ALL, "stand-in", parts=PARTS), output, weights)
    models = [ModelStage(part, "stand-in", found.identifier, 1, 16) for part, found in weights.items()]
    rows = []
    for chunk in batch._chunks(output.listing()):
        row = read_chunk(pack(chunk), Stated(), ALL)
        for model in models:
            row = model(row)
        rows.append(compose_chunk(row, ALL))
    batch._gather(iter(rows), output.listing(), output)
    return output.folder


@pytest.fixture(scope="module")
def resumed(archive: Path, undisturbed: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a job that was killed in the middle and started again."""
    out = tmp_path_factory.mktemp("resumed") / "out"
    moment = random.Random(20).randint(1, 5)  # parts that are done when the process is killed
    job = start(archive, out, address)
    messages = out.parent / "messages"
    deadline = time.monotonic() + LIMIT_S
    while len(list((out / "done").glob("part-*"))) < moment:
        assert job.poll() is None, messages.read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGKILL)
    job.communicate()
    kept = Output(out).done()
    assert moment <= len(kept) < len(Output(undisturbed).done())
    # What a kill between the two tables of a part leaves behind, and a half-written file.
    unmarked = next(name for name in tables(undisturbed) if int(Path(name).stem[5:]) not in kept)
    pq.write_table(pa.table({"path": ["stale"]}), out / unmarked)
    (out / "recordings" / ".part-00000.parquet.partial").write_bytes(b"PAR1")
    times = {file.name: file.stat().st_mtime_ns for file in (out / "done").iterdir()}
    job = start(archive, out, address)
    stdout, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 1, messages.read_text()[-3000:]
    parts = len(Output(undisturbed).done())
    assert orjson.loads(stdout) == {
        "out": str(out),
        "recordings": GOOD + len(BROKEN),
        "failed": len(BROKEN),
        "parts": parts,
    }
    assert all((out / "done" / name).stat().st_mtime_ns == then for name, then in times.items())  # not done twice
    assert f"{len(kept)} of {parts} parts are there already" in messages.read_text()
    return out


def test_killed_and_resumed_on_a_cluster_it_ends_as_the_stages_one_after_the_other(
    undisturbed: Path, resumed: Path
) -> None:
    assert tables(resumed).keys() == tables(undisturbed).keys()
    for name, table in tables(undisturbed).items():
        assert pq.read_table(resumed / name).equals(table), name


def test_every_recording_is_in_one_of_the_tables_once(archive: Path, resumed: Path) -> None:
    recordings = pq.read_table(resumed / "recordings")
    errors = pq.read_table(resumed / "errors")
    assert sorted(recordings["path"].to_pylist() + errors["path"].to_pylist()) == batch.list_recordings([str(archive)])
    assert dict(zip(errors["path"].to_pylist(), errors["code"].to_pylist(), strict=True)) == {
        str(archive / name): code for name, code in BROKEN.items()
    }
    assert recordings["features"].null_count == recordings["heart_rate"].null_count == 0


def test_rows_are_in_the_order_of_their_paths_in_the_part_of_their_hash(undisturbed: Path) -> None:
    for name, table in tables(undisturbed).items():
        paths = table["path"].to_pylist()
        assert paths == sorted(paths)
        assert {f"part-{batch.part_of(path, PARTS):05d}.parquet" for path in paths} <= {Path(name).name}


def test_the_code_of_the_guide_runs_on_the_tables(
    undisturbed: Path,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "tables").symlink_to(undisturbed)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/cohorts.md").read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(blocks), "docs/cohorts.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "Sinus rhythm" in printed
    assert re.search(r"recording_too_long\s+1\n", printed)
    found = namespace["nearest"](3)
    assert len({path for path, _ in found} | {namespace["cohort"]["path"][3].as_py()}) == 6
    similarities = [similarity for _, similarity in found]
    assert similarities == sorted(similarities, reverse=True)
    assert all(-1 <= similarity <= 1 + 1e-5 for similarity in similarities)


def test_the_command_line_of_the_guide_is_understood() -> None:
    lines = re.findall(r"^ecg (batch .*?)(?:  #.*)?$", (ROOT / "docs/cohorts.md").read_text(), re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        assert parser.parse_args(shlex.split(line)[1:]).out == Path("tables")


def test_a_finished_job_is_not_computed_again(archive: Path, undisturbed: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in undisturbed.rglob("part-*")}
    assert main(["batch", str(archive), "--out", str(undisturbed), "--weights", "stand-in", "--untrained"]) == 1
    assert {file: file.stat().st_mtime_ns for file in undisturbed.rglob("part-*")} == before


@pytest.mark.parametrize(
    ("options", "field"),
    [(["--include", "quality"], "include"), (["--parts", "3"], "parts"), (["--fs", "500"], "stated")],
)
def test_a_folder_of_another_job_is_refused(
    archive: Path, undisturbed: Path, options: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--weights", "stand-in", "--untrained"]
    assert main(["batch", str(archive), "--out", str(undisturbed), *models, *options]) == 2
    assert f"field: {field}" in capsys.readouterr().err


def test_a_folder_in_use_is_refused(archive: Path, tmp_path: Path) -> None:
    with Output(tmp_path).held(), pytest.raises(InconsistentInput, match="Another job"), Output(tmp_path).held():
        pass


def test_no_resume_forgets_the_job_that_was_there(archive: Path, tmp_path: Path) -> None:
    output = Output(tmp_path)
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=5)
    batch._begin(job, output, {})
    for part in output.listing():
        output.write_part(part, [recordings_table([])], [])
    batch._begin(replace(job, parts=2, resume=False), output, {})
    assert output.done() == {}
    assert list(output.listing()) == [0, 1]
    assert list(tmp_path.rglob("part-*")) == []


def joined_ages(out: Path) -> dict[str, int]:
    return {Path(row["path"]).name: row["age"] for row in pq.read_table(out / "metadata.parquet").to_pylist()}


def test_metadata_can_be_given_to_a_job_that_is_there_and_go_with_it(archive: Path, tmp_path: Path) -> None:
    output = Output(tmp_path / "out")
    table = tmp_path / "ages.csv"
    table.write_text("name,age\nr001,50\n")
    job = batch.BatchJob((str(archive),), output.folder, frozenset({"quality"}), parts=2)
    first = batch._begin(job, output, {})
    assert not (output.folder / "metadata.parquet").exists()
    with_metadata = replace(job, metadata=table, key="name")
    assert batch._begin(with_metadata, output, {}) == first
    assert joined_ages(output.folder) == {"r001.json": 50}
    table.write_text("name,age\nr001,51\n")
    batch._begin(replace(with_metadata, resume=False), output, {})
    assert joined_ages(output.folder) == {"r001.json": 51}
    assert batch._begin(job, output, {}) == first
    assert joined_ages(output.folder) == {"r001.json": 51}
    batch._begin(replace(job, resume=False), output, {})
    assert not (output.folder / "metadata.parquet").exists()  # it would stand beside tables that it is not about


def test_tables_survive_a_job_that_cannot_begin(archive: Path, tmp_path: Path) -> None:
    output = Output(tmp_path)
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=1)
    batch._begin(job, output, {})
    output.write_part(0, [recordings_table([])], [])
    with pytest.raises(MalformedInput):
        batch._begin(replace(job, inputs=(str(archive / "typo"),), resume=False), output, {})
    assert output.done().keys() == {0}
    assert len(list(tmp_path.rglob("part-*"))) == 3


@pytest.mark.parametrize("table", ["recordings", "errors"])
def test_a_part_whose_table_was_deleted_is_not_done(tmp_path: Path, table: str) -> None:
    output = Output(tmp_path)
    for part in (0, 1):
        output.write_part(part, [recordings_table([])], [])
    (tmp_path / table / "part-00001.parquet").unlink()
    assert output.done() == {0: 0}


@pytest.mark.parametrize("table", ["recordings", "errors"])
def test_a_part_whose_table_has_lost_its_rows_is_not_done(tmp_path: Path, table: str) -> None:
    output = Output(tmp_path)
    failures = [Failure("a", "malformed_input", None, "No."), Failure("b", "malformed_input", None, "No.")]
    for part in (0, 1, 2):
        output.write_part(part, [recordings_table([])], failures)
    (tmp_path / table / "part-00001.parquet").write_bytes(b"")
    pq.write_table(pa.table({"path": ["stale"]}), tmp_path / table / "part-00002.parquet")
    (tmp_path / "done" / "part-00000 (copy).json").write_text("{}")
    assert output.done() == {0: 2}


@pytest.mark.parametrize(
    "name",
    [
        "recordings/part-0.npy",
        "recordings/part-00000.parquet",
        "done/part-notes.txt",
        "errors/part-00000-x.parquet",
        "listing.parquet",
        "metadata.parquet",
        "recordings",
    ],
)
def test_what_no_job_has_written_is_never_deleted(archive: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"not of a job")
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=1)
    with pytest.raises(InconsistentInput, match="no job has written") as caught:
        batch._begin(job, Output(tmp_path), {})
    assert caught.value.got == name
    assert file.read_bytes() == b"not of a job"


def test_beside_a_job_too(archive: Path, tmp_path: Path) -> None:
    output = Output(tmp_path)
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=1)
    batch._begin(job, output, {})
    output.write_part(0, [recordings_table([])], [])
    theirs = tmp_path / "recordings" / "part-00000-spark.parquet"
    theirs.write_bytes(b"not of a job")
    with pytest.raises(InconsistentInput, match="no job has written"):
        batch._begin(replace(job, resume=False), output, {})
    assert theirs.exists()
    assert output.done() == {0: 0}


def test_a_folder_inside_the_archive_is_not_read_as_part_of_it(archive: Path, tmp_path: Path) -> None:
    inside = tmp_path / "archive"
    shutil.copytree(archive / "wfdb", inside)
    output = Output(inside / "tables")
    job = batch.BatchJob((str(inside),), output.folder, frozenset({"quality"}), parts=1)
    with output.held():
        first = batch._begin(job, output, {})
        output.write_part(0, [recordings_table([])], [])
        assert batch._begin(replace(job, resume=False), output, {}) == first


def test_more_output_files_than_of_any_use_are_refused(archive: Path, tmp_path: Path) -> None:
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=5_000_000_000)
    with pytest.raises(MalformedInput) as caught:
        batch._begin(job, Output(tmp_path), {})
    assert caught.value.field == "parts"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_made_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MalformedInput) as caught, Output(tmp_path / name).held():
        pass
    assert (caught.value.field, caught.value.got) == ("out", str(tmp_path / name))


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_description_is_told_and_can_be_left_behind(archive: Path, tmp_path: Path, content: str) -> None:
    job = batch.BatchJob((str(archive),), tmp_path, frozenset({"quality"}), parts=1)
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(InconsistentInput, match="--no-resume"):
        batch._begin(job, Output(tmp_path), {})
    assert batch._begin(replace(job, resume=False), Output(tmp_path), {}).parts == 1


@pytest.mark.parametrize("content", [b"", b"PAR1"])
def test_a_damaged_listing_is_told_and_a_damaged_mark_marks_nothing(tmp_path: Path, content: bytes) -> None:
    output = Output(tmp_path)
    (tmp_path / "listing.parquet").write_bytes(content)
    with pytest.raises(InconsistentInput, match="--no-resume"):
        output.listing()
    (tmp_path / "listing.parquet").unlink()
    with pytest.raises(InconsistentInput, match="--no-resume"):
        output.listing()
    pq.write_table(pa.table({"other": ["column"]}), tmp_path / "listing.parquet")
    with pytest.raises(InconsistentInput, match="--no-resume"):
        output.listing()
    for part in (0, 1):
        output.write_part(part, [recordings_table([])], [])
    (tmp_path / "done" / "part-00001.json").write_bytes(content)
    assert output.done() == {0: 0}


def test_a_relative_input_is_of_the_folder_it_was_given_in(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(tmp_path)
    job = batch.BatchJob((".",), tmp_path, frozenset({"quality"}), parts=1)
    monkeypatch.chdir(archive)
    description = batch._begin(job, output, {})
    monkeypatch.chdir(archive / "wfdb")
    with pytest.raises(InconsistentInput):
        batch._begin(job, output, {})
    assert batch._begin(replace(job, inputs=("..",)), output, {}) == description


def test_bad_usage_is_told_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out"), "--weights", "stand-in", "--untrained"]
    (tmp_path / "empty").mkdir()
    for arguments in (["nowhere", *out], [str(tmp_path / "empty"), *out], [".", *out, "--include", "labels"]):
        assert main(["batch", *arguments]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("ecg batch: ")
    for arguments in ([".", *out, "--parts", "0"], out, ["."]):
        with pytest.raises(SystemExit) as caught:
            main(["batch", *arguments])
        assert caught.value.code == 2


@pytest.mark.parametrize(
    ("nodes", "models", "actors", "threads", "count"),
    [
        ([{"CPU": 2.0}], 2, 1, 1, 0.75),
        ([{"CPU": 1.0}] * 4, 2, 4, 1, 0.375),
        ([{"CPU": 64.0}], 2, 4, 8, 6.0),
        ([{"CPU": 8.0}, {"CPU": 16.0}], 1, 3, 8, 6.0),
        ([{"CPU": 0.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 2.0}], 2, 3, None, 0),
    ],
)
def test_workers_leave_room_for_reading(
    nodes: list[dict[str, float]], models: int, actors: int, threads: int | None, count: float
) -> None:
    workers = batch._plan_workers(nodes, models)
    assert (workers.actors, workers.threads, workers.options["num_cpus"]) == (actors, threads, count)
    room = sum(node["CPU"] for node in nodes) - models * workers.actors * workers.options["num_cpus"]
    assert room >= workers.task_cpus
