"""Inside the packages: no import circle, rooms of `ecg` in layers, functions that fit on a screen."""

import ast
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from benchmarks.code_size import PACKAGES, longest_functions

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES_OF_A_FUNCTION = 60
MOST_SKIPS = 10  # `# fmt: skip` is for tables

#: Rooms of `ecg` from the ground up; a room imports from its own line and from those above it in this table.
LAYERS = (
    ("errors", "_version", "atomic_write"),
    ("values", "leads", "filters", "peaks", "dsp", "threads", "limits", "labels", "extras"),
    ("origin",),
    ("record",),
    ("measurement", "formats", "simulation"),
    ("quality",),
    ("findings",),
    ("models",),
    ("features",),
    ("pipeline",),
    ("report",),
    ("local", "client"),
    ("store", "access"),
    ("cardioai",),
    ("cli",),
    ("__main__",),
)


def modules(root: Path) -> dict[str, Path]:
    """Path of every module of the packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports, also inside functions; imports for type checks alone do not count."""
    tree = ast.parse(path.read_text())
    typing = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known.keys()
            found |= inner or {node.module or ""}
    return found


@cache
def graph() -> dict[str, set[str]]:
    known = modules(ROOT)
    return {name: imports(path, known) - {name} for name, path in known.items()}


def test_no_imports_go_in_a_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_no_room_imports_from_a_room_above_it() -> None:
    level = {room: i for i, rooms in enumerate(LAYERS) for room in rooms}
    upward = defaultdict(list)
    for name, targets in graph().items():
        room = name.split(".")[1] if name.startswith("ecg.") else None
        if room is None:
            continue
        for target in targets:
            other = target.split(".")[1] if target.count(".") else None  # None: the public face itself
            if other is None or level[other] > level[room]:
                upward[name].append(target)
    assert dict(upward) == {}


def test_the_layers_name_rooms_that_exist() -> None:
    rooms = {name.split(".")[1] for name in graph() if name.startswith("ecg.")}
    assert rooms <= {room for layer in LAYERS for room in layer}


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{name}": length
        for path in modules(ROOT).values()
        for length, name in longest_functions(path.read_text())
        if length > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_the_formatter_is_kept_off_tables_only() -> None:
    folders = (*PACKAGES, "benchmarks", "config", "k8s", "tests", "training")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    skips = sum(path.read_text().count("# fmt: skip") for path in files)
    assert skips <= MOST_SKIPS
