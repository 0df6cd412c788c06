"""The stages of a cohort job, called one after the other without Ray."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.cohort.inputs import MAX_FILE_BYTES
from deployments.cohort.stages import Analysed, Chunk, Listed, ModelStage, compose_chunk, pack, read_chunk, unpack
from deployments.cohort.tables import MEASURED, RECORDINGS, Failure
from ecg import local, read
from ecg.errors import InconsistentInput
from ecg.formats.stated import Stated
from ecg.labels import LABEL_NAMES, label_column
from ecg.leads import STANDARD_LEADS
from ecg.models import load_model
from ecg.models.cards import CARDS
from ecg.models.ecgfm.preparation import PREPARATION
from ecg.pipeline import ALL
from tests.deployments.archive import BROKEN, write_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    write_archive(root, 4)
    return root


def analysed(paths: list[str], include: frozenset[str]) -> Analysed:
    row = read_chunk(pack(Listed(3, tuple(paths))), Stated(), include)
    for name, card in CARDS.items():
        if name in include:
            stage = ModelStage(name, "stand-in", card.resolve("stand-in", None).identifier, 1, 16)
            row = stage(row)
    result: Analysed = unpack(compose_chunk(row, include))
    return result


def test_rows_are_what_the_library_says_of_each_recording(archive: Path) -> None:
    paths = [str(archive / name) for name in ("json/r001.json", "wfdb/deep/r002.hea")]
    result = analysed([*paths, *(str(archive / name) for name in BROKEN)], ALL)
    assert result.part == 3
    assert {(f.path.removeprefix(f"{archive}/"), f.code) for f in result.failures} == set(BROKEN.items())
    assert all(f.message and str(archive) not in f.message for f in result.failures)
    assert result.recordings.schema.equals(RECORDINGS)
    models = {kind: load_model("stand-in", kind=kind, threads=1) for kind in ("finetuned", "pretrained")}
    for path, row in zip(paths, result.recordings.to_pylist(), strict=True):
        report = local.analyze(read(path), models["finetuned"], models["pretrained"]).to_dict()
        assert row["path"] == path
        assert row["input_sha256"] == report["provenance"]["input_sha256"]
        assert row["rhythm"] == report["clinical_analysis"]["rhythm"] == "Sinus rhythm"
        assert row["signal_quality"] == report["signal_quality"]
        assert {name: row[name] for name in MEASURED} == {n: report["measurements"][n]["value"] for n in MEASURED}
        assert row["heart_rate"] is not None
        assert [row[label_column(name)] for name in LABEL_NAMES] == [None] * 17  # untrained: never a finding
        # Batched with others a forward pass sums in another order, and `auto` may have chosen bfloat16.
        np.testing.assert_allclose(
            np.array(row["features"], float), np.array(report["features"], float), rtol=0.02, atol=0.02
        )


def test_parts_that_were_not_asked_for_are_null(archive: Path) -> None:
    (row,) = analysed([str(archive / "json/r001.json")], frozenset({"measurements", "quality"})).recordings.to_pylist()
    assert row["heart_rate"] is not None
    assert row["signal_quality"] is not None
    assert (row["rhythm"], row["features"], row["findings"]) == (None, None, None)


def test_a_recording_without_models_may_be_short_or_have_gaps(archive: Path) -> None:
    paths = [str(archive / name) for name in ("json/four_seconds.json", "json/gap.json", "json/limb_only.json")]
    result = analysed(paths, frozenset({"quality"}))
    assert (len(result.recordings), result.failures) == (3, ())


def test_a_chunk_of_failures_goes_through(archive: Path) -> None:
    result = analysed([str(archive / "wfdb/empty.hea"), str(archive / "gone.hea")], ALL)
    assert len(result.recordings) == 0
    assert [failure.code for failure in result.failures] == ["malformed_input", "unreadable"]


def test_too_much_for_the_memory_of_a_worker_is_refused_unread(tmp_path: Path) -> None:
    paths = [tmp_path / "announced.hea", tmp_path / "huge.npy"]
    lines = "".join(f"x.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in STANDARD_LEADS)
    paths[0].write_text(f"x 12 500 300500\n{lines}")  # and no x.dat: it is never asked for
    with paths[1].open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    result = analysed([str(path) for path in paths], ALL)
    assert [failure.code for failure in result.failures] == ["recording_too_long", "input_too_large"]


def test_a_fault_of_ours_costs_one_recording(archive: Path) -> None:
    paths = (str(archive / "wfdb/deep/r002.hea"), str(archive / "wfdb/r000.hea"))
    chunk: Chunk = unpack(read_chunk(pack(Listed(3, paths)), Stated(), frozenset()))
    broken = replace(chunk.items[0], record=None)  # type: ignore[arg-type]  # no stage hands such a thing on
    row = pack(replace(chunk, items=(broken, chunk.items[1])))
    result: Analysed = unpack(compose_chunk(row, frozenset({"quality"})))
    assert result.failures == (Failure(paths[0], "internal_error", None, "AttributeError"),)
    assert result.recordings["path"].to_pylist() == [paths[1]]


def test_a_node_with_other_weights_refuses() -> None:
    with pytest.raises(InconsistentInput):
        ModelStage("clinical", "stand-in", "stand-in/1/finetuned@sha256:0", 1, 16)


def test_packed_rows_survive(archive: Path) -> None:
    chunk: Chunk = unpack(read_chunk(pack(Listed(0, (str(archive / "json/r001.json"),))), Stated(), ALL))
    again: Chunk = unpack(pack(chunk))
    assert again.items[0].segments.keys() == chunk.items[0].segments.keys() == {PREPARATION}
    np.testing.assert_array_equal(again.items[0].segments[PREPARATION], chunk.items[0].segments[PREPARATION])
