"""`ecg inbox` and the `Inbox` deployment class, as their users run them."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest
from sqlalchemy import make_url

from ecg.cardioai.inbox import MAX_IN_PROGRESS, Inbox
from ecg.cardioai.receipts import Limits
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.views import stats
from ecg.cli import main
from ecg.errors import MissingLeads, Overloaded, UnknownRecording
from ecg.formats.cardioai_message import Calibration
from ecg.record import EcgRecord
from ecg.store.database import open_database
from serve_app.settings import AppSettings
from tests.builders.messages import FS_500, message, payload, rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def accept(url: str, *bodies: bytes) -> None:
    engine = open_database(url)
    with Receiver(engine) as receiver:
        for body in bodies:
            receiver.accept(body)
    engine.dispose()


def command(capsys: pytest.CaptureFixture[str], url: str, *arguments: str) -> tuple[int, list[dict]]:
    status = main(["inbox", "--store", url, *arguments])
    return status, [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_store_of_this_machine_is_found_and_its_recordings_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service keeps it, so that nobody has to know its address."""
    monkeypatch.setenv("ECG_DATA_DIR", str(tmp_path))
    accept(AppSettings().resolved_inbox_url(), message(payload(data=rows(0, 1000))))

    def listed(*options: str) -> list[dict]:
        assert main(["inbox", "records", *options]) == 0
        return [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]

    (record,) = listed()
    assert (record["recordId"], record["state"], record["parts"]) == ("record-1", "waiting_fs", "1/1")
    assert listed("--state", "done") == []
    monkeypatch.setenv("ECG_DATA_DIR", str(tmp_path / "elsewhere"))
    assert main(["inbox", "records"]) == 2
    assert str(tmp_path / "elsewhere") in capsys.readouterr().err


def test_a_waiting_recording_is_measured_once_its_device_is_known(capsys: pytest.CaptureFixture[str], url: str) -> None:
    accept(url, message(payload(data=rows(0, 1000))))
    assert command(capsys, url, "work", "--once") == (0, [])
    assert command(capsys, url, "device", "D3F153", "--fs", "250")[0] == 0
    assert command(capsys, url, "device") == (
        0,
        [{"device_code": "D3F153", "fs_hz": 250.0, "gain": None, "baseline": None, "units": None}],
    )
    assert command(capsys, url, "work", "--once") == (0, [])
    status, (record,) = command(capsys, url, "record", "record-1")
    (recording,) = record["recordings"]
    assert (status, recording["state"], recording["fsSource"]) == (0, "done", "device")
    assert set(recording["result"]["measurements"]) >= {"heart_rate", "qt_interval"}
    assert command(capsys, url, "device", "D3F154")[0] == 2


def test_the_quarantine_is_listed_with_its_replay_command(capsys: pytest.CaptureFixture[str], url: str) -> None:
    body = message(payload(calibration=FS_500), messageVersion=9)
    accept(url, body)
    _, (entry,) = command(capsys, url, "quarantine")
    assert (entry["code"], entry["replay"]) == ("unknown_message_version", f"ecg inbox --store {url} replay 1")
    assert main(["inbox", "--store", url, "show", "1"]) == 0
    assert capsys.readouterr().out.encode() == body + b"\n"
    status, (receipt,) = command(capsys, url, "replay", "--code", "unknown_message_version")
    assert (status, receipt["status"]) == (1, "quarantined")
    assert command(capsys, url, "replay", "99")[0] == 2
    assert command(capsys, url, "replay")[0] == 2
    assert command(capsys, url, "show", "99")[0] == 2
    assert command(capsys, url, "record", "none")[0] == 2


def test_a_failed_recording_can_be_tried_again(capsys: pytest.CaptureFixture[str], url: str) -> None:
    accept(url, message(payload(calibration=Calibration(fs_hz=10.0))))
    command(capsys, url, "work", "--once")
    assert command(capsys, url, "retry", "another") == (0, [{"ready": 0}])
    assert command(capsys, url, "retry") == (0, [{"ready": 1}])
    command(capsys, url, "work", "--once")
    _, (counts,) = command(capsys, url, "stats")
    assert counts["recordings"]["failed"] == 1


def test_the_replay_command_can_be_pasted_into_a_shell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'in box; $HOME.db'}"
    accept(url, message(payload(), messageVersion=9))
    _, (entry,) = command(capsys, url, "quarantine")
    ecg, _, _, store, *action = shlex.split(entry["replay"])
    assert (ecg, make_url(store).database, action) == ("ecg", make_url(url).database, ["replay", "1"])


