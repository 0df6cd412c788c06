"""What `benchmarks.fuzz` has Schemathesis load: how NDJSON is written, and a line for each answer."""

import os
from pathlib import Path
from typing import Any

import orjson
import schemathesis

#: File that gets a line for each request: method, path of the document, status.
ANSWERS = "ECG_FUZZ_ANSWERS"


@schemathesis.serializer("application/x-ndjson")
def as_lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A generated text as it is; an example from the document may be any JSON value."""
    return value.encode(errors="surrogatepass") if isinstance(value, str) else orjson.dumps(value, default=str) + b"\n"


@schemathesis.hook
def filter_case(context: Any, case: schemathesis.Case) -> bool:
    """Leave out NDJSON bodies that are meant to be no text: on the wire every body is one."""
    return case.media_type != "application/x-ndjson" or isinstance(case.body, str)


@schemathesis.hook
def after_call(context: Any, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Note the answer."""
    with Path(os.environ[ANSWERS]).open("a") as file:
        file.write(f"{case.method.upper()} {case.operation.path} {response.status_code}\n")
