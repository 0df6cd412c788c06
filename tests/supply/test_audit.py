"""Which pinned versions an advisory means, by the rules of the OSV schema, and what is said of them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from supply.audit import DatabaseUnreadable, advisories, is_affected, main, matches

HASH = f"--hash=sha256:{'a' * 64}"


def advisory(**changes: Any) -> dict[str, Any]:
    entry = {
        "package": {"ecosystem": "PyPI", "name": "Some_Package"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.2"}, {"fixed": "1.5"}, {"introduced": "2.0"}]}],
        "versions": ["0.9"],
    }
    whole = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "modified": "2026-11-01T00:00:00Z", "summary": "It leaks."}
    return whole | {"affected": [entry]} | changes


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.9", True), ("0.9.0", True), ("1.0", False), ("1.1.9", False), ("1.2", True), ("1.2rc1", False),
        ("1.4.9.post1", True), ("1.5rc1", True), ("1.5", False), ("1.9", False), ("2.0", True), ("99", True),
        ("2.13.0+cpu", True), ("nonsense", True),
    ],
)  # fmt: skip
def test_a_version_is_within_the_ranges_or_listed(version: str, affected: bool) -> None:
    assert is_affected(version, advisory()["affected"][0]) == affected


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "0"}], "0.0.1", True),
        ([{"introduced": "0"}, {"last_affected": "3"}], "3", True),
        ([{"introduced": "0"}, {"last_affected": "3"}], "3.0.1", False),
        ([{"fixed": "2"}, {"introduced": "0"}], "1", True),  # in any order
        ([{"introduced": "0"}, {"limit": "2"}], "2", False),
        ([{"introduced": "0"}, {"fixed": "1"}, {"introduced": "1"}, {"fixed": "2"}], "1", True),
        ([{"introduced": "yesterday"}], "1", True),  # what cannot be compared is not passed over
        ([], "1", False),
    ],
)
def test_the_last_event_before_a_version_decides(events: list[dict[str, str]], version: str, affected: bool) -> None:
    assert is_affected(version, {"ranges": [{"type": "ECOSYSTEM", "events": events}]}) == affected


def test_commits_of_a_repository_are_not_versions() -> None:
    entry = {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}
    assert not is_affected("1", entry)


def test_what_was_withdrawn_or_is_of_another_ecosystem_does_not_apply() -> None:
    npm = advisory(affected=[{"package": {"ecosystem": "npm", "name": "some-package"}, "versions": ["1.3"]}])
    gone = advisory(withdrawn="2026-01-01T00:00:00Z")
    assert matches({"some-package": "1.3"}, [npm, gone, advisory()]) == matches({"some-package": "1.3"}, [advisory()])
    assert len(matches({"some-package": "1.3"}, [advisory()])) == 1
    assert matches({"another": "1.3"}, [advisory()]) == []


def test_a_match_says_what_it_is_and_where_it_is_mended() -> None:
    (match,) = matches({"some-package": "1.3"}, [advisory()])
    assert (match.package, match.version, match.id, match.aliases) == (
        "some-package",
        "1.3",
        "PYSEC-1",
        ("CVE-2026-1",),
    )
    assert match.fixed == ("1.5",)
    assert match.summary == "It leaks."
    (later,) = matches({"some-package": "2.1"}, [advisory()])
    assert later.fixed == ()


def written(folder: Path, form: str, entries: list[dict[str, Any]]) -> Path:
    """A database in one of the forms in which it is published."""
    path = folder / f"database.{form}"
    if form == "jsonl":
        path.write_text("\n".join(json.dumps(entry) for entry in entries))
    elif form == "json":
        path.write_text(json.dumps(entries if len(entries) > 1 else entries[0]))
    elif form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for entry in entries:
                archive.writestr(f"{entry['id']}.json", json.dumps(entry))
    else:
        (path / "vulns/x").mkdir(parents=True)
        for entry in entries:
            (path / "vulns/x" / f"{entry['id']}.yaml").write_text(yaml.safe_dump(entry))
    return path


@pytest.mark.parametrize("form", ["jsonl", "json", "zip", "folder"])
def test_every_form_of_a_database_is_read(form: str, tmp_path: Path) -> None:
    entries = [advisory(), advisory(id="PYSEC-2")]
    assert list(advisories(written(tmp_path, form, entries))) == entries


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"no": "id"}', '{"id": "x"}\nnonsense'])
def test_a_database_that_is_none_is_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "database.jsonl"
    path.write_text(text)
    with pytest.raises(DatabaseUnreadable):
        list(advisories(path))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.write_text(f"some-package==1.3 {HASH}\nother==1 {HASH}\n")
    return path


def audit(lock: Path, database: Path, *options: str) -> int:
    return main([str(database), "--lock", str(lock), *options])


def test_an_open_advisory_fails_the_audit(lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = written(tmp_path, "jsonl", [advisory()])
    assert audit(lock, database) == 1
    said = capsys.readouterr().out
    assert "some-package 1.3: PYSEC-1, CVE-2026-1 (mended in 1.5) It leaks." in said
    assert "2 packages, 1 advisories of 2026-11-01" in said


@pytest.mark.parametrize("known", ["PYSEC-1", "CVE-2026-1"])
def test_an_accepted_one_does_not_and_its_reason_is_shown(
    known: str, lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = written(tmp_path, "jsonl", [advisory()])
    assert audit(lock, database, "--accept", f"{known}=not reachable here") == 0
    assert "accepted: not reachable here" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        audit(lock, database, "--accept", known)


def test_a_database_that_would_find_nothing_is_no_clean_bill(lock: Path, tmp_path: Path) -> None:
    npm = advisory(affected=[{"package": {"ecosystem": "npm", "name": "x"}}])
    assert audit(lock, written(tmp_path, "jsonl", [npm])) == 2
    assert audit(lock, tmp_path / "nowhere") == 2
    old = written(tmp_path, "json", [advisory(modified="2020-01-01T00:00:00Z")])
    assert audit(lock, old) == 1
    assert audit(lock, old, "--most-days", "30") == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert audit(lock, empty) == 2
