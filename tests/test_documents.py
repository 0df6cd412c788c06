"""What the documents mention exists, and their lines and paragraphs can be read."""

import importlib
import re
from pathlib import Path

import pytest

from benchmarks.code_size import PACKAGES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md") if path.is_file()
)
FOLDERS = (*PACKAGES, "benchmarks", "config", "docs", "k8s", "tests", "training", "monitoring", ".ci")
LONGEST_LINE = 140
LONGEST_PARAGRAPH = 6

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())


def quoted(document: Path) -> list[str]:
    """What stands between single backticks outside blocks of code."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    return re.findall(r"`([^`\n]+)`", text)


def missing(document: Path) -> list[str]:
    """Paths, modules and names of ours that a document mentions and that do not exist."""
    return [word for word in quoted(document) if not (path_exists(word) and name_exists(word))]


def path_exists(word: str) -> bool:
    """Whether a path from the root, or the bare name of a Python module, exists; True for anything else."""
    word = word.split("::", maxsplit=1)[0].rstrip(".,:;")
    if word.startswith("benchmarks/results"):  # written by the benchmarks, never committed
        return True
    if re.fullmatch(r"[\w-]+\.py", word):
        return any(next((ROOT / folder).rglob(word), None) for folder in FOLDERS if (ROOT / folder).is_dir())
    if re.fullmatch(r"\.?[\w.*{},-]+(/[\w.*{},-]+)*/?", word) and word.split("/")[0] in FOLDERS and "/" in word:
        return "{" in word or next(ROOT.glob(word.rstrip("/")), None) is not None
    return True


def name_exists(word: str) -> bool:
    """Whether a dotted name of one of the packages leads to a module or attribute; True for anything else."""
    name = re.match(r"[\w.]+", word)
    if name is None or name[0].split(".")[0] not in PACKAGES or "." not in name[0] or "/" in word:
        return True
    if name[0].startswith("ecg.") and "=" in word:
        return True
    parts = name[0].rstrip(".").split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(value, attribute) and attribute not in getattr(value, "__annotations__", {}):
                return False
            value = getattr(value, attribute, None)
        return True
    return False


def prose(document: Path) -> list[str]:
    """Lines of a document without blocks of code, tables and front matter (replaced by blank lines)."""
    text = re.sub(r"\A---\n.*?\n---\n", "", document.read_text(), flags=re.S)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return ["" if line.startswith("|") else line for line in text.splitlines()]


@each_document
def test_what_a_document_mentions_exists(document: Path) -> None:
    assert missing(document) == []


def test_a_name_that_does_not_exist_is_found(tmp_path: Path) -> None:
    document = tmp_path / "x.md"
    document.write_text("See `ecg/nowhere.py`, `ecg.nowhere.x`, `nowhere.py`; but `ecg/errors.py` and `ecg.read` are.")
    assert missing(document) == ["ecg/nowhere.py", "ecg.nowhere.x", "nowhere.py"]


@each_document
def test_lines_are_short(document: Path) -> None:
    assert [line for line in prose(document) if len(line) > LONGEST_LINE] == []


@each_document
def test_paragraphs_are_short(document: Path) -> None:
    long, length = [], 0
    for line in (*prose(document), ""):
        starts = re.match(r"\s*([-*]|\d+\.) ", line) is not None
        if line.strip() and not starts:
            length += 1
        else:
            if length > LONGEST_PARAGRAPH:
                long.append(length)
            length = int(starts)
    assert long == []


def test_every_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert numbers == sorted(set(numbers))
    titles = [path.read_text().partition("\n")[0] for path in decisions]
    assert [title.partition(". ")[0] for title in titles] == [f"# {number}" for number in numbers]
