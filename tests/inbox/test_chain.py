"""The whole chain on real recordings: what is measured at its end equals what is measured on the original file."""

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from moto.server import ThreadedMotoServer

import ecg
from benchmarks.inbox_server import serving
from ecg.cardioai.assemble import load
from ecg.cardioai.bus.consumer import Consumer
from ecg.cardioai.bus.layout import Layout, connect, set_up
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.views import record_view, stats
from ecg.cli import main
from ecg.cli.inbox import measured
from ecg.record import EcgRecord
from ecg.store.database import open_database
from ecg.store.worker import Worker
from tests.builders.command import relay

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")]
Answers = dict[str, dict]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Payloads of the 104 LUDB records and one half-hour MIT-BIH record, messages under 300,000 bytes."""
    folder = tmp_path_factory.mktemp("chain")
    for name in ("csv", "payloads"):
        (folder / name).mkdir()
    assert main(["manifest", str(DATA / "ludb"), "-o", str(folder / "manifest")]) == 0
    with (folder / "manifest").open("a") as manifest:
        manifest.write(f"{DATA / 'mitdb_svdb' / '100.hea'}\n")
    assert main(["extract", "-m", str(folder / "manifest"), "-t", "0", "-d", str(folder / "csv")]) == 0
    options = ["-s", str(folder / "csv"), "-d", str(folder / "payloads"), "--max-bytes", "300000"]
    assert main(["payloads", *options]) == 0
    return folder


@pytest.fixture(scope="module")
def originals(chain: Path) -> Answers:
    """What is said of the original files, by record id."""
    lines = (chain / "csv.records.jsonl").read_bytes().splitlines()
    found = {fields["record_id"]: fields["source"] for fields in map(orjson.loads, lines)}
    return {record_id: said(measured(ecg.read(source))) for record_id, source in found.items()}


def said(report: bytes) -> dict:
    """A report without what must differ: how long it took, what the input was called, and what its reader noted."""
    fields = orjson.loads(report)
    fields["warnings"] = [note for note in fields["warnings"] if not note.startswith("The header states no units")]
    del fields["processing_time"], fields["provenance"]["input"]["name"], fields["provenance"]["input"]["format"]
    return fields


def results(url: str, chain: Path, record_ids: set[str]) -> Answers:
    """The results after one worker has done everything that is ready."""
    assert main(["inbox", "--store", url, "work", "--once"]) == 0
    engine = open_database(url)
    assert stats(engine).recordings["done"] == len(record_ids)
    found = {}
    for record_id in record_ids:
        (recording,) = orjson.loads(record_view(engine, record_id))["recordings"]
        found[record_id] = said(orjson.dumps(recording["result"]))
    engine.dispose()
    return found


def test_over_http_the_intervals_equal_those_of_the_files(chain: Path, originals: Answers, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    with serving(url) as (port, _):
        status = main(relay(chain / "payloads", "HTTP", f"http://127.0.0.1:{port}/data/v1/", "D3F153", "-h", "4"))
        assert status == 0
    assert len(list((chain / "payloads").iterdir())) > 130
    assert results(url, chain, set(originals)) == originals


def test_over_the_bus_the_samples_equal_those_of_the_files(
    chain: Path, originals: Answers, tmp_path: Path, moto: int
) -> None:
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    endpoint = f"http://127.0.0.1:{moto}"
    layout = Layout("ecg-chain")
    clients = connect("eu-central-1", endpoint)
    set_up(clients, layout)
    status = main(
        [
            *relay(chain / "payloads", "ESB", layout.secondary_bus, "D3F153", "-h", "2"),
            *("--primary-bus", layout.primary_bus, "--bucket", layout.bucket),
            *("--region", "eu-central-1", "--endpoint", endpoint),
        ]
    )
    assert status == 0
    engine = open_database(url)
    with Receiver(engine) as receiver:
        consumer = Consumer(clients, layout, receiver.accept)
        while consumer.poll("clinical", 0):
            pass
    assert consumer.counts["sqs"] > 50
    assert consumer.counts["s3"] > 20
    found: dict[str, str] = {}

    def note(record: EcgRecord) -> bytes:
        found[str(record.name)] = record.sha256
        return b"{}"

    worker = Worker(engine, load, note)
    while worker.step():
        pass
    engine.dispose()
    # Equal samples, leads and rate: the HTTP test above shows that then everything measured is equal.
    assert found == {name: answer["provenance"]["input_sha256"] for name, answer in originals.items()}


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()
