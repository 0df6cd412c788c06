"""What the processes of the service import, and what they leave alone."""

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


def test_the_ingress_leaves_the_database_to_the_inbox() -> None:
    told = "import sys, serve_app.edge.ingress; print({'sqlalchemy', 'alembic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
