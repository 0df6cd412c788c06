"""Write the list of limits in a document from the dataclasses that hold them.

    python -m benchmarks.limits

The part of `docs/measurement.md` between the two markers is replaced. A field's comment is its explanation.
"""

import ast
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "ecg" / "measurement" / "limits.py"
DOCUMENT = ROOT / "docs" / "measurement.md"
BEGIN = "<!-- limits: written by python -m benchmarks.limits -->"
END = "<!-- end of limits -->"


def section(source: Path) -> str:
    """A Markdown table for each dataclass of limits in a module: field, value, explanation."""
    with source.open("rb") as file:
        comments = {
            token.start[0]: token.string.lstrip("#: ")
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
        }
    parts = []
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ClassDef):
            title = (ast.get_docstring(node) or node.name).splitlines()[0].rstrip(".")
            table = [f"**{title}** (`{node.name}`)", "", "| limit | value | what it is |", "|---|---|---|"]
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None:
                    value = ast.unparse(field.value)
                    table.append(f"| `{field.target.id}` | {value} | {comments.get(field.lineno, '')} |")
            parts.append("\n".join(table))
    return "\n\n".join(parts)


def replaced(document: str, table: str) -> str:
    """The document with its list of limits replaced."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> None:
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), section(SOURCE)))


if __name__ == "__main__":
    main()
