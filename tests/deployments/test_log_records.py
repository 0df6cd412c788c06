"""What the service logs of an exception: where it was raised, and nothing that it says."""

import io
import logging
from collections.abc import Callable, Iterator

import orjson
import pytest
from ray._common.formatters import JSONFormatter
from ray.exceptions import RayTaskError

from deployments.serve.log_records import hide_messages
from ecg.errors import MalformedInput

CANARY = "Müller, Erika"


def refuse() -> None:
    raise MalformedInput(f"The name {CANARY} is no lead.", "lead_names", ["I", "II"], CANARY)


def fail() -> None:
    float(CANARY)


def fail_with_a_cause() -> None:
    try:
        fail()
    except ValueError as error:
        raise RuntimeError(CANARY) from error


def fail_while_failing() -> None:
    try:
        fail()
    except ValueError:
        {}[CANARY]


def fail_elsewhere() -> None:
    raise RayTaskError("f", f"Traceback of another process: {CANARY}", ValueError(CANARY)).as_instanceof_cause()


def fail_together() -> None:
    error = ExceptionGroup(CANARY, [ValueError(CANARY)])
    error.add_note(CANARY)
    raise error


def fail_for_ever() -> None:
    error = ValueError(CANARY)
    error.__cause__ = RuntimeError(CANARY)
    error.__cause__.__cause__ = error
    raise error


@pytest.fixture(params=[logging.Formatter, JSONFormatter])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger as any library has one, and what it wrote."""
    hide_messages()
    logger, stream = logging.getLogger("some.package"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(request.param())
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


FAULTS = [fail, fail_with_a_cause, fail_while_failing, fail_elsewhere, fail_together, fail_for_ever]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_logged_with_its_type_and_place_and_without_its_message(
    log: tuple[logging.Logger, io.StringIO], fault: Callable[[], None]
) -> None:
    logger, stream = log
    try:
        fault()
    except Exception:
        logger.exception("request %s failed", "id-1")
    said = stream.getvalue()
    assert "request id-1 failed" in said
    assert f"in {fault.__name__}" in said
    assert "Error" in said or "ExceptionGroup" in said
    assert "Müller" not in said
    assert orjson.dumps(CANARY).decode() not in said
    assert "\\u00fc" not in said


def test_causes_are_named(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        fail_with_a_cause()
    except RuntimeError:
        logger.exception("failed")
    said = stream.getvalue()
    assert said.index("ValueError") < said.index("direct cause") < said.index("RuntimeError")


def test_a_refusal_is_logged_by_its_type_alone(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        refuse()
    except MalformedInput:
        logger.exception("Request failed.")
    assert "ecg.errors.MalformedInput" in stream.getvalue()
    assert "Müller" not in stream.getvalue()
    assert "in refuse" not in stream.getvalue()


def test_a_record_without_an_exception_is_as_ever(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.error("the %s model failed", "clinical")
    assert "the clinical model failed" in stream.getvalue()


def test_whoever_imports_a_deployment_has_it() -> None:
    """Serve's replicas import them by name, each in a process of its own."""
    import subprocess
    import sys

    program = (
        "import logging, deployments.serve.ray_errors\n"
        "try:\n    float('Erika')\nexcept ValueError:\n    logging.getLogger('uvicorn.error').exception('x')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert "ValueError" in done.stderr
    assert "Erika" not in done.stderr.replace("float('Erika')", "")
