"""How many lines of code the three packages have: without blanks, comments, docstrings and imports.

python -m benchmarks.code_size [FOLDER of a checkout]
"""

import argparse
import ast
import io
import tokenize
from pathlib import Path

PACKAGES = ("ecg", "deployments", "serve_app")
_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """Number of lines of a module that hold code other than docstrings and imports."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _SILENT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def longest_functions(source: str) -> list[tuple[int, str]]:
    """Length in lines and name of every function of a module, longest first."""
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return sorted(((n.end_lineno or n.lineno) - n.lineno + 1, n.name) for n in functions)[::-1]


def main() -> None:
    """Print the lines of code of each room and of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="FOLDER")
    root = parser.parse_args().folder
    total = 0
    for package in PACKAGES:
        rooms: dict[str, int] = {}
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).parts
            room = "/".join(parts[:2]) if len(parts) > 2 else package
            rooms[room] = rooms.get(room, 0) + code_lines(path.read_text())
        for room, lines in sorted(rooms.items()):
            print(f"{room:32}{lines:7}")
        total += sum(rooms.values())
    print(f"{'all':32}{total:7}")


if __name__ == "__main__":
    main()
