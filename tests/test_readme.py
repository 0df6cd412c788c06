"""The README's Python runs, and its answer has the shape of a real one."""

import re
from pathlib import Path

import orjson

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_runs() -> None:
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})


def test_the_answer_is_json_of_the_documented_parts() -> None:
    (answer,) = blocks("json")
    body = orjson.loads(answer)
    assert body["clinical_analysis"]["source"] == "rules"
    assert body["provenance"]["models"]["clinical"]["trained"] is False


def test_every_linked_document_exists() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    missing = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert missing == []
