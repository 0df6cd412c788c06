"""`python -m supply.audit DATABASE [--accept ID=REASON …]`: known weaknesses of the pinned packages, without a network.

DATABASE holds advisories in the OSV format: a file of JSON lines, one JSON file, a zip or a folder of such files as OSV
publishes them (https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip), or a copy of PyPA's advisory-database
(YAML). Every package of constraints.lock is looked up in it, or those of `--lock FILE`.

Prints each advisory that applies: package, version, ids, where it is mended, and what it is about. Exit status 1 when
one applies that is not accepted, 2 when the database cannot be read, holds nothing for PyPI, or is older than
`--most-days`.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from supply.lock import LOCK, locked

_SUMMARY = 100
_ENDINGS = {".json", ".jsonl", ".ndjson", ".yaml", ".yml"}


class DatabaseUnreadable(Exception):
    """The database is none, or not one that an audit can rely on."""


@dataclass(frozen=True)
class Match:
    """An advisory that applies to a package.

    Attributes
    ----------
    package, version
        What is pinned.
    id, aliases
        The advisory's own id, and others of the same weakness, such as a CVE.
    fixed
        Versions in which it is mended, the next one first; empty where none is known.
    summary
        What it is about, one line.
    """

    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    fixed: tuple[str, ...]
    summary: str

    @property
    def ids(self) -> frozenset[str]:
        """All ids of the weakness."""
        return frozenset({self.id, *self.aliases})


def advisories(database: Path) -> Iterator[dict[str, Any]]:
    """The advisories of a file, a zip or a folder. Raises `DatabaseUnreadable` for what is none."""
    if database.is_dir():
        for path in sorted(path for path in database.rglob("*") if path.suffix in _ENDINGS):
            yield from _parsed(path.name, path.read_text())
    elif zipfile.is_zipfile(database):
        with zipfile.ZipFile(database) as archive:
            for name in archive.namelist():
                if Path(name).suffix in _ENDINGS:
                    yield from _parsed(name, archive.read(name).decode())
    elif database.is_file():
        yield from _parsed(database.name, database.read_text())
    else:
        raise DatabaseUnreadable(f"there is no {database}")


def _parsed(name: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        if Path(name).suffix in (".yaml", ".yml"):
            found = [yaml.safe_load(text)]
        else:
            try:
                whole = json.loads(text)
                found = whole if isinstance(whole, list) else [whole]
            except json.JSONDecodeError:
                found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, yaml.YAMLError) as error:
        raise DatabaseUnreadable(f"{name} cannot be read: {error}") from None
    for advisory in found:
        if not isinstance(advisory, dict) or not isinstance(advisory.get("id"), str):
            raise DatabaseUnreadable(f"{name} holds something that is no advisory")
        yield advisory


def matches(packages: dict[str, str], database: Iterable[dict[str, Any]]) -> list[Match]:
    """The advisories that apply to packages, versions by normalised name; by package and id.

    Raises `DatabaseUnreadable` when there is no advisory of PyPI among them: nothing found would say nothing then.
    """
    found, of_pypi = [], 0
    for advisory in database:
        for affected in advisory.get("affected", []):
            package = affected.get("package", {})
            if package.get("ecosystem") != "PyPI":
                continue
            of_pypi += 1
            name = canonicalize_name(package.get("name", ""))
            if name in packages and not advisory.get("withdrawn") and is_affected(packages[name], affected):
                found.append(_match(name, packages[name], advisory, affected))
    if not of_pypi:
        raise DatabaseUnreadable("the database holds no advisory of a package of PyPI")
    return sorted(set(found), key=lambda match: (match.package, match.id))


def is_affected(version: str, affected: dict[str, Any]) -> bool:
    """Whether a version is one that an `affected` entry of OSV means: it is listed, or within one of its ranges.

    A version that cannot be compared is taken to be affected.
    """
    if _comparable(version) in {_comparable(listed) for listed in affected.get("versions", [])}:
        return True
    ranges = [entry for entry in affected.get("ranges", []) if entry.get("type") in ("ECOSYSTEM", "SEMVER")]
    return any(_within(version, entry.get("events", [])) for entry in ranges)


def _within(version: str, events: list[dict[str, str]]) -> bool:
    """The rule of the OSV schema: of the events in order of their versions, the last one not after it decides."""
    wanted = _comparable(version)
    if isinstance(wanted, str):
        return True
    inside = False
    ordered: list[tuple[Version, int, str]] = []
    for event in events:
        ((kind, stated),) = event.items()
        at = Version("0.dev0") if stated == "0" else _comparable(stated)
        if isinstance(at, str):
            return True
        ordered.append((at, kind == "introduced", kind))
    for at, _, kind in sorted(ordered):
        if kind == "introduced" and at <= wanted:
            inside = True
        elif (kind in ("fixed", "limit") and at <= wanted) or (kind == "last_affected" and at < wanted):
            inside = False
    return inside


def _comparable(version: str) -> Version | str:
    try:
        return Version(version)
    except InvalidVersion:
        return version


def _match(name: str, version: str, advisory: dict[str, Any], affected: dict[str, Any]) -> Match:
    events = [event for entry in affected.get("ranges", []) for event in entry.get("events", [])]
    own = _comparable(version)
    later = {event["fixed"] for event in events if "fixed" in event}
    fixed = sorted(
        (text for text in later if isinstance(own, Version) and isinstance(_comparable(text), Version)), key=Version
    )
    text = str(advisory.get("summary") or advisory.get("details") or "").strip()
    summary = text.splitlines()[0][:_SUMMARY] if text else ""
    mended = tuple(text for text in fixed if not isinstance(own, Version) or Version(text) > own)
    return Match(name, version, advisory["id"], tuple(advisory.get("aliases") or ()), mended, summary)


def newest(database: Iterable[dict[str, Any]]) -> datetime | None:
    """When the last change of an advisory was; None when none says."""
    stated = [str(advisory["modified"]) for advisory in database if advisory.get("modified")]
    times = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in stated]
    return max((at if at.tzinfo else at.replace(tzinfo=UTC) for at in times), default=None)


def main(arguments: list[str] | None = None) -> int:
    """Print what applies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--lock", type=Path, default=LOCK, help="packages with versions; constraints.lock if not said")
    parser.add_argument("--accept", action="append", default=[], metavar="ID=REASON", help="known, and why it may stay")
    parser.add_argument("--most-days", type=float, metavar="N", help="refuse a database whose last change is older")
    options = parser.parse_args(arguments)
    accepted = dict(item.partition("=")[::2] for item in options.accept)
    if not all(accepted.values()):
        parser.error("--accept needs a reason: ID=REASON")
    packages = {name: entry.version for name, entry in locked(options.lock.read_text()).items()}
    try:
        database = list(advisories(options.database))
        found = matches(packages, database)
        changed = newest(database)
        if options.most_days is not None:
            oldest = datetime.now(UTC) - timedelta(days=options.most_days)
            if changed is None or changed < oldest:
                raise DatabaseUnreadable(f"the last change of the database is of {changed}")
    except (DatabaseUnreadable, OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)
        return 2
    opened = 0
    for match in found:
        reason = next((accepted[name] for name in sorted(match.ids & accepted.keys())), None)
        opened += reason is None
        names = ", ".join([match.id, *match.aliases])
        mended = f"mended in {', '.join(match.fixed)}" if match.fixed else "not mended"
        print(f"{match.package} {match.version}: {names} ({mended}) {match.summary}")
        if reason is not None:
            print(f"  accepted: {reason}")
    print(f"{len(packages)} packages, {len(database)} advisories of {changed or 'unknown age'}: {opened} open")
    return 1 if opened else 0


if __name__ == "__main__":
    raise SystemExit(main())
