"""Serve is imported without pandas, which stays there for whoever wants it."""

import subprocess
import sys

_TOLD = """
import sys
import deployments.without_pandas
from ray import serve
print("pandas" in sys.modules)
import pandas
print(pandas.DataFrame({"x": [1]}).x.sum())
"""


def test_serve_leaves_pandas_alone() -> None:
    done = subprocess.run([sys.executable, "-c", _TOLD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]
