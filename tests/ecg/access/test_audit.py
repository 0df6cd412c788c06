"""The audit log: a chain that shows every change, and loses nothing that was acknowledged."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ecg.access.audit import START, AuditLog, Head
from ecg.errors import AuditBroken, MalformedInput

WRITER = """
import sys
from pathlib import Path
from ecg.access.audit import AuditLog
log = AuditLog(Path(sys.argv[1]), max_file_bytes=2000)
while True:
    print(log.append("key", "read", "record").entries, flush=True)
"""


def test_entries_make_a_chain_over_rotations_and_processes(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    for number in range(12):
        head = AuditLog(folder, max_file_bytes=800).append("k1", "read", f"record-{number}")
    log = AuditLog(folder)
    assert len(log.files()) > 2
    assert log.verify() == head
    assert head.entries == len(list(log.export())) == 12
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.files()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_rotated_file_is_replaced_when_an_older_one_was_moved_away(tmp_path: Path) -> None:
    folder, away = tmp_path / "audit", tmp_path / "audit-000001.jsonl"
    log = AuditLog(folder, max_file_bytes=800)
    for _ in range(10):
        log.append("k1", "read", "record")
    assert [path.name for path in log.files()] == ["audit-000001.jsonl", "audit-000002.jsonl", "audit.jsonl"]
    (folder / "audit-000001.jsonl").rename(away)
    for _ in range(4):
        head = log.append("k1", "read", "record")
    assert [path.name for path in log.files()] == ["audit-000002.jsonl", "audit-000003.jsonl", "audit.jsonl"]
    away.rename(folder / "audit-000001.jsonl")
    assert log.verify() == head


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    for number in range(3):
        head = log.append("k1", "send", f"record-{number}")
    (path,) = log.files()
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(AuditBroken):
            log.verify(head)
    path.write_bytes(whole)
    assert log.verify(head) == head


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_removed_entry_is_found(tmp_path: Path, gone: int) -> None:
    log = AuditLog(tmp_path / "audit")
    for number in range(3):
        head = log.append("k1", "send", f"record-{number}")
    (path,) = log.files()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
    with pytest.raises(AuditBroken):
        log.verify(head)


def test_an_empty_log_is_a_chain_and_long_texts_are_no_entries(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    assert log.verify() == Head(0, START)
    for text in ("", "x" * 129, "a\nb"):
        with pytest.raises(MalformedInput):
            log.append(text, "read")
    assert log.files() == []


def test_a_killed_writer_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    acknowledged = 0
    for kill in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(3 + 7 * kill):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        whole = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
        writer.wait()
        writer.stdout.close()
        acknowledged = max(acknowledged + 3 + 7 * kill + len(whole), acknowledged)
        assert AuditLog(folder).verify().entries >= acknowledged
    with (AuditLog(folder).files()[-1]).open("ab") as file:
        file.write(b'{"n": 1')  # half a line, as a kill leaves it
    head = AuditLog(folder).append("k1", "read")
    assert AuditLog(folder).verify() == head
