"""Imports flow one way: serve_app -> deployments -> ecg; torch and decoders only in their rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "ecg": {"ray", "fastapi", "starlette", "uvicorn", "pydantic", "deployments", "serve_app"},
    "deployments": {"serve_app", "fastapi", "starlette", "uvicorn"},
    "serve_app": set(),
}
ONLY_UNDER = {
    "torch": ["ecg/models"],
    "openvino": ["ecg/models"],
    "safetensors": ["ecg/models"],
    "huggingface_hub": ["ecg/models"],
    "soundfile": ["ecg/formats"],
    "pydicom": ["ecg/formats"],
    "defusedxml": ["ecg/formats"],
    "sqlalchemy": ["ecg/store", "ecg/cardioai"],
    "alembic": ["ecg/store"],
    "boto3": ["ecg/cardioai/bus"],
    "botocore": ["ecg/cardioai/bus"],
}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full module name"
            found.add((node.module or "").split(".")[0])
    return found


def breaches(root: Path) -> list[str]:
    found = []
    for package, forbidden in FORBIDDEN.items():
        for path in sorted((root / package).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            for name in imported_packages(path):
                if name in forbidden:
                    found.append(f"{place} imports {name}")
                if name in ONLY_UNDER and not any(place.startswith(room + "/") for room in ONLY_UNDER[name]):
                    found.append(f"{place} imports {name}")
    return found


def test_imports_flow_downwards() -> None:
    assert breaches(ROOT) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [("ecg/x.py", "import ray"), ("deployments/x.py", "from serve_app import app"), ("ecg/x.py", "import torch.nn")],
)
def test_a_breach_is_found(tmp_path: Path, place: str, line: str) -> None:
    target = tmp_path / place
    target.parent.mkdir(parents=True)
    target.write_text(line)
    assert len(breaches(tmp_path)) == 1


def test_the_library_names_an_upper_package_in_one_place() -> None:
    """Imports by name escape the test above; there is one, and it is on record (docs/decisions/0020-batch-job.md)."""
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ecg").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and str(node.value).split(".")[0] in ("deployments", "serve_app", "ray")
    }
    assert naming == {"ecg/cli/batch.py"}


def test_importing_ecg_loads_neither_torch_nor_ray() -> None:
    code = "import ecg, sys; print(sorted({'torch', 'ray', 'openvino', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        ("deployments.serve.model", "scipy sleepecg sqlalchemy torch openvino"),
        ("deployments.serve.measure", "sqlalchemy torch openvino"),
        ("deployments.serve.preprocess", "sleepecg sqlalchemy torch openvino"),
        ("serve_app.edge.ingress", "torch openvino alembic"),
    ],
)
def test_a_deployment_imports_only_what_it_needs(module: str, needless: str) -> None:
    """A model loads its engine when it loads; scipy alone costs each process 65 MB and two seconds of a start."""
    code = f"import {module}, sys; print(sorted(set({needless.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_recording_is_examined_where_torch_cannot_be_imported() -> None:
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "openvino"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from ecg.pipeline import examine
from ecg.simulation import SCENARIOS, simulate
found = examine(simulate(SCENARIOS["sinus"], seed=1).record, features=True)
print(len(found.findings), found.measurements.qrs_duration.value is not None, found.quality.grade)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["17", "True", "Excellent"]


def test_every_public_name_of_ecg_resolves() -> None:
    import ecg

    assert {name for name in ecg.__all__ if getattr(ecg, name) is None} == set()
