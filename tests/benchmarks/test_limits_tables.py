"""The documents list every limit with the number that the code uses."""

from dataclasses import fields

import pytest

from benchmarks import limits_tables


@pytest.mark.parametrize("name", limits_tables.STAGES)
def test_the_table_of_a_document_is_that_of_the_code(name: str):
    written = (limits_tables.DOCS / name).read_text()
    assert written == limits_tables.written(name), "run python -m benchmarks.limits_tables"


@pytest.mark.parametrize("name", limits_tables.STAGES)
def test_every_limit_is_explained(name: str):
    for stage in limits_tables.STAGES[name]:
        assert not [one.name for one in fields(stage) if not one.metadata["source"].strip()], type(stage).__name__
