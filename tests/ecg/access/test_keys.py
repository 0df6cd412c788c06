"""API keys: what is kept, what is taken, what is refused."""

import dataclasses
import hmac
import stat
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ecg.access import keys
from ecg.access.keys import KeyRing
from ecg.access.limiter import Limiter
from ecg.cli import main
from ecg.errors import Forbidden, KeysUnreadable, MalformedInput, QuotaExceeded, Unauthenticated, UnknownKey


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys" / "keys.json")


def test_only_a_hash_is_kept_and_only_for_the_owner(ring: KeyRing) -> None:
    key, presented = ring.create("ward 3", ("ingest",), origin="ward-3")
    assert ring.authenticate(presented) == key
    kept = ring.path.read_text()
    assert presented not in kept
    assert presented.split("_", 2)[2] not in kept
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("change", ["{}x", "x{}", "", "ecg_", "ecg__", "ecg_000000000000_secret", "ecg_\ud800_x"])
def test_anything_but_the_key_is_refused(ring: KeyRing, change: str) -> None:
    _, presented = ring.create("ward 3", ("ingest",))
    with pytest.raises(Unauthenticated):
        ring.authenticate(change.format(presented))


def test_a_key_has_its_scopes_and_admin_has_all(ring: KeyRing) -> None:
    reader, _ = ring.create("reader", ("read",))
    admin, _ = ring.create("admin", ("admin",))
    reader.allow("read")
    admin.allow("ingest")
    with pytest.raises(Forbidden):
        reader.allow("ingest")


def test_another_process_sees_a_revoked_key_at_once(ring: KeyRing) -> None:
    key, presented = ring.create("ward 3", ("ingest",))
    other = KeyRing(ring.path)
    assert other.authenticate(presented).id == key.id
    ring.revoke(key.id)
    with pytest.raises(Unauthenticated):
        other.authenticate(presented)
    with pytest.raises(UnknownKey):
        ring.rotate(key.id)
    assert [kept.id for kept in other.listed()] == [key.id]


def test_a_rotated_key_takes_the_old_secret_only_while_they_overlap(ring: KeyRing) -> None:
    key, old = ring.create("ward 3", ("ingest",))
    new = ring.rotate(key.id, overlap_s=3600.0)
    assert ring.authenticate(old).id == ring.authenticate(new).id == key.id
    newest = ring.rotate(key.id)
    assert ring.authenticate(newest).id == key.id
    for former in (old, new):
        with pytest.raises(Unauthenticated):
            ring.authenticate(former)


def test_a_senseless_key_is_not_made(ring: KeyRing) -> None:
    for name, scopes, rate, room in (("", ("read",), None, None), ("a", (), None, None), ("a", ("all",), None, None)):
        with pytest.raises(MalformedInput):
            ring.create(name, scopes, None, rate, room)
    with pytest.raises(MalformedInput):
        ring.create("a", ("read",), rate_hz=0.0)
    assert ring.listed() == []


@pytest.mark.parametrize("content", ["", "{}", '[{"id": "a"}]', "a folder"])
def test_a_damaged_file_is_told_and_no_key_of_before_is_taken(
    ring: KeyRing, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, presented = ring.create("ward 3", ("ingest",))
    ring.authenticate(presented)
    ring.path.unlink()
    if content == "a folder":
        ring.path.mkdir()
    else:
        ring.path.write_text(content)
    with pytest.raises(KeysUnreadable) as refusal:
        ring.authenticate(presented)
    assert str(ring.path) not in str(refusal.value.__dict__)
    assert main(["keys", "--file", str(ring.path), "list"]) == 2
    assert str(ring.path) in capsys.readouterr().err  # the operator's terminal, unlike the service, names it


def test_rate_and_concurrency_are_each_keys_own(ring: KeyRing) -> None:
    key, _ = ring.create("ward 3", ("ingest",), rate_hz=2.0, concurrency=1)
    limiter = Limiter()
    for _ in range(2):
        with limiter.place(key, now=0.0):
            pass
    with pytest.raises(QuotaExceeded) as refusal, limiter.place(key, now=0.0):
        pass
    assert refusal.value.retry_after_s == pytest.approx(0.5)  # one request at two a second
    with limiter.place(key, now=0.5), pytest.raises(QuotaExceeded), limiter.place(key, now=9.0):
        pass
    with limiter.place(dataclasses.replace(key, id="another"), now=0.0):
        pass


def steps(ring: KeyRing, presented: str) -> list[str]:
    """The lines of `ecg.access.keys` that one refusal runs through."""
    ran: list[str] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_globals.get("__name__") != keys.__name__:
            return None
        if event == "line":
            ran.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(Unauthenticated):
            ring.authenticate(presented)
    finally:
        sys.settrace(before)
    return ran


def test_a_refusal_takes_the_same_steps_whatever_is_wrong_with_a_key(ring: KeyRing) -> None:
    """So that its time tells neither whether a key exists nor how much of a secret is right."""
    _, presented = ring.create("test", ("read",))
    ring.listed()  # the file has been read
    secret = presented.split("_", 2)[2]
    head = presented.removesuffix(secret)
    unknown = f"ecg_{'0' * 12}_{secret}"
    wrong = [f"{head}*{secret[1:]}", f"{head}{secret[:-1]}*", head, head + secret * 50, unknown, "ecg__"]
    first, *others = [steps(ring, text) for text in wrong]
    assert len(first) > 5
    assert others == [first] * len(others)


def test_hashes_are_compared_in_constant_time(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice for each caller, by the function that is made for it, and always over 64 letters."""
    _, presented = ring.create("test", ("read",))
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def noted(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(keys.hmac, "compare_digest", noted)
    ring.authenticate(presented)
    for text in ("ecg_x_y", presented[:-1]):
        with pytest.raises(Unauthenticated):
            ring.authenticate(text)
    assert compared == [(64, 64)] * 6
