"""Public archives as they are downloaded: what is read, what is passed over, and their tables joined."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.cohort import kinds, metadata
from deployments.cohort.inputs import list_recordings, read_recording
from deployments.cohort.job import BatchJob, run
from deployments.cohort.metadata import Joined
from ecg.errors import MalformedInput, ModelError, UnusableRecording
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import archive_files, device_files
from tests.ecg.formats.test_mutations import wfdb_files

MANY = np.round(np.random.default_rng(5).normal(0, 0.3, (3, 1024, 12)), 3).astype(np.float32)
CODE15 = archive_files.hdf5({"exam_id": np.array([70, 12, 99]), "tracings": MANY})


def record(folder: Path, name: str, fmt: str = "16", samples: str = ".dat") -> None:
    """A WFDB record whose samples are in a file with this ending."""
    folder.mkdir(parents=True, exist_ok=True)
    files = wfdb_files(fmt)
    header = files["rec.hea"].decode().replace("rec ", f"{name} ", 1).replace("rec.dat", f"{name}{samples}")
    (folder / f"{name}.hea").write_text(header)
    (folder / f"{name}{samples}").write_bytes(files["rec.dat"])


def listed(*inputs: Path) -> tuple[list[str], Counter[str]]:
    passed_over: Counter[str] = Counter()
    root = inputs[0] if inputs[0].is_dir() else inputs[0].parent
    found = list_recordings([str(place) for place in inputs], passed_over)
    return [path.removeprefix(f"{root}/") for path in found], passed_over


@pytest.fixture
def ptbxl(tmp_path: Path) -> Path:
    for rate in ("records100", "records500"):
        record(tmp_path / rate / "00000", f"00001_{'hr' if rate == 'records500' else 'lr'}")
    (tmp_path / "ptbxl_database.csv").write_text(
        "ecg_id,patient_id,age,filename_lr,filename_hr\n1,7,56,records100/00000/00001_lr,records500/00000/00001_hr\n"
    )
    (tmp_path / "scp_statements.csv").write_text(",description,diagnostic\nNORM,normal ECG,1\n")
    (tmp_path / "RECORDS").write_text("records100/00000/00001_lr\nrecords500/00000/00001_hr\n")
    (tmp_path / "LICENSE.txt").write_text("Creative Commons, a licence; with marks\n")
    (tmp_path / "example_physionet.py").write_text("import wfdb\n")
    return tmp_path


def test_ptb_xl_as_it_lies(ptbxl: Path) -> None:
    both = ["records100/00000/00001_lr.hea", "records500/00000/00001_hr.hea"]
    assert listed(ptbxl) == (
        both,
        Counter(
            {kinds.NO_TABLE: 3, kinds.OF_RECORD: 2, kinds.LISTS: 1, f"{kinds.OTHER} (.py)": 1},
        ),
    )
    assert listed(ptbxl / "records500")[0] == ["00000/00001_hr.hea"]
    by_list = list_recordings([str(ptbxl / "RECORDS")])
    assert [f"{path.removeprefix(f'{ptbxl}/')}.hea" for path in by_list] == both


def test_metadata_are_joined_by_path(ptbxl: Path) -> None:
    paths = list_recordings([str(ptbxl)])
    rows, counts = metadata.join(paths, ptbxl / "ptbxl_database.csv", "filename_hr")
    assert counts == Joined(1)
    (row,) = rows.to_pylist()
    assert (row["path"], row["age"]) == (str(ptbxl / "records500/00000/00001_hr.hea"), 56)
    with pytest.raises(MalformedInput, match="no such column"):
        metadata.join(paths, ptbxl / "ptbxl_database.csv", "file")


def test_a_name_without_its_ending_is_the_key_of_any_format(tmp_path: Path) -> None:
    for name in ("a.csv", "b.EDF", "c.xml", "d.tar"):
        (tmp_path / name).write_text("")
    (tmp_path / "table.csv").write_text("name,age\na,1\nb,2\nc,3\nd,4\n")
    paths = [str(tmp_path / name) for name in ("a.csv", "b.EDF", "c.xml", "d.tar")]
    assert metadata.join(paths, tmp_path / "table.csv", "name")[1] == Joined(3)


def joined(folder: Path, table: str, *paths: str, key: str = "id") -> tuple[dict[str, object], Joined]:
    """The column ``dx`` by path, and the counts, of a join with a CSV table."""
    (folder / "table.csv").write_text(table)
    rows, counts = metadata.join(paths, folder / "table.csv", key)
    return {row["path"]: row["dx"] for row in rows.to_pylist()}, counts


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (("010", "10"), ("010", "10")),
        (("00001", "00002"), ("00001", "00002")),
        (("1.10", "1.1"), ("1.10", "1.1")),
        (("1e5", "100000"), ("1e5", "100000")),
        (("12345678901234567890", "12345678901234567891"), ("12345678901234567890", "12345678901234567891")),
        (("NA", "null"), ("NA", "null")),
        (("2020-01-02", "2020-01-02 00:00:00"), ("2020-01-02", "2020-01-02 00:00:00")),
        (("true", "True"), ("true", "True")),
        (("r1.hea", "r1.edf"), ("r1", "r1")),
        (("\ufeffr1", "r2"), ("\ufeffr1", "r2")),
    ],
)
def test_keys_are_texts_and_stay_as_they_are_written(
    keys: tuple[str, str], names: tuple[str, str], tmp_path: Path
) -> None:
    first, second = (f"/a/{name}.{ending}" for name, ending in zip(names, ("hea", "edf"), strict=True))
    found, counts = joined(tmp_path, f"id,dx\n{keys[0]},AF\n{keys[1]},SR\n", first, second)
    assert found == {first: "AF", second: "SR"}
    assert counts == Joined(2)


def test_a_row_without_a_key_is_about_no_recording(tmp_path: Path) -> None:
    found, _ = joined(tmp_path, "id,dx\nr2,AF\n,SR\nNone,VT\n", "/a/None.hea", "/a/.hea", "/a/nan.hea")
    assert found == {"/a/None.hea": "VT"}


def test_a_row_that_names_recordings_of_two_folders_is_given_to_none_and_counted(tmp_path: Path) -> None:
    paths = ("/h1/r1.hea", "/h2/r1.hea", "/h2/r2.hea", "/h2/r2.edf")
    assert joined(tmp_path, "id,dx\nr1,AF\nr2,SR\n", *paths) == (
        {"/h2/r2.hea": "SR", "/h2/r2.edf": "SR"},
        Joined(2, 0, 2),
    )
    assert joined(tmp_path, "id,dx\nh1/r1,AF\nr1,SR\n", *paths[:2])[0] == {paths[0]: "AF", paths[1]: "SR"}


def test_recordings_of_several_rows_are_counted(tmp_path: Path) -> None:
    assert joined(tmp_path, "id,dx\nr1,AF\nr1,SR\nr2,SR\n", "/a/r1.hea", "/a/r2.hea") == (
        {"/a/r1.hea": "AF", "/a/r2.hea": "SR"},
        Joined(2, 1, 0),
    )


def test_keys_of_parquet_that_a_gap_made_decimal_are_whole_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1.0, None, 2.5], "dx": ["AF", "SR", "VT"]}), tmp_path / "t.parquet")
    paths = ["/a/1.hea", "/a/2.5.hea", "/a/None.hea"]
    assert metadata.join(paths, tmp_path / "t.parquet", "id")[1] == Joined(2)


def test_columns_of_one_name_are_kept_apart_and_a_key_of_two_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,dx,dx,path,metadata_path,,\nr1,AF,SR,x,y,,\n")
    rows, _ = metadata.join(["/a/r1.hea"], tmp_path / "t.csv", "id")
    assert rows.column_names == ["path", "id", "dx", "dx_2", "metadata_path_2", "metadata_path", "", "_2"]
    with pytest.raises(MalformedInput, match="several columns"):
        joined(tmp_path, "id,id,dx\nr1,r2,AF\n", "/a/r1.hea")


def test_texts_of_several_lines_stay_in_their_row(tmp_path: Path) -> None:
    text = "".join(f'r{i},"first line\nsecond, line {"x" * 60}"\n' for i in range(30_000))
    found, counts = joined(tmp_path, f"id,dx\n{text}", "/a/r0.hea", "/a/r29999.hea")
    assert counts == Joined(2)
    assert str(found["/a/r29999.hea"]).startswith("first line\nsecond, line")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("id,name\nr1,Zebedeus\nr2,Zebedeus, John,1960-01-02\n", "Row 3 of the metadata has another number of cells"),
        ("r1,Zebedeus,1950-01-02\nr2,Zebedeus,1950-01-02\n", "names no columns"),
        ("", "cannot be read"),
        ("id,name\nZebedeus \u00fc,1960\n", "cannot be read as comma-separated values in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_without_its_rows(table: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(MalformedInput, match=said) as refused:
        metadata.join(["/a/r1.hea"], tmp_path / "t.csv", "id")
    assert "Zebedeus" not in str(refused.value.__dict__)
    assert "1960" not in str(refused.value.__dict__)


def test_mimic_iv_ecg_as_it_lies(tmp_path: Path) -> None:
    study = "files/p1000/p10000032/s40689238"
    record(tmp_path / study, "40689238")
    (tmp_path / "RECORDS").write_text(f"{study}/40689238\n")
    (tmp_path / "record_list.csv").write_text(f"subject_id,study_id,path\n10000032,40689238,{study}/40689238\n")
    (tmp_path / "machine_measurements.csv").write_text("subject_id,report_0,rr_interval\n10000032,Sinus rhythm,659\n")
    (path,) = list_recordings([str(tmp_path / "RECORDS")])
    assert listed(tmp_path)[0] == [f"{study}/40689238.hea"]
    assert read_recording(path, Stated()).unit == "mV"
    rows, counts = metadata.join([path], tmp_path / "record_list.csv", "path")
    assert counts == Joined(1)
    assert rows.column_names == ["path", "subject_id", "study_id", "metadata_path"]


def test_the_challenge_of_2021_as_it_lies(tmp_path: Path) -> None:
    for source, name in (("georgia/g1", "E00001"), ("chapman_shaoxing/g1", "JS00001")):
        record(tmp_path / "training" / source, name, samples=".mat")
        (tmp_path / "training" / source / "RECORDS").write_text(f"{name}\n")
    (tmp_path / "RECORDS").write_text("training/georgia/g1/\ntraining/chapman_shaoxing/g1/\n")
    expected = ["training/chapman_shaoxing/g1/JS00001.hea", "training/georgia/g1/E00001.hea"]
    assert listed(tmp_path)[0] == expected
    assert [path.removeprefix(f"{tmp_path}/") for path in list_recordings([str(tmp_path / "RECORDS")])] == expected


def test_code_15_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "exams_part0.hdf5").write_bytes(CODE15)
    (tmp_path / "exams.csv").write_text("exam_id,age,AF,trace_file\n12,60,True,exams_part0.hdf5\n99,61,False,x\n")
    found, passed_over = listed(tmp_path)
    assert found == [f"exams_part0.hdf5#{number}" for number in range(3)]
    assert passed_over == {kinds.NO_TABLE: 1}
    paths = list_recordings([str(tmp_path)])
    read = read_recording(paths[1], Stated(400.0, STANDARD_LEADS, "mV"))
    assert np.array_equal(read.signal, MANY[1].T)
    rows, counts = metadata.join(paths, tmp_path / "exams.csv", "exam_id")
    assert counts == Joined(2)
    assert [(row["path"], row["age"]) for row in rows.to_pylist()] == [(paths[1], 60), (paths[2], 61)]


def test_a_zip_file_of_many(tmp_path: Path) -> None:
    record(tmp_path / "plain" / "a", "r1")
    files = {f"db/a/{path.name}": path.read_bytes() for path in (tmp_path / "plain/a").iterdir()}
    files |= {
        "db/b.xml": device_files.muse_xml(device_files.counts()),
        "db/index.csv": b"id,age\n1,2\n",
        "db/x.pdf": b"",
    }
    (tmp_path / "archive.zip").write_bytes(archive_files.zipped(files))
    found, passed_over = listed(tmp_path / "archive.zip")
    assert found == ["archive.zip#db/a/r1.hea", "archive.zip#db/b.xml"]
    assert passed_over == {kinds.OF_RECORD: 1, kinds.NO_TABLE: 1, f"{kinds.OTHER} (.pdf)": 1}
    for path in list_recordings([str(tmp_path / "archive.zip")]):
        assert read_recording(path, Stated()).unit == "mV"
    with pytest.raises(FileNotFoundError):
        read_recording(f"{tmp_path}/archive.zip#db/none.hea", Stated())


def test_a_mixed_folder(tmp_path: Path) -> None:
    record(tmp_path, "r1")
    (tmp_path / "muse.xml").write_bytes(device_files.muse_xml(device_files.counts()))
    (tmp_path / "page.xml").write_text("<html/>")
    (tmp_path / "holter.edf").write_bytes(device_files.edf(device_files.counts()))
    (tmp_path / "extracted.txt").write_text("'sample #','I','II'\n0,1,2\n1,2,3\n")
    (tmp_path / "numbers.txt").write_text("0\t1\t2\t3\n1\t2\t3\t4\n")
    (tmp_path / "settings.json").write_text('{"lead": 1}')
    found, passed_over = listed(tmp_path)
    assert found == ["extracted.txt", "holter.edf", "muse.xml", "numbers.txt", "r1.hea"]
    assert passed_over == {kinds.NO_XML: 1, kinds.NO_JSON: 1, kinds.OF_RECORD: 1}


def test_untrained_models_are_refused_unless_they_are_wanted(ptbxl: Path, tmp_path: Path) -> None:
    job = BatchJob((str(ptbxl),), tmp_path / "out", frozenset({"clinical"}), "stand-in")
    with pytest.raises(ModelError, match="--untrained"):
        run(job)
    assert not list((tmp_path / "out").glob("recordings/*"))


@pytest.mark.parametrize("ending", [".h5", ".hea", ".csv", ".txt", ".zip", ""])
def test_a_pipe_is_refused_and_not_waited_for(ending: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/x{ending}"
    os.mkfifo(path)
    assert list_recordings([path]) == [path]
    with pytest.raises(UnusableRecording, match="regular file"):
        read_recording(path, Stated())
    assert list_recordings([str(tmp_path)]) == []
