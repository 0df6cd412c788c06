"""`python -m supply.lock`: writes constraints.lock, every pinned package with the hashes of its files.

Needs uv (`pipx install uv`) and the package index. constraints.txt says which versions; the lock adds hashes of all
files of each for every platform, what torch brings on Linux, and the tools that build and install the project. `make`
and the image install with it. `--check` needs neither: it says where the lock is not what constraints.txt and
pyproject.toml ask for, and is what a test runs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS, LOCK = ROOT / "constraints.txt", ROOT / "constraints.lock"
#: The build backend with what it needs for an editable install, and pip itself.
TOOLS = ("hatchling", "editables", "pip")
#: Kept without hashes: its builds for machines without a GPU are of another index, or of a folder of wheels that says
#: no hash, and pip would pass over them for PyPI's, which has one and brings gigabytes of CUDA.
WITHOUT_HASH = "torch"
_HEAD = """# Written by `python -m supply.lock` from constraints.txt and pyproject.toml; not by hand.
# pip takes it as constraints: what it installs has one of these hashes (Makefile, Dockerfile).
"""
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Locked:
    """A package of the lock: its version, the SHA-256 of each of its files, and where it is needed (a marker)."""

    version: str
    hashes: frozenset[str]
    marker: str | None = None


def locked(text: str) -> dict[str, Locked]:
    """The packages of a lock by normalised name. Raises `ValueError` for a line that is not one of a lock."""
    found: dict[str, Locked] = {}
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        line = entry.partition("#")[0].strip()
        if not line:
            continue
        requirement = Requirement(line.partition("--hash")[0].strip())
        (pin,) = requirement.specifier
        if pin.operator != "==" or requirement.extras or requirement.url:
            raise ValueError(f"no pinned version: {line[:80]}")
        marker = None if requirement.marker is None else str(requirement.marker)
        name = canonicalize_name(requirement.name)
        if name in found:
            raise ValueError(f"twice in the lock: {name}")
        found[name] = Locked(pin.version, frozenset(_HASH.findall(line)), marker)
    return found


def pinned(text: str) -> dict[str, str]:
    """Versions by normalised name, of the text of constraints.txt."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def faults(lock: str, pins: str, project: str) -> list[str]:
    """Where a lock is not what constraints.txt and pyproject.toml ask for; none when it is."""
    found, versions = locked(lock), pinned(pins)
    said = [f"{name} has no hash" for name, entry in found.items() if not entry.hashes and name != WITHOUT_HASH]
    for name, version in versions.items():
        if name not in found:
            said.append(f"{name} is pinned and not in the lock")
        elif found[name].version != version:
            said.append(f"{name} is {version} in constraints.txt and {found[name].version} in the lock")
    written = tomllib.loads(project)
    own = canonicalize_name(written["project"]["name"])
    asked = [*written["build-system"]["requires"], *written["project"]["dependencies"], *TOOLS]
    for extra in written["project"].get("optional-dependencies", {}).values():
        asked += extra
    for text in asked:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == own:
            continue
        if name not in found:
            said.append(f"{name} is required and not in the lock")
        elif found[name].version not in requirement.specifier:
            said.append(f"{name} is {found[name].version} in the lock, and required as {requirement.specifier}")
    return said


def made() -> str:
    """The text of the lock, by uv from the package index. Raises `CalledProcessError` where uv finds no solution."""
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("uv is not installed: pipx install uv, or pip install uv in an environment of its own")
    with tempfile.TemporaryDirectory() as folder:
        tools, out = Path(folder) / "tools.in", Path(folder) / "lock"
        tools.write_text("\n".join(TOOLS))
        options = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-annotate", "--no-header"]
        options += ["--no-config", "--all-extras", "--quiet", "-c", str(PINS), "-o", str(out)]
        subprocess.run([uv, "pip", "compile", *options, "pyproject.toml", str(tools)], cwd=ROOT, check=True)  # noqa: S603
        return _HEAD + without_hashes(out.read_text(), WITHOUT_HASH)


def without_hashes(text: str, name: str) -> str:
    """A lock in which one package has its version alone. Raises `ValueError` when it is not there with hashes."""
    changed, count = re.subn(rf"(?m)^({re.escape(name)}==\S+.*?)(?: \\\n    --hash=\S+)+$", r"\1", text)
    if count != 1:
        raise ValueError(f"the lock has no {name} with hashes")
    return changed


def main() -> int:
    """Write the lock, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say what is wrong with it")
    if not parser.parse_args().check:
        LOCK.write_text(made())
    said = faults(LOCK.read_text(), PINS.read_text(), (ROOT / "pyproject.toml").read_text())
    for line in said:
        print(line, file=sys.stderr)
    print(f"{len(locked(LOCK.read_text()))} packages, {'as asked for' if not said else f'{len(said)} faults'}")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
