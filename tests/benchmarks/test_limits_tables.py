"""The documents list every limit with the number that the code uses."""

import pytest

from benchmarks import limits_tables


@pytest.mark.parametrize("name", limits_tables.STAGES)
def test_the_table_of_a_document_is_that_of_the_code(name: str):
    written = (limits_tables.DOCS / name).read_text()
    assert written == limits_tables.written(name), "run python -m benchmarks.limits_tables"
