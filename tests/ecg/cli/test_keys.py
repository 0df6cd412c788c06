"""`ecg keys` and `ecg audit`, as an operator uses them."""

from pathlib import Path

import orjson
import pytest

from ecg.access.keys import KeyRing
from ecg.cli import main
from ecg.errors import Unauthenticated


def test_a_key_is_made_listed_rotated_and_revoked_and_all_of_it_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    base = ["keys", "--file", str(file)]
    assert main([*base, "create", "ward 3", "--scope", "ingest", "--rate", "5"]) == 0
    presented = capsys.readouterr().out.strip()
    key = KeyRing(file).authenticate(presented)
    assert (key.scopes, key.origin, key.rate_hz) == (("ingest",), "ward 3", 5.0)

    assert main([*base, "list"]) == 0
    listed = capsys.readouterr().out
    assert orjson.loads(listed)["id"] == key.id
    assert "sha256" not in listed

    assert main([*base, "rotate", key.id]) == 0
    again = capsys.readouterr().out.strip()
    assert KeyRing(file).authenticate(again).id == key.id
    with pytest.raises(Unauthenticated):
        KeyRing(file).authenticate(presented)

    assert main([*base, "revoke", key.id]) == 0
    capsys.readouterr()
    with pytest.raises(Unauthenticated):
        KeyRing(file).authenticate(again)
    assert main([*base, "revoke", key.id]) == 2
    assert "No valid key" in capsys.readouterr().err

    assert main(["audit", str(tmp_path / "audit"), "export"]) == 0
    entries = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("key.create", key.id),
        ("key.rotate", key.id),
        ("key.revoke", key.id),
    ]
    assert {path.stat().st_mode & 0o077 for path in (file, *(tmp_path / "audit").iterdir())} == {0}


def test_a_changed_entry_and_a_shortened_log_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, log = tmp_path / "keys.json", tmp_path / "audit" / "audit.jsonl"
    for name in ("a", "b"):
        main(["keys", "--file", str(file), "create", name, "--scope", "read"])
    capsys.readouterr()
    verify = ["audit", str(tmp_path / "audit"), "verify"]
    assert main(verify) == 0
    head = orjson.loads(capsys.readouterr().out)["head"]
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"key.create", b"key.revoke", 1))
    assert main(verify) == 2
    assert "Entry 1" in capsys.readouterr().err
    log.write_bytes(whole.splitlines(keepends=True)[0])
    assert main(verify) == 0
    assert main([*verify, "--head", head]) == 2