@pytest.mark.parametrize(
    "arguments", [("prune", "--keep-days", "-1"), ("prune", "--keep-days", "nan"), ("device", "D", "--fs", "inf")]
)
def test_senseless_numbers_are_bad_input(
    capsys: pytest.CaptureFixture[str], url: str, arguments: tuple[str, ...]
) -> None:
    accept(url)
    assert command(capsys, url, *arguments)[0] == 2


@pytest.mark.parametrize("store", ["sqlite:////nowhere/at/all.db", "nonsense", "mysql://host/db", ""])
def test_a_store_that_is_not_there_is_bad_input(store: str) -> None:
    assert main(["inbox", "--store", store, "stats"]) == 2


def test_pruning_tells_what_it_did(capsys: pytest.CaptureFixture[str], url: str) -> None:
    accept(url, message(payload(sequence=2)))
    _, (said,) = command(capsys, url, "prune", "--incomplete-after", "-1", "--keep-days", "1")
    assert said == {"incomplete": 1, "deleted": {"recordings": 0, "messages": 0, "quarantined": 0}}
    _, (counts,) = command(capsys, url, "stats")
    assert counts["recordings"]["incomplete"] == 1


def test_a_working_command_ends_well_on_sigterm(url: str) -> None:
    """It ends after the recording in work, not in the middle of it."""
    accept(url, message(payload(calibration=FS_500, data=rows(0, 5000))))
    process = subprocess.Popen([sys.executable, "-m", "ecg", "inbox", "--store", url, "work"], cwd=ROOT)
    engine = open_database(url)
    while stats(engine).results == 0 and process.poll() is None:
        threading.Event().wait(0.05)
    engine.dispose()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def test_the_deployment_answers_and_feeds_the_graph(url: str) -> None:
    seen: list[EcgRecord] = []
    done = threading.Event()

    async def analyse(record: EcgRecord) -> bytes:
        await asyncio.sleep(0)
        seen.append(record)
        if len(seen) == 2:
            done.set()
            raise MissingLeads("Missing leads: V1.")
        return b'{"answer": 42}'

    async def use() -> tuple[list[str], dict, dict]:
        inbox = Inbox(open_database(url), analyse, Limits())
        inbox.check_health()
        outcomes = [
            (await inbox.accept(message(payload(f"seq-{n}", record_id=f"r{n}")), 500.0)).outcome for n in range(2)
        ]
        await asyncio.to_thread(done.wait)
        await inbox.close()
        with pytest.raises(UnknownRecording):
            await inbox.record("none")
        return outcomes, orjson.loads(await inbox.stats()), orjson.loads(await inbox.record("r0"))

    outcomes, counts, record = asyncio.run(use())
    assert [str(outcome) for outcome in outcomes] == ["accepted", "accepted"]
    assert (counts["recordings"]["done"], counts["recordings"]["failed"]) == (1, 1)
    assert record["recordings"][0]["result"] == {"answer": 42}
    assert [found.name for found in seen] == ["r0", "r1"]


def test_the_deployment_holds_so_many_messages_at_a_time_and_refuses_the_next(url: str) -> None:
    async def use() -> list[object]:
        inbox = Inbox(open_database(url), None, Limits())
        bodies = [message(payload(f"seq-{n}", data=["0,1,2"])) for n in range(MAX_IN_PROGRESS + 1)]
        answers = await asyncio.gather(*(inbox.accept(body, None) for body in bodies), return_exceptions=True)
        assert (await inbox.accept(bodies[-1], None)).outcome == "accepted"
        await inbox.close()
        return answers

    *kept, refused = asyncio.run(use())
    assert {getattr(answer, "outcome", answer) for answer in kept} == {"accepted"}
    assert isinstance(refused, Overloaded)


def test_the_deployment_outlives_a_failing_analysis_and_is_unhealthy_without_its_threads(url: str) -> None:
    tried = threading.Event()

    async def crash(_: EcgRecord) -> bytes:
        tried.set()
        raise ZeroDivisionError

    async def use() -> dict:
        inbox = Inbox(open_database(url), crash, Limits())
        await inbox.accept(message(payload()), 500.0)
        await asyncio.to_thread(tried.wait)
        inbox.check_health()
        await inbox.close()
        with pytest.raises(RuntimeError, match="inbox-worker"):
            inbox.check_health()
        return orjson.loads(await inbox.record("record-1"))

    (recording,) = asyncio.run(use())["recordings"]
    assert recording["reason"] == "internal_error: ZeroDivisionError in 1 attempts."
