"""The lock of the project is what its pins ask for, and its reader says where it is not."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from supply.lock import LOCK, PINS, ROOT, WITHOUT_HASH, faults, locked, pinned, without_hashes

A, B = "a" * 64, "b" * 64
PROJECT = """
[build-system]
requires = ["builder>=1"]
[project]
name = "own"
dependencies = ["left>=1,<2"]
[project.optional-dependencies]
more = ["own[other]"]
other = ["right[extra]==3"]
"""
TOOLS = "".join(f"{name}==1 --hash=sha256:{A}\n" for name in ("builder", "hatchling", "editables", "pip"))
GOOD = (
    f"left==1.5 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
    f"right==3 ; sys_platform == 'linux' \\\n    --hash=sha256:{A}\n"
)


def test_the_lock_of_the_project_is_as_its_pins_ask_for() -> None:
    assert faults(LOCK.read_text(), PINS.read_text(), (ROOT / "pyproject.toml").read_text()) == []
    found = locked(LOCK.read_text())
    assert len(found) > 200
    assert set(pinned(PINS.read_text())) <= set(found)
    assert {name for name, entry in found.items() if not entry.hashes} == {WITHOUT_HASH}


def test_a_lock_is_read() -> None:
    found = locked(f"# a comment\n{GOOD}")
    assert found["left"].version == "1.5"
    assert found["left"].hashes == {A, B}
    assert found["right"].marker == 'sys_platform == "linux"'


@pytest.mark.parametrize(
    "text", ["left>=1", "left==1\nLeft==2", "left[x]==1", "left @ https://x/left.whl", "left", "left==1,==2"]
)
def test_what_pins_nothing_is_no_lock(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of whichever line
        locked(text)


@pytest.mark.parametrize(
    ("lock", "pins", "fault"),
    [
        (GOOD, "left==1.5\nright==3", None),
        (GOOD, "left==1.6", "left is 1.6"),
        (GOOD, "third==1", "third is pinned"),
        (GOOD.replace("1.5", "2.0"), "", "required as"),
        (GOOD.partition("right")[0], "", "right is required"),
        (GOOD.replace(f" \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}", ""), "", "left has no hash"),
        (GOOD + "torch==2.13.0\n", "", None),
    ],
)
def test_a_lock_that_is_not_as_asked_for_is_said(lock: str, pins: str, fault: str | None) -> None:
    said = faults(TOOLS + lock, pins, PROJECT)
    assert (said == []) if fault is None else any(fault in line for line in said), said


def test_one_package_is_left_without_hashes() -> None:
    assert locked(without_hashes(GOOD, "right"))["right"].hashes == frozenset()
    assert locked(without_hashes(GOOD, "left")) | {"left": None} == locked(GOOD) | {"left": None}
    with pytest.raises(ValueError, match="third"):
        without_hashes(GOOD, "third")


@pytest.mark.parametrize("good", [True, False])
def test_pip_installs_what_has_the_hash_of_the_lock_and_nothing_else(good: bool, tmp_path: Path) -> None:
    """As the Makefile calls it; the hash of a wheel that was changed after the lock was written is another one."""
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing.py", "")
        archive.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
        archive.writestr("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest() if good else A
    (tmp_path / "lock").write_text(f"thing==1 \\\n    --hash=sha256:{digest}\n")
    options = ["--isolated", "--quiet", "--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "to")]
    command = [sys.executable, "-m", "pip", "install", *options, "--no-require-hashes", "-c", str(tmp_path / "lock")]
    done = subprocess.run([*command, "thing"], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode == 0) == good, done.stderr
    assert (tmp_path / "to/thing.py").exists() == good
    assert good or "HASH" in done.stderr.upper()
