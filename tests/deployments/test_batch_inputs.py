"""What a cohort job finds: folders, manifests, tables, single files, buckets."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from deployments.cohort.inputs import list_recordings, part_of, read_recording
from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from tests.deployments.archive import BROKEN, record, write_archive, write_wfdb


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    write_archive(root, 4)
    return root


def test_a_folder_gives_its_recordings_and_not_their_companions(archive: Path) -> None:
    found = list_recordings([str(archive)])
    sound = ["json/r001.json", "json/r003.json", "wfdb/deep/r002.hea", "wfdb/r000.hea"]
    assert found == sorted(str(archive / name) for name in [*sound, *BROKEN])


def test_manifest_and_table_paths_start_at_their_folder(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (archive / "RECORDS").write_text("wfdb/r000\n\nwfdb/deep/r002.hea\n")
    pq.write_table(pa.table({"path": ["json/r001.json", str(archive / "json/r003.json")]}), archive / "list.parquet")
    monkeypatch.chdir(archive)
    assert list_recordings(["RECORDS", "list.parquet", "json/r001.json", "wfdb/r000"]) == [
        str(archive / name) for name in ("json/r001.json", "json/r003.json", "wfdb/deep/r002.hea", "wfdb/r000")
    ]


def test_a_recording_named_in_several_ways_is_listed_once(archive: Path, tmp_path: Path) -> None:
    record = archive / "wfdb" / "r000.hea"
    manifest = tmp_path / "list.txt"
    manifest.write_text(f"{record.with_suffix('')}\n{archive}/json/../wfdb/r000\n{record}\n", "utf-8-sig")
    assert list_recordings([str(manifest), str(record), str(record.with_suffix(""))]) == [str(record)]


def test_an_input_that_is_not_there_or_no_table_of_paths_is_refused(archive: Path) -> None:
    pq.write_table(pa.table({"file": ["a"]}), archive / "other.parquet")
    for wrong in ("nowhere", "other.parquet"):
        with pytest.raises(MalformedInput) as caught:
            list_recordings([str(archive / wrong)])
        assert caught.value.field == "input"
    with pytest.raises(MalformedInput):
        list_recordings(["nosuchscheme://x/y"])


def test_a_wfdb_record_is_read_with_or_without_its_ending(archive: Path) -> None:
    with_ending = read_recording(str(archive / "wfdb/r000.hea"), Stated())
    without = read_recording(str(archive / "wfdb/r000"), Stated())
    assert with_ending.sha256 == without.sha256
    np.testing.assert_allclose(with_ending.signal, record(50, 17).signal, atol=1e-3)  # 16 bits over the range of a lead


def test_linked_folders_are_walked_once_and_a_dangling_link_is_a_recording(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "r1.json").write_bytes(b'{"signal": []}')
    for name, target in (
        ("around", tmp_path),
        ("deeper/up", tmp_path / "deep"),
        ("self", "self"),
        ("elsewhere", archive / "wfdb/deep"),
        ("gone.json", "nowhere"),
    ):
        (tmp_path / "deep" / name).symlink_to(target)
    os.mkfifo(tmp_path / "deep" / "pipe.json")
    deep = f"{tmp_path}/deep/"
    found = list_recordings([str(tmp_path)])
    assert [path.removeprefix(deep) for path in found] == [
        "elsewhere/no_signal_file.hea",
        "elsewhere/r002.hea",
        "gone.json",
        "r1.json",
    ]
    with pytest.raises(FileNotFoundError):
        read_recording(deep + "gone.json", Stated())


def test_a_name_that_is_not_utf8_is_listed_as_a_url_and_read(archive: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "caf") + b"\xe9 %"
    shutil.copytree(os.fsencode(archive / "wfdb"), folder)
    os.rename(folder + b"/r000.hea", folder + b"/r\xff.hea")
    url = f"file://{tmp_path}/caf%E9%20%25"
    found = list_recordings([os.fsdecode(folder)])
    assert found == [
        f"{url}/{name}" for name in ("deep/no_signal_file.hea", "deep/r002.hea", "empty.hea", "escape.hea", "r%FF.hea")
    ]
    manifest = tmp_path / "list.txt"
    manifest.write_bytes(b"caf\xe9 %/r\xff\n" + folder + b"/deep/r002\n")
    assert list_recordings([str(manifest)]) == [f"{url}/deep/r002", f"{url}/r%FF"]
    assert list_recordings([url]) == list_recordings([f"{url}/", f"{url}/r%FF"]) == found
    whole = read_recording(str(archive / "wfdb/r000.hea"), Stated())
    for location in (f"{url}/r%FF.hea", f"{url}/r%FF"):
        recording = read_recording(location, Stated())
        assert (recording.sha256, recording.name) == (whole.sha256, "r%FF")


def test_a_file_url_is_a_path(archive: Path) -> None:
    path = archive / "json/with space.json"
    shutil.copy(archive / "json/r001.json", path)
    assert list_recordings([path.as_uri(), str(path)]) == [str(path)]
    assert list_recordings([f"file://localhost{archive}/json"]) == list_recordings([str(archive / "json")])
    assert read_recording(path.as_uri(), Stated()).sha256 == read_recording(str(path), Stated()).sha256
    path.unlink()
    with pytest.raises(MalformedInput, match="this machine"):
        list_recordings(["file://elsewhere/archive"])


def test_parts_are_stable_and_even() -> None:
    paths = [f"/archive/r{number}.hea" for number in range(4000)]
    assert [part_of(path, 16) for path in paths[:4]] == [14, 4, 9, 1]  # a resumed job must find its parts again
    counts = np.bincount([part_of(path, 16) for path in paths], minlength=16)
    assert counts.min() > 180  # 250 expected; below 4 standard deviations of a fair draw is 188
    assert counts.max() < 320


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a folder in a local S3 with one WFDB record and one file that is none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    s3.create_bucket(Bucket="archive")
    write_wfdb(tmp_path, "r1", record(60))
    for file in tmp_path.iterdir():
        s3.upload_file(str(file), "archive", f"study/a/{file.name}")
    s3.put_object(Bucket="archive", Key="study/broken.json", Body=b'{"signal": ')
    s3.close()
    yield f"s3://archive/study?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    server.stop()


def test_a_bucket_is_walked_and_read_like_a_folder(bucket: str, tmp_path: Path) -> None:
    found = list_recordings([bucket])
    assert [url.partition("?")[0] for url in found] == ["s3://archive/study/a/r1.hea", "s3://archive/study/broken.json"]
    assert read_recording(found[0], Stated()).sha256 == read_recording(str(tmp_path / "r1.hea"), Stated()).sha256
    with pytest.raises(MalformedInput):
        read_recording(found[1], Stated())
    with pytest.raises(FileNotFoundError):
        read_recording(found[0].replace("r1.hea", "r2.hea"), Stated())
