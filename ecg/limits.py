"""How a stage states its limits: one dataclass field each, with unit and source beside the number.

`benchmarks.limits_tables` writes the tables of the documents from them, and a test holds the two together.
"""

from dataclasses import Field, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def limit(value: T, unit: str, source: str) -> T:
    """A dataclass field of default `value` that knows its `unit` (``""``: a pure number) and where it comes from."""
    made: T = field(default=value, metadata={"unit": unit, "source": source})
    return made


def table(*stages: Any) -> str:
    """Markdown table of the limits of some dataclass instances: name, value, unit, source."""
    lines = ["| limit | value | unit | source |", "|---|---|---|---|"]
    lines += [_row(type(stage).__name__, stage, one) for stage in stages for one in fields(stage)]
    return "\n".join(lines)


def _row(name: str, stage: Any, one: "Field[Any]") -> str:
    value = getattr(stage, one.name)
    shown = ", ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else f"{value:g}"
    return f"| `{name}.{one.name}` | {shown} | {one.metadata['unit'] or '–'} | {one.metadata['source']} |"
